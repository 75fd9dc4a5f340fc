/* Parts that several kinds of pipeline are made of: components of a folder, CLIP text encoders, the
 * autoencoder. Private to sampler/. Sources: diffusers' pipelines (DiffusionPipeline.from_pretrained, encode_prompt).
 */
#ifndef SAMPLER_PIPELINE_PARTS_H
#define SAMPLER_PIPELINE_PARTS_H

#include "model/clip.h"
#include "sampler/pipeline_row.h"

/* ---- components of a folder ---- */

/* Whether model_index.json names the component: ["library", "Class"]; [null, null] and no entry mean without. */
int pipeline_has_component(const json_t *index, const char *name);

/* Some component has weights of the variant (NULL: none is asked for); a note says which, where others have not. */
ss_status pipeline_check_variant(const pipeline *p, const json_t *index, const char *index_path, const char *variant,
                                 ss_error *err);

/* Open the component, which must be there and of the class: that of p->parts, of the single file, or of the folder, in
 * the variant where it has it. Its weights are not packed. */
ss_status pipeline_open_component(model **out, pipeline *p, const json_t *index, const char *index_path,
                                  const char *name, const char *class_name, const char *variant, ss_error *err);

/* ---- pipeline_source.c: where components come from ---- */

/* Open the single file p->folder, and make *index what its model_index.json would say, freed by the caller. */
ss_status source_open_single(pipeline *p, json_t **index, ss_error *err);

/* Remove T5 from the index where the user asked for that, or where a single file does not have it and no other was
 * named. */
ss_status source_leave_out(pipeline *p, json_t *index, ss_error *err);

ss_status source_open_component(model **out, const pipeline *p, const char *name, const char *class_name,
                                const char *variant, ss_error *err);
/* *where: what the tokenizer is called in errors; freed by the caller. */
ss_status source_open_tokenizer(tokenizer **out, const pipeline *p, const char *name, const char *class_name,
                                text *where, ss_error *err);

/* The folder that the tokenizer is read from: named, or beside the configs; 0: there is none, it is CLIP's that ships.
 */
int source_tokenizer_folder(const pipeline *p, const char *name, text *out);
const char *source_merges(const pipeline *p, char **made); /* of CLIP's that ships; *made is freed by the caller */

/* A component's config.json, or "scheduler"'s; the caller frees it. *where names it in errors, and is freed likewise.
 */
ss_status source_read_config(const pipeline *p, const char *name, json_t **out, char **where, ss_error *err);

/* Open the tokenizer in folder `name`, which must be of the kind and have no token that `encoder` lacks. */
ss_status pipeline_open_tokenizer(tokenizer **out, const pipeline *p, const json_t *index, const char *name,
                                  tokenizer_kind kind, const model *encoder, int64_t vocabulary, ss_error *err);

/* p->sampling from scheduler/scheduler_config.json; `changes` as in scheduler_open. */
ss_status pipeline_open_scheduler(pipeline *p, scheduler_family family, json_t *changes, ss_error *err);

/* `found` = `expected`, or an error with what each is, at the model's folder. */
ss_status pipeline_agree(const pipeline *p, int64_t found, const char *what, int64_t expected, const char *why,
                         ss_error *err);

/* ---- text ---- */

enum { MAX_CLIPS = 2 };

/* text_encoder with its tokenizer, and text_encoder_2 with its own. */
typedef struct clip_texts {
    int n;    /* encoders; set before clip_texts_open */
    int last; /* their states are the last ones, after the final norm; else the penultimate ones. Likewise */
    tokenizer *tokenizer[MAX_CLIPS];
    model *encoder[MAX_CLIPS];
    int tokens; /* model_max_length of the first tokenizer, which diffusers takes for both */
} clip_texts;

/* Open all; the pipeline defines their classes. Close with clip_texts_close, also after a failure. */
ss_status clip_texts_open(clip_texts *m, pipeline *p, const json_t *index, const char *index_path,
                          const char *const *classes, const char *variant, ss_error *err);
void clip_texts_close(clip_texts *m);

static inline const clip_text_config *clip_texts_config(const clip_texts *m, int i) { return m->encoder[i]->config; }

int64_t clip_texts_width(const clip_texts *m); /* of the states of all, side by side */

/* [rows, width] in new scratch, or none where the network takes no pooled text: a width of 0. */
tensor text_pooled_new(compute *c, int64_t rows, int64_t width);

/* Add them to the encoders of a shape. */
void clip_texts_list(const clip_texts *m, text_shape *out);

/* Token ids of `n` texts, [n, count]. */
ss_status text_ids(const tokenizer *t, const char *const *texts, int n, int count, int32_t *ids, ss_error *err);

/* The states of all side by side into the left of states [n, >= tokens, width]; the pooled states of those that have a
 * projection side by side into pooled [n, pooled_width]. ids: scratch for [n, tokens]. The encoders' weights are packed
 * during the call, a block at a time, and freed. */
ss_status clip_texts_encode(const clip_texts *m, compute *c, const char *const *texts, int n, int32_t *ids,
                            tensor states, tensor pooled, ss_error *err);

/* ---- the autoencoder ---- */

static inline const vae_config *pipeline_vae_config(const pipeline *p) { return p->vae->config; }

/* How many pixels a latent is wide. */
int pipeline_vae_factor(const pipeline *p);

/* The image in new scratch, [1, H, W, 3], about -1 to 1: the latents as the row's latent_form says, decoded. */
tensor pipeline_decode(const pipeline *p, compute *c, const denoise_state *d);

#endif
