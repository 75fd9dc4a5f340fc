/* Pipelines: from prompt to image, for any kind of model. A pipeline is a row in a table, found by model_index.json's
 * "_class_name"; nothing above this header depends on which networks run. Source of behaviour: diffusers' pipeline
 * classes (StableDiffusion3Pipeline.__call__ for SD3). */
#ifndef SAMPLER_PIPELINE_H
#define SAMPLER_PIPELINE_H

#include "attn/run.h"
#include "base/option.h"
#include "io/rgb_image.h"
#include "model/lora.h"
#include "sampler/picture_sizes.h"
#include "sampler/rules.h"
#include "sampler/torch_noise.h"
#include "tensor/compute.h"

typedef struct pipeline pipeline;

/* ---- opening ---- */

/* Open and bind every component of the folder: errors name file, tensor, expected and found shape. Weights are packed
 * for `c`, which must outlive the pipeline, when they are needed: the denoiser's by the first denoise_begin, the
 * decoder's by the first denoise_decode, the text encoders' block by block while texts are encoded. `variant`: NULL or
 * "fp16", of the components that have it; none has it: an error. */
ss_status pipeline_open(pipeline **out, compute *c, const char *folder, const char *variant, ss_error *err);

/* Parts of a model from outside its folder or file. NULL: the model's own. */
enum { PIPELINE_MAX_ENCODERS = 3 };
typedef struct model_parts {
    const char *variant;
    pipeline_rules rules;
    const char *data; /* the folder of what ships, for CLIP's merges (models/clip-bpe) */
    /* For a single file in an original layout (model/original.h). `config`: a folder in diffusers' form whose configs,
     * scheduler and tokenizers it takes in place of its family's known ones. */
    const char *config;
    const char *tokenizer[PIPELINE_MAX_ENCODERS];    /* folders */
    const char *text_encoder[PIPELINE_MAX_ENCODERS]; /* a component's folder, or its file; "none": go without it */
    const char *vae;                                 /* likewise, but for "none" */
    /* Added to the weights of the denoiser and the text encoders, in this order. */
    lora_use lora[LORA_MAX_FILES];
    int n_lora;
} model_parts;

/* Append "vae: x.safetensors, lora: y.safetensors x 0.8, ": what was named, each with a comma behind it. */
void model_parts_add_words(const model_parts *parts, text *out);

/* The same of a folder, or of a single file. What of the parts the model cannot take is an error. */
ss_status pipeline_open_parts(pipeline **out, compute *c, const char *path, const model_parts *parts, ss_error *err);

void pipeline_close(pipeline *p);

/* Pack now what making images needs, instead of at its first use; free it until its next use. */
ss_status pipeline_prepare(pipeline *p, ss_error *err);
void pipeline_release(pipeline *p);

/* Set the weight format of the denoiser; every format but FORM_STORED changes the images. */
void pipeline_set_form(pipeline *p, weight_form form);
weight_form pipeline_form(const pipeline *p);

/* Sampling settings as they are asked for: what is 0 or NULL, and a guidance of NAN, is the model's default. */
typedef struct sample_settings {
    int width, height; /* pixels */
    int steps;
    double guidance;       /* classifier-free guidance scale; <= 1 = no unconditional branch */
    const char *negative;  /* negative prompt; "" by default: none */
    int max_text_tokens;   /* T5 length (diffusers: max_sequence_length) */
    picture_sizes sizes;   /* sizes that the network is conditioned on, where it is */
    const char *scheduler; /* another one than the model's, as scheduler_choose has it; NULL and "": the model's */
    torch_device noise;    /* where torch would draw; {0} = on the CPU */
} sample_settings;

/* The same as they are used: all members are set, and the model can do it. settings_resolve alone makes them. */
typedef struct resolved_settings {
    int width, height;
    int steps;
    double guidance;
    const char *negative;
    int max_text_tokens;
    picture_sizes sizes;
    const char *scheduler; /* NULL and "": the model's */
    torch_device noise;
} resolved_settings;

/* What --scheduler and --noise, or a study's keys of these names, mean. */
#define SCHEDULER_HELP                                                                                                 \
    "another scheduler over the model's settings: a class of diffusers, as DDIMScheduler; after commas settings "      \
    "(use_karras_sigmas=true), and force where it does not predict what the model does"
#define NOISE_HELP                                                                                                     \
    "torch: as on the CPU; torch-cuda: as on an NVIDIA RTX A6000; torch-cuda:108x2048: as on a card of 108 "           \
    "processors "                                                                                                      \
    "with 2048 threads each"

/* Fill what is not set; refuse what the model cannot do (sizes it does not divide, steps < 1): *out is then of no use. */
ss_status settings_resolve(const pipeline *p, const sample_settings *asked, resolved_settings *out, ss_error *err);

