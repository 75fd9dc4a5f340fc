/* What a kind of pipeline provides, and what all of them share. Private to sampler/: everyone else uses pipeline.h.
 *
 * Text states and latents live in host memory, so that they outlast the scratch of a forward pass, can be saved, and
 * are the same whatever the backend; each step uploads what it needs. */
#ifndef SAMPLER_PIPELINE_ROW_H
#define SAMPLER_PIPELINE_ROW_H

#include "model/network.h"
#include "sampler/pipeline.h"
#include "text/tokenizer.h"

/* A run of text tokens among the keys of a studied call. */
typedef struct text_run {
    tokens tok; /* empty where the encoder is missing */
    int count;
} text_run;

enum { MAX_TEXT_RUNS = 2, MAX_BRANCHES = 2, MAX_WEIGHT_SETS = 8 };

struct embedding {
    int branches; /* 1 = BRANCH_COND alone */
    int n_image, n_text, n_runs;
    int64_t width, pooled_width;
    text_run run[MAX_BRANCHES][MAX_TEXT_RUNS];
    float *states;      /* [branches, n_text, width] */
    float *pooled;      /* [branches, pooled_width] */
    uint8_t *key_class; /* [branches, n_image + n_text] */
};

struct denoise_state {
    const embedding *text; /* not owned */
    sample_settings settings;
    attn_run *run;
    int64_t height, width, channels; /* of the latents */
    int step;
    float *sigma, *timestep; /* [steps + 1], [steps] */
    float *latents;          /* [height, width, channels] */
};

/* One kind of pipeline. Every function works on `p->impl`; those that compute take the context to use, which is
 * another one in a dry run. Scratch they leave behind is released by the caller. */
typedef struct pipeline_row {
    entry about; /* name: "_class_name" in model_index.json */
    /* Open all components; fill p->impl and p->by_default. On failure `close` is still called. */
    ss_status (*open)(pipeline *p, const json_t *index, const char *index_path, const char *variant, ss_error *err);
    void (*close)(pipeline *p);
    /* Refuse what the model cannot do; all members of *s are set. */
    ss_status (*check)(const pipeline *p, const sample_settings *s, ss_error *err);
    void (*sites)(const pipeline *p, const sample_settings *s, pipeline_sites *out);
    /* Fill the zeroed embedding, key_class aside. */
    ss_status (*encode)(pipeline *p, compute *c, const sample_settings *s, const char *prompt, embedding *e,
                        ss_error *err);
    /* Set size and schedule of a state whose settings are set; latents are not yet there. */
    ss_status (*schedule)(const pipeline *p, denoise_state *d, ss_error *err);
    /* One step of all states: latents and nothing else. */
    ss_status (*step)(pipeline *p, compute *c, denoise_state *const *states, int n, ss_error *err);
    /* The picture in new scratch, [1, H, W, 3], about -1 to 1. */
    tensor (*decode)(pipeline *p, compute *c, const denoise_state *d);
    /* The weights of all components; returns how many sets. */
    int (*weights)(const pipeline *p, const weight_set *out[MAX_WEIGHT_SETS]);
} pipeline_row;

struct pipeline {
    const pipeline_row *row;
    compute *c;
    char *folder;
    sample_settings by_default;
    void *impl; /* the row's own */
};

extern const pipeline_row PIPELINE_SD3;

#endif
