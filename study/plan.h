/* A plan: every image of a study, in the order of execution, grouped so that work is shared, with its cost.
 *
 * A group is a (prompt, image seed): its units (one per condition) share the text embeddings and the denoising prefix
 * before an intervention is in force. A plan depends on the study file, the prompts and the model's shapes alone. */
#ifndef STUDY_PLAN_H
#define STUDY_PLAN_H

#include <stddef.h>
#include "score/geneval.h"
#include "study/study.h"

/* One image. `id` numbers the units of the whole study, whatever part of it is planned. */
typedef struct plan_unit {
    int64_t id;
    int prompt; /* index into plan.prompts */
    int seed_index;
    image_seed seed; /* of the group (a condition may add to it) */
    int condition;   /* index into study.condition */
} plan_unit;

typedef struct plan_group {
    int prompt, seed_index;
    image_seed seed;
    int first_unit, n_units;
} plan_group;

/* A condition bound to the model. */
typedef struct plan_condition {
    attn_program program; /* n = 0: no intervention */
    int first_step;       /* the first step at which it differs from the baseline; = steps when never */
    int shares_prefix;    /* same prompt, seed and sampler settings as the baseline */
    resolved_settings settings;
    const char *scheduler; /* the class that makes its images; `forced`: upon a model that predicts something else */
    int forced;
    int follows; /* its trajectory is compared with the baseline's, step by step (probe `trajectory`) */
} plan_condition;

typedef struct plan_counts {
    int prompts, groups, conditions;
    int64_t images;
    int64_t forwards;          /* steps of one image, after sharing */
    int64_t forwards_unshared; /* without it */
    int64_t encodes;           /* texts through the text encoders */
} plan_counts;

typedef struct plan_cost {
    double flops;
    double disk_bytes, text_bytes; /* of the store; of the encoded texts beside it, until it is complete */
    /* From here on by plan_forecast (run/forecast.h); NAN and 0 before. */
    double seconds;
    size_t memory_bytes;                           /* the most of this process's memory */
    size_t weight_bytes, step_bytes, decode_bytes; /* of which: packed weights, activations of a step or a decode */
    size_t text_phase_bytes;                       /* the text encoders' weights and activations, before */
} plan_cost;

/* What encoders do not see of the plan's prompts, by plan_read_texts. */
typedef struct plan_texts {
    int n; /* encoders */
    struct {
        const char *encoder;
        int limit, prompts; /* tokens that it takes; prompts that have more */
    } cut[PIPELINE_MAX_ENCODERS];
    int any; /* prompts that some encoder cuts */
} plan_texts;

typedef struct plan {
    const study *study; /* not owned; must outlive the plan */
    geneval_prompts prompts;
    char **swapped; /* [prompts.n] the prompt with an attribute swapped; NULL where no condition needs it */
    resolved_settings settings;
    pipeline_sites sites;
    attn_block *block;         /* [sites.blocks] */
    attn_measure measure;      /* of every run */
    attn_bits recall;          /* blocks in which some condition chooses from the baseline's masses */
    plan_condition *condition; /* [study->n_conditions] */
    int n_groups, n_units;
    plan_group *group;
    plan_unit *unit;
    size_t unit_capacity;
    int limit;    /* groups requested; 0 = all */
    int together; /* images to be denoised together, unless run_options ask for another number */
    plan_counts counts;
    plan_cost cost;
    plan_texts texts;
} plan;

/* Bind the study to the model and lay out its units. `limit` > 0: that many groups, drawn in a seeded order that is
 * stratified by tag; a smaller limit's groups are among a larger one's. */
ss_status plan_make(plan **out, const study *y, pipeline *p, int limit, ss_error *err);
void plan_free(plan *p); /* NULL is allowed */

/* Read the plan's prompts as the encoders will: fill p->texts, note what is cut (pipeline_notices), and refuse
 * interventions that would find no key in a prompt since it has no such word or class of tokens, or not among the
 * tokens that an encoder takes. What no prompt has is always refused (but not in a plan with a limit), what some lack
 * unless the selector's option `missing` allows it. For new runs: a store's study was read when it was made. */
ss_status plan_read_texts(plan *p, pipeline *pl, ss_error *err);

/* Blocks, heads and steps of an intervention in a model and run of these sizes, into members of *out, zero before.
 * kind[blocks]: of each block's attention. */
ss_status plan_bind_where(const study *y, const study_intervention *v, const attn_kind *kind, int blocks, int heads,
                          int steps, attn_intervention *out, ss_error *err);

/* The plan in words, as `run --plan` prints it. */
void plan_describe(const plan *p, text *out);

/* The seed of the unit's noise: the group's, with what the condition adds. */
image_seed plan_unit_seed(const plan *p, const plan_unit *u);

/* "'two stars', seed 2, like k=5" */
void plan_unit_name(const plan *p, const plan_unit *u, text *out);

/* The prompt that the unit's image is made from (it is scored against the prompt itself). */
const char *plan_unit_prompt(const plan *p, const plan_unit *u);

/* What a unit's image is made from: its prompt under its condition's settings. The sham condition that repeats
 * everything has an encoding of its own. */
text_order plan_text_order(const plan *p, const plan_unit *u);

#endif
