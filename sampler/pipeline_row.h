/* What a kind of pipeline provides, and what all of them share. Private to sampler/; other folders use pipeline.h.
 *
 * Text states and latents live in host memory, so that they outlast the scratch of a forward pass, can be saved, and
 * are the same for every backend; each step uploads what it needs. */
#ifndef SAMPLER_PIPELINE_ROW_H
#define SAMPLER_PIPELINE_ROW_H

#include "model/network.h"
#include "model/original.h"
#include "model/vae.h"
#include "sampler/pipeline.h"
#include "sampler/scheduler.h"
#include "sampler/torch_noise.h"
#include "text/tokenizer.h"

/* A run of text tokens among the keys of a studied call. */
typedef struct text_run {
    tokens tok; /* empty where no encoder has seen it */
    int count;
} text_run;

enum { MAX_TEXT_RUNS = 2, MAX_BRANCHES = 2 };

/* An encoder as a text meets it. */
typedef struct text_encoder {
    const char *name; /* the component: "text_encoder_2" */
    const tokenizer *reader;
    int count; /* tokens that it takes */
} text_encoder;

/* What the encoders make of a text. */
typedef struct text_shape {
    int n_encoders;
    text_encoder encoder[PIPELINE_MAX_ENCODERS];
    int n_runs, count[MAX_TEXT_RUNS];
    const tokenizer *reader[MAX_TEXT_RUNS]; /* whose tokens a run holds; NULL = no encoder has seen it */
    int n_text;                             /* tokens of all runs */
    int64_t width, pooled_width;            /* of the states, of the pooled states; 0: there are no pooled ones */
    int no_negative;                        /* with these settings the unconditional text is zeros and not encoded */
} text_shape;

struct embedding {
    int branches;        /* 1 = BRANCH_COND alone */
    int n_image, n_text; /* n_image: 0 where keys of text are no keys of image (pipeline_sites) */
    int n_runs;
    int64_t width, pooled_width; /* as in text_shape */
    text_run run[MAX_BRANCHES][MAX_TEXT_RUNS];
    float *states;      /* [branches, n_text, width] */
    float *pooled;      /* [branches, pooled_width], never NULL */
    int n_keys;         /* pipeline_sites.keys: the most of any call */
    uint8_t *key_class; /* [branches, n_keys] */
};

struct denoise_state {
    const embedding *text; /* not owned */
    resolved_settings settings;
    attn_run *run;
    int64_t height, width, channels; /* of the latents */
    schedule plan;
    int step, call; /* steps done, calls of the network done */
    float *latents; /* [height, width, channels]; owned, with slots, `before` and `noise` in the same memory */
    float *slots;   /* [plan.slots, height, width, channels] what the scheduler remembers */
    /* What the scheduler draws comes from the generator of the first noise, which goes on. */
    torch_generator generator;
    float *noise; /* [height, width, channels], and scratch to draw it; NULL where the scheduler draws none */
    /* Where the last step began: latents and slots, generator, calls done. A step that gave values that are not finite
     * is made again. */
    float *before;
    torch_generator generator_before;
    int call_before;
    int broken; /* denoise_is_broken */
};

/* One call of the network, for a batch: the conditional branch of every image, then the unconditional one of those that
 * have guidance. */
typedef struct call_batch {
    int rows;
    tensor latents;                  /* [rows, h, w, C], scaled as the scheduler asks */
    tensor text;                     /* [rows, n_text, width] */
    tensor pooled;                   /* [rows, pooled_width], or none */
    float *timestep;                 /* [rows], host */
    float *size_conditioning;        /* [rows, SIZE_CONDITIONS], host: picture_sizes_condition */
    attn_item *item;                 /* [rows] */
    attn_batch studied;              /* of them */
    const resolved_settings *settings; /* of the first image; sizes and text length are those of all */
} call_batch;