/* Settings as somebody would ask for them who wants these: to change some and resolve them again. */
sample_settings settings_asked(const resolved_settings *s);

/* Append "scheduler DDIMScheduler", and what `force` in it means, after `before`; nothing where none is asked for. */
void scheduler_asked_add_words(const char *asked, const char *before, text *out);

/* Append "28 steps, guidance 4.5" and the sizes that are set. */
void settings_add_words(const resolved_settings *s, text *out);

/* The attention calls that can be studied, for validation and for the shape of records. Heads and keys are the most of
 * any block. The segments are those of the keys of every call; where calls differ (a U-Net's, which attend to the image
 * or to the text), there are none here; pipeline_site_at has them. */
typedef struct pipeline_sites {
    int blocks, heads, keys;
    int n_segments;
    attn_segment segment[ATTN_MAX_SEGMENTS];
} pipeline_sites;
void pipeline_sites_at(const pipeline *p, const resolved_settings *s, pipeline_sites *out);

/* One of them; text keys are those of embedding_key_classes, in its order. */
ss_status pipeline_site_at(const pipeline *p, const resolved_settings *s, int block, attn_block *out, ss_error *err);

/* All of them, [out->blocks of pipeline_sites_at], their layouts numbered. The caller frees *out. */
ss_status pipeline_blocks(const pipeline *p, const resolved_settings *s, attn_block **out, ss_error *err);

const char *pipeline_class(const pipeline *p); /* "StableDiffusion3Pipeline" */

/* The class of the scheduler that makes images of these settings, "EulerDiscreteScheduler", and whether it was forced
 * although the model predicts something else. */
const char *pipeline_scheduler_name(const pipeline *p, const resolved_settings *s);
int pipeline_scheduler_forced(const pipeline *p, const resolved_settings *s);

/* Calls of the network for an image, which may be more than steps. */
int pipeline_calls(const pipeline *p, const resolved_settings *s);
const char *pipeline_folder(const pipeline *p);
const pipeline_rules *pipeline_rules_of(const pipeline *p);

/* ---- text ---- */

/* A text longer than an encoder's tokens is cut, and the rest has no effect on the image. */
typedef struct text_cut {
    const char *encoder;     /* its component: "text_encoder_3" */
    int tokens, kept, limit; /* that the text has; that the encoder sees; that it takes at most. Start and end count */
    size_t from; /* the text from this byte on is what it does not see; the text's length where it sees all */
} text_cut;

/* What each of the *n encoders sees of a text, in their order. Nothing is encoded. */
ss_status pipeline_find_cuts(const pipeline *p, const resolved_settings *s, const char *text_,
                             text_cut out[PIPELINE_MAX_ENCODERS], int *n, ss_error *err);

/* Append the part of the text that the encoder does not see, as it was written, without white space at its ends. */
void text_cut_add_words(const text_cut *cut, const char *text_, text *out);

/* A notice for each of the texts of an image, prompt and negative prompt, that encoders cut: which, and what falls off.
 */
ss_status pipeline_note_cuts(pipeline *p, const resolved_settings *s, const char *prompt, ss_error *err);

/* Where notices about the model and its texts go: those of its context. */
notices *pipeline_notices(const pipeline *p);

typedef struct embedding embedding; /* what the text encoders made of a prompt and a negative prompt */

/* The encoders' weights are in memory only during encoding, one block at a time. States that are not finite are an
 * error that names the encoder, here and wherever texts are encoded. */
ss_status pipeline_encode(pipeline *p, const resolved_settings *s, const char *prompt, embedding **out, ss_error *err);
void embedding_free(embedding *e); /* NULL is allowed */

/* The same for `n` prompts, out[n]: cheaper than one by one, since they share the packing. All or none are made. */
ss_status pipeline_encode_many(pipeline *p, const resolved_settings *s, const char *const *prompts, int n,
                               embedding **out, ss_error *err);

/* An embedding whose states are zeros, for measurements of speed. */
ss_status pipeline_blank(pipeline *p, const resolved_settings *s, const char *prompt, embedding **out, ss_error *err);

/* A folder of encoded texts, a file each (docs/STORE.md), so that each text is encoded once. A file is named by a
 * checksum of all that its bits depend on; it is written under a temporary name, synced and renamed, and read with its
 * own checksum, so that a damaged one counts as missing. One process at a time writes. */
typedef struct text_folder {
    const char *path;     /* made when it is first written to */
    const char *identity; /* checksums of the encoders' and tokenizers' files, numeric class: all that decides the bits
                           * but text and settings */
} text_folder;

