/* A CLIP model with what belongs to it, the tokenizer and the pixels' preparation: the ground of CLIP-T, HPS, PickScore
 * and CMMD. */
#ifndef SCORE_CLIP_SCORER_H
#define SCORE_CLIP_SCORER_H

#include "io/json.h"
#include "score/preprocess.h"
#include "text/tokenizer.h"
#include "tensor/compute.h"

typedef struct clip_scorer clip_scorer;

/* A folder as transformers (config.json of a CLIPModel, processor_config.json or preprocessor_config.json, tokenizer
 * files, which may lie in another folder: `tokenizer_folder`, or NULL) or as open_clip writes it (open_clip_config.json
 * and open_clip_model.safetensors or open_clip_pytorch_model.bin); the latter's tokenizer comes from `merges`. */
ss_status clip_scorer_open_folder(clip_scorer **out, compute *c, const char *folder, const char *tokenizer_folder,
                                  const char *merges, tokenizer_rules rules, ss_error *err);

/* One file of OpenCLIP's weights under `config` (model_cfg), pixels prepared as `pixels` says but for its side. */
ss_status clip_scorer_open_weights(clip_scorer **out, compute *c, const char *weights, const char *prefix,
                                   const json_t *config, const char *config_name, const char *merges,
                                   const preprocess *pixels, ss_error *err);

/* Crop and resize by this rule from now on, to the folder's side, mean and deviation. */
void clip_scorer_use(clip_scorer *s, preprocess_rule rule);
void clip_scorer_close(clip_scorer *s); /* NULL is allowed */

/* exp(logit_scale) of the checkpoint; an input error where it has none. */
ss_status clip_scorer_scale(const clip_scorer *s, double *out, ss_error *err);

/* Length of the embeddings. */
int64_t clip_scorer_width(const clip_scorer *s);

/* out[width], not normalised. The embedding of the last prompt is cached, since a study needs it again. */
ss_status clip_scorer_image(clip_scorer *s, compute *c, const rgb_image *image, float *out, ss_error *err);
ss_status clip_scorer_text(clip_scorer *s, compute *c, const char *prompt, const float **out, ss_error *err);

/* The cosine of the two. */
ss_status clip_scorer_cosine(clip_scorer *s, compute *c, const rgb_image *image, const char *prompt, double *out,
                             ss_error *err);

#endif
