/* The table of networks (networks.def), and which may be opened in the place of which. */
#include "model/network.h"

const network *const MODEL_NETWORKS[] = {
#define NETWORK(id) &network_##id,
#include "model/networks.def"
};

/* A checkpoint of a whole model may be used for a part of it, and a text encoder's for another head. */
const model_part MODEL_PARTS[] = {
    {"CLIPTextModel", "CLIPTextModelWithProjection"},
    {"CLIPTextModel", "CLIPModel"},
    {"CLIPTextModelWithProjection", "CLIPTextModel"},
    {"CLIPTextModelWithProjection", "CLIPModel"},
    {"T5EncoderModel", "T5ForConditionalGeneration"},
    {"T5EncoderModel", "T5WithLMHeadModel"}, /* its older name */
    {"T5EncoderModel", "T5Model"},
};
const int MODEL_PART_COUNT = sizeof MODEL_PARTS / sizeof MODEL_PARTS[0];

const int MODEL_NETWORK_COUNT = sizeof MODEL_NETWORKS / sizeof MODEL_NETWORKS[0];
