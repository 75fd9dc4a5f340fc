/* The table of networks. A new one is a row here and a file beside this one. */
#include "model/mmdit.h"
#include "model/network.h"

const network MODEL_NETWORKS[] = {
    {{"SD3Transformer2DModel", "MMDiT, the denoiser of SD3 and SD3.5", NULL},
     sizeof(mmdit_config),
     sizeof(mmdit_weights),
     mmdit_parse,
     mmdit_bind,
     NULL,
     mmdit_example,
     mmdit_forward_named},
};
const int MODEL_NETWORK_COUNT = NN_COUNT(MODEL_NETWORKS);