/* What becomes of latents x before they are decoded, by the autoencoder's config: x / scaling_factor; that +
 * shift_factor; x latents_std / scaling_factor + latents_mean where the config has both, else x / scaling_factor. */
typedef enum latent_form { LATENTS_SCALED, LATENTS_SHIFTED, LATENTS_NORMALISED } latent_form;

/* One kind of pipeline. Every function works on `p->impl`; those that compute take the context to use, which is
 * another one in a dry run. Scratch they leave behind is released by the caller. */
typedef struct pipeline_row {
    entry about;     /* name: "_class_name" in model_index.json */
    int takes_sizes; /* the network is conditioned on picture_sizes; elsewhere a request that sets one is refused */
    latent_form latents;
    /* Open all components; fill p->impl, p->vae, p->network, p->sampling and p->by_default. On failure `close` is still
     * called. */
    ss_status (*open)(pipeline *p, const json_t *index, const char *index_path, const char *variant, ss_error *err);
    void (*close)(pipeline *p); /* all but what p itself holds */
    /* Refuse what the model cannot do; all members of *s are set. */
    ss_status (*check)(const pipeline *p, const resolved_settings *s, ss_error *err);
    void (*sites)(const pipeline *p, const resolved_settings *s, pipeline_sites *out);
    void (*site)(const pipeline *p, const resolved_settings *s, int block, attn_block *out); /* a block there is */
    void (*text_shape)(const pipeline *p, const resolved_settings *s, text_shape *out);
    /* `n` texts at once into states [n, n_text, width] and pooled [n, pooled_width] (none where it is 0). ids: scratch
     * for [n, n_text]. The encoders' weights are packed during the call and freed. */
    ss_status (*encode)(const pipeline *p, compute *c, const char *const *texts, int n, int32_t *ids, tensor states,
                        tensor pooled, ss_error *err);
    int64_t (*channels)(const pipeline *p); /* of the latents */
    int64_t (*patch)(const pipeline *p);    /* side of an image token, latents; a scheduler may count tokens */
    /* What the network makes of the batch, [rows, h, w, C] in new scratch. */
    tensor (*predict)(pipeline *p, compute *c, const call_batch *batch);
} pipeline_row;

/* The parameters that determine how much scratch a phase takes. */
typedef enum scratch_phase { SCRATCH_ENCODE, SCRATCH_STEP, SCRATCH_DECODE, SCRATCH_PHASES } scratch_phase;
typedef struct scratch_key {
    int64_t rows, height, width, text;
} scratch_key;

struct pipeline {
    const pipeline_row *row;
    compute *c;
    char *folder;             /* or the single file */
    original *single;         /* what it holds, while it is opened; NULL: a folder */
    const model_parts *parts; /* while it is opened */
    notices *notices;         /* where they go while it is opened */
    pipeline_rules rules;
    lora_set *lora; /* what is added to weights; NULL: nothing */
    resolved_settings by_default;
    model *vae;              /* AutoencoderKL */
    model *network;          /* the denoiser; it and the autoencoder are packed when they are first needed */
    weight_form form;        /* of the denoiser's weights */
    scheduler sampling;      /* the model's own */
    scheduler_family family; /* what its denoiser predicts */
    json_t *sampling_config; /* the own scheduler's settings, which another one takes over; owned */
    scratch_key reserved[SCRATCH_PHASES]; /* what scratch was last made for */
    void *impl;                           /* the row's own */
};

#define PIPELINE(id) extern const pipeline_row PIPELINE_##id;
#include "sampler/pipelines.def"

/* ---- embedding.c ---- */

enum { TEXT_BATCH = 16 }; /* texts that go through the encoders together: what their packing is shared by */

/* Memory for the encoders' output for `n` texts, zeroed: states [n, n_text, width] and pooled [n, pooled_width], which
 * has an address even where it has no values. The caller frees both, after a failure too. */
ss_status text_states_allocate(const text_shape *shape, int n, float **states, float **pooled, ss_error *err);

