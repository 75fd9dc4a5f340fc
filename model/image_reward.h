/* ImageReward: a ViT reads the image, a BERT with cross-attention reads the prompt beside it, a stack of linear layers
 * gives one number. Source: THUDM/ImageReward, ImageReward.py, models/BLIP/vit.py and med.py, whose module paths are
 * the names of weights and taps. Xu et al. 2023. */
#ifndef MODEL_IMAGE_REWARD_H
#define MODEL_IMAGE_REWARD_H

#include "model/network.h"
#include "nn/layers.h"

enum { REWARD_MLP_LAYERS = 5 };

/* {"image_size", "patch_size", "vision_width", "vision_layers", "vision_heads", "mlp": [1024, 128, 64, 16],
 *  "text": med_config.json}; every default is that of ImageReward v1.0, so that {} is the published model. */
typedef struct reward_config {
    int64_t size, patch; /* pixels */
    int64_t vision_width, vision_layers, vision_heads;
    int64_t width, inner, layers, heads; /* of BERT */
    int64_t vocabulary, positions;
    activation act;
    float eps;                      /* of BERT's norms */
    int64_t mlp[REWARD_MLP_LAYERS]; /* widths after each linear layer; the last is 1 */
} reward_config;

typedef struct reward_vision_layer {
    nn_affine norm1, norm2;
    nn_linear qkv, out, fc1, fc2;
} reward_vision_layer;

typedef struct reward_attention {
    nn_linear q, k, v, out;
    nn_affine norm; /* after the residual */
} reward_attention;

typedef struct reward_text_layer {
    reward_attention self, cross;
    nn_linear up, down;
    nn_affine norm;
} reward_text_layer;

typedef struct reward_weights {
    weight class_token, vision_position, word, position;
    nn_linear patch;
    reward_vision_layer *vision;
    nn_affine vision_norm, text_norm;
    reward_text_layer *text;
    nn_linear mlp[REWARD_MLP_LAYERS];
} reward_weights;

/* pixels [B, size, size, 3] normalised; ids [batch, tokens] on the host, of which the first used[b] are not padding
 * (the package's mask adds -10000 to the scores of padding, which leaves exactly no weight on it). -> reward [B, 1] in
 * new scratch, before the published mean and standard deviation are taken out. */
tensor image_reward_forward(compute *c, const reward_config *g, const reward_weights *w, tensor pixels,
                            const int32_t *ids, const int32_t *used, int64_t tokens);

/* ---- row of the table of networks ----
 *   pixel_values [B, 3, size, size], input_ids [B, N], used [B] -> reward [B, 1] */
ss_status image_reward_parse(const json_t *json, const char *class_name, const char *where, void *config,
                             ss_error *err);
void image_reward_bind(binder *b, const void *config, void *weights);
ss_status image_reward_example(const void *config, model_arrays *in, ss_error *err);
ss_status image_reward_forward_named(const model *m, compute *c, const model_arrays *in, model_arrays *out,
                                     ss_error *err);

extern const char *const IMAGE_REWARD_IGNORE[];

#endif