/* An embedding that will be needed. */
typedef struct text_order {
    const char *prompt;
    const resolved_settings *settings;
    int repeat;                      /* 0; another number is an encoding of its own, that shares no file with others */
} text_order;

/* Encode what the `n` orders need and the folder has not got, each text once. `progress` (or NULL) is called after
 * every batch of texts with the number done and the total. After an interruption the folder has all but the last batch.
 */
ss_status pipeline_encode_into(pipeline *p, const text_folder *folder, const text_order *orders, int n,
                               void (*progress)(void *user, int64_t done, int64_t total), void *user, ss_error *err);

/* The embedding from the folder, without the encoders; what is not there is encoded and put there. */
ss_status pipeline_encode_from(pipeline *p, const text_folder *folder, const text_order *order, embedding **out,
                               ss_error *err);

/* Classes of the keys of a studied call ([pipeline_sites.keys], values of key_class) and the words they belong to; ""
 * where none. Where text and image are keys of different calls, the first are those of the text; all keys of the other
 * calls are of the image. */
const uint8_t *embedding_key_classes(const embedding *e, attn_branch branch);
const char *embedding_key_word(const embedding *e, attn_branch branch, int key);
int embedding_keys(const embedding *e); /* how many of them */

/* ---- denoising ---- */

/* One image during denoising. Latents are [1, h, w, C] in memory that the state owns. */
typedef struct denoise_state denoise_state;

/* Noise as torch.Generator('cpu').manual_seed(seed) and torch.randn([1, C, h, w]) make it, scaled for the first step.
 * The embedding (of the same settings) must outlive the state. */
ss_status denoise_begin(denoise_state **out, pipeline *p, const resolved_settings *s, const embedding *e, uint64_t seed,
                        attn_run *run /* may be NULL; not owned */, ss_error *err);
/* The same image so far, to go on under another run (conditions that share a prefix). */
ss_status denoise_fork(denoise_state **out, const denoise_state *from, attn_run *run, ss_error *err);
void denoise_free(denoise_state *d);
int denoise_step_number(const denoise_state *d); /* steps done */

/* Advance `n` states by one step, as one batch. They may differ in prompt, guidance, steps and how far they are, but
 * not in size and text length. An image's bits do not depend on the others in its batch. After a failure (an
 * interruption, say) the states are of no further use. */
ss_status denoise_step(pipeline *p, denoise_state *const *states, int n, ss_error *err);

/* Whether the image's latents are finite after its last step: call it for each image after denoise_step, before the
 * latents are used. Cheap where they are. Where they are not: SS_ERR_INPUT, and the error says where the first such
 * value appears (network, tensor, step, branch; the step is made again to find it) and whether a weight is to blame or
 * an intervention. Another status (memory, an interruption while the step was made again) is not about the image. */
ss_status denoise_check(pipeline *p, denoise_state *d, ss_error *err);

/* Whether the image is lost: denoise_check or denoise_decode has found values in it that are not finite, and its error
 * is about this image alone. Others of its batch are as they would be without it. A broken image must not be stepped,
 * forked or decoded. */
int denoise_is_broken(const denoise_state *d);

/* Latents as float32 [C, h, w] on the host (diffusers' order), for parity and trajectories. */
ss_status denoise_latents(pipeline *p, const denoise_state *d, float *host, ss_error *err);
int64_t denoise_latent_elements(const denoise_state *d);

/* ---- image ---- */

/* Decode with the VAE and quantise as diffusers' VaeImageProcessor (numpy round half to even of x * 255). The caller
 * frees *out with rgb_image_free. An image with values that are not finite is an error as of denoise_check. */
ss_status denoise_decode(pipeline *p, denoise_state *d, rgb_image *out, ss_error *err);

/* ---- cost, known beforehand (a dry run) ---- */
typedef struct pipeline_cost {
    size_t network_bytes, decoder_bytes; /* packed weights, from the first denoise_begin and denoise_decode on */
    size_t packing_bytes;                /* the most while the denoiser's are packed, the file's pages included */
    size_t encoder_bytes;                /* the most of the text encoders' that are packed at once */
    /* Activations at their peak: of a full batch of texts, of a step of `images`, of a decode. */
    size_t encode_scratch_bytes, step_scratch_bytes, decode_scratch_bytes;
    double flops_encode, flops_step, flops_decode; /* of one image; a step with both guidance branches */
    double flops_text;                             /* of one text through the encoders */
    size_t text_bytes;                             /* of one text in a text_folder */
} pipeline_cost;
/* `images`: how many are denoised together. */
ss_status pipeline_cost_of(pipeline *p, const resolved_settings *s, int images, pipeline_cost *out, ss_error *err);

#endif