/* The embedding of a prompt with its tokens and classes and memory for the states, which are not computed yet. All
 * members of *s are set. */
ss_status embedding_new(embedding **out, const pipeline *p, const resolved_settings *s, const char *prompt,
                        ss_error *err);

/* Texts that make up an embedding of these settings, in the order of its branches: each[0 .. return value). */
int embedding_texts(const pipeline *p, const resolved_settings *s, const char *prompt, const char *each[MAX_BRANCHES]);

/* pipeline_encode on any context. */
ss_status encode_on(pipeline *p, compute *c, const resolved_settings *s, const char *prompt, embedding **out,
                    ss_error *err);

/* Up to TEXT_BATCH texts through the encoders, in the scratch of `c`, which is released. Errors of the context are left
 * there. */
ss_status encode_batch(const pipeline *p, compute *c, const text_shape *shape, const char *const *texts, int n,
                       float *states, float *pooled, ss_error *err);

/* `n` texts through the encoders, in batches, and checked. Scratch is released. */
ss_status encode_texts(pipeline *p, compute *c, const resolved_settings *s, const char *const *texts, int n,
                       float *states, float *pooled, ss_error *err);

/* ---- text_folder.c ---- */

size_t text_file_bytes(const text_shape *shape); /* of one text */

/* ---- pipeline.c ---- */

/* Scratch that a phase used and the next one will not need is released: after texts are encoded, and after an image is
 * decoded. A small amount is kept, since new memory costs time. */
enum { KEPT_SCRATCH = 64 << 20 };
void pipeline_trim(compute *c);

/* What takes scratch, to be done on the dry backend. */
typedef ss_status (*scratch_walk)(pipeline *p, compute *dry, const void *what, ss_error *err);

/* Make scratch for what comes next, in one piece: as much as the walk takes, unless the last one of the phase had this
 * key. Measuring may need more, which the arena gets as it goes. */
ss_status pipeline_reserve(pipeline *p, scratch_phase phase, const scratch_key *key, scratch_walk walk,
                           const void *what, ss_error *err);

/* Pack the denoiser, or what decoding needs, where that has not been done. */
ss_status pipeline_pack_network(pipeline *p, ss_error *err);
ss_status pipeline_pack_decoder(pipeline *p, ss_error *err);

/* The scheduler of these settings: the model's, or the one that is asked for. */
ss_status pipeline_scheduler(const pipeline *p, const resolved_settings *s, scheduler *out, ss_error *err);

/* ---- denoise.c ---- */

/* A state with its plan and zeroed latents. */
ss_status denoise_new(denoise_state **out, const pipeline *p, const resolved_settings *s, const embedding *e,
                      attn_run *run, ss_error *err);

/* Latents and slots: floats of each of `latents` with `slots`, and of `before`. */
int64_t denoise_state_floats(const denoise_state *d);

/* denoise_step on any context. */
ss_status denoise_step_on(pipeline *p, compute *c, denoise_state *const *states, int n, ss_error *err);

/* ---- finite.c: values that are not finite ---- */

/* The text states of `n` texts, as encode_texts makes them, are finite, or an error names the encoder, the tensor and
 * the text. */
ss_status text_states_check(pipeline *p, compute *c, const resolved_settings *s, const char *const *texts, int n,
                            const float *states, const float *pooled, ss_error *err);

/* Whether the states are finite: [n, n_text, width], [n, pooled_width]. */
int text_states_finite(const text_shape *shape, int n, const float *states, const float *pooled);

/* The image of the state was not finite: decode again, and report where in the autoencoder it begins. */
ss_status decode_culprit(pipeline *p, compute *c, const denoise_state *d, ss_error *err);

/* ---- pipeline.c ---- */

/* Parts of the autoencoder that decode, as prefixes of names. */
enum { DECODER_PARTS = 2 };
extern const char *const PIPELINE_DECODER[DECODER_PARTS];

#endif
