/* A study file, read and validated: the question, the model, the conditions, and the measurements.
 *
 * Everything named in a study is a row of a table below this folder (selectors, edits, probes, metrics) or of the
 * tables of keys declared here, so validation, help and error messages derive from the tables. What depends on the
 * model (block numbers, set sizes) is checked by plan_make. Errors are SS_ERR_INPUT at "file:line:column". */
#ifndef STUDY_STUDY_H
#define STUDY_STUDY_H

#include "attn/run.h"
#include "base/sha256.h"
#include "base/text.h"
#include "io/yaml.h"
#include "sampler/pipeline.h"
#include "score/metric.h"

enum { STUDY_FORMAT = 1 }; /* the newest format version this program reads */

enum {
    STUDY_MAX_PROBES = 32,
    STUDY_MAX_METRICS = 32,
    STUDY_MAX_SEEDS = 4096,
    STUDY_MAX_CONDITIONS = 4096,
    STUDY_MAX_OPTIONS = 8,
    STUDY_MAX_FRACTIONS = 16,
    STUDY_MAX_ALSO = EDIT_MAX_STEPS - 1,
    STUDY_MAX_DRAWS = 64,
    STUDY_ALL = -1 /* `sham: all` */
};

/* The keys of a study file and of its parts, for help and validation. Ended by a row without a name. */
extern const option STUDY_KEYS[], STUDY_PROMPT_KEYS[], STUDY_SEED_KEYS[], STUDY_PART_KEYS[], STUDY_LORA_KEYS[],
    STUDY_SAMPLER_KEYS[], STUDY_MEASURE_KEYS[], STUDY_CONDITION_KEYS[], STUDY_CONTRAST_KEYS[], STUDY_CALIBRATION_KEYS[];

/* Probes that are not columns of a site but rows of their own; listed under `probes` beside those of attn/. */
extern const entry STUDY_PROBES[];
extern const int STUDY_PROBE_COUNT;

/* Where relative paths of a study are looked for, in this order: `base` (NULL = the study file's folder), `current`
 * (NULL = the process's), `data` (the installed program's data folder; NULL = none). */
typedef struct study_places {
    const char *base, *current, *data;
    int store_version; /* of the store that the study is read from, 0 = from none: what an older program took is read */
    const char *model; /* the folder that the store was made of: a name on the hub stands for it still; may be NULL */
    const pipeline_rules *rules; /* that the store was made under; NULL: those that the study says */
} study_places;

typedef enum condition_role {
    CONDITION_BASELINE,
    CONDITION_STUDIED,
    CONDITION_POSITIVE,   /* the positive control: one attribute of the prompt swapped */
    CONDITION_SHAM,       /* must give the baseline's bytes */
    CONDITION_CALIBRATION /* baseline at seeds that the study does not use */
} condition_role;
const char *condition_role_name(condition_role r);

/* A set of small numbers as written: everything, or the bits and, of blocks, the fractions of depth. */
typedef struct number_set {
    int all;
    attn_bits bits;
    int n_fractions;
    double fraction[STUDY_MAX_FRACTIONS]; /* 0.5 = block 12 of 24, for any model; of the blocks of `kinds` */
    const yaml_node *node;                /* where it was written, for errors; NULL = not written */
} number_set;

/* where x which keys x what is done, not yet bound to a model. */
typedef struct study_intervention {
    number_set blocks, heads, steps;
    unsigned kinds;              /* 1 << attn_kind of each named; 0 = all */
    const yaml_node *kinds_node; /* where they were written */
    int has_phase;               /* phase [low, high] of progress instead of steps */
    double phase_low, phase_high;
    unsigned branches; /* as attn_intervention */
    attn_rows rows;
    attn_scope scope;
    attn_redraw redraw;
    attn_source source;
    const attn_selector *selector;
    option_value selector_options[STUDY_MAX_OPTIONS];
    int k;
    double share; /* in place of k where above 0 */
    const attn_edit *edit;
    option_value edit_options[STUDY_MAX_OPTIONS];
} study_intervention;

/* Whether the number of its keys is not a `k`: a share of every call's, or the selector's own business. */
int study_has_no_k(const study_intervention *v);

typedef enum prompt_change { PROMPT_SAME, PROMPT_SWAP_ATTRIBUTE } prompt_change;

/* One condition after expansion over k and draws. */
typedef struct study_condition {
    const char *name;   /* "sink k=1"; unique */
    const char *family; /* "sink" */
    const char *folder; /* its folder under images/: "sink_k1" */
    condition_role role;
    int has_intervention;
    study_intervention intervention;
    int n_also; /* further interventions in force with it */
    study_intervention also[STUDY_MAX_ALSO];
    int draw, draw_of; /* number of the draw of its random sets, from 0; index of the condition of draw 0 */
    int k_listed;      /* k was a list: the condition is one of several of its family */
    prompt_change prompt;
    int64_t seed_add;      /* added to the image seed; no multiple of 2^32 but 0 */
    double guidance;       /* NAN = the study's */
    int sampler_steps;     /* 0 = the study's */
    const char *scheduler; /* NULL = the study's */
    picture_sizes sizes;   /* those given differ from the study's */
    const yaml_node *node; /* NULL for built-in conditions */
} study_condition;

typedef enum margin_kind { MARGIN_NONE, MARGIN_CALIBRATED, MARGIN_NUMBER } margin_kind;

/* One contrast after expansion over k: conditions a - b. */
typedef struct study_contrast {
    const char *name; /* "sink - random" */
    int a, b;         /* indices into condition[] */
    int k;            /* -1 = not over k */
    margin_kind margin_kind;
    double margin;   /* MARGIN_NUMBER */
    const char *why; /* MARGIN_NUMBER: the reason given */
    int is_positive; /* positive control - baseline */
    int is_added;    /* not in the file: the program adds the positive control's contrast where the study has none */
} study_contrast;

typedef struct study_metric {
    const metric *row;
    option_value options[STUDY_MAX_OPTIONS]; /* paths are resolved */
    int is_random;                           /* its weights say that they are random: its values mean nothing */
} study_metric;

typedef struct study {
    const char *path;                                       /* as given */
    const char *base_folder, *current_folder, *data_folder; /* absolute; data may be NULL */
    yaml_file *file;                                        /* the source; strings and nodes point into it */
    sha256_hex hash;                                        /* of the file's bytes */

    const char *name, *question, *series; /* series: "" = of none */
    const char *model, *variant;          /* resolved; variant may be NULL */
    model_parts parts;                    /* what the model is made of beside that; its variant and rules are not set */
    weight_form weights;                  /* of the denoiser */
    pipeline_rules rules;
    const char *prompts_file; /* resolved */
    int sample;               /* prompts drawn; 0 = all */
    int stratify;             /* by tag */
    uint64_t study_seed;      /* of the program's own random streams */
    int n_seeds;              /* image seeds of each prompt */
    image_seed seed[STUDY_MAX_SEEDS];
    int store_version;   /* as in study_places */
    int seeds_by_prompt; /* {base, add: prompt}: seed[0] + number of the prompt; n_seeds is 1 */
    int n_calibration;
    image_seed calibration_seed[STUDY_MAX_SEEDS];
    sample_settings sampler; /* as written: unset members are the model's defaults */

    int n_probes;
    const attn_probe *probe[STUDY_MAX_PROBES];
    attn_rows rows; /* Q of the masses */
    int r, keep_masses;
    double noop_below; /* as attn_measure */
    int follow;        /* the probe `trajectory` is listed */
    int top;           /* keys of every head kept as sinks; 0 without the probe `census` */

    int n_conditions; /* [0] is baseline; then those of the file, shams, calibration */
    study_condition *condition;
    int sham_groups; /* (prompt, seed) groups that run the shams; STUDY_ALL = every one */

    int n_metrics, primary; /* of images; primary: index into metric[] */
    study_metric metric[STUDY_MAX_METRICS];
    int n_set_metrics; /* of sets of images (METRIC_SET) */
    study_metric set_metric[STUDY_MAX_METRICS];
    int n_contrasts;
    study_contrast *contrast;

    struct study_string *strings; /* owned */
} study;

/* Read and validate. `places` may be NULL. On failure *out is NULL. */
/* Whose token ids metrics are given. */
tokenizer_rules study_tokenizer_rules(const study *y);

ss_status study_load(study **out, const char *path, const study_places *places, ss_error *err);
/* A study of nothing: the ground of study_parse_metrics where there is no study file. */
ss_status study_empty(study **out, const study_places *places, ss_error *err);
void study_free(study *y); /* NULL is allowed */

/* Index of the condition called `name`, or -1. */
int study_find_condition(const study *y, const char *name);

/* Metrics written as in a study file ("judge, clip-t" or "{clip-t: {model: DIR}}"), for `score --metric`. They live as
 * long as the study. `where` stands for the file in errors. Metrics of images come first; *n_images of the *n are. */
ss_status study_parse_metrics(study *y, const char *written, const char *where, study_metric *out, int capacity, int *n,
                              int *n_images, ss_error *err);

/* ---- metric_record.c: what is recorded of a metric ---- */

#define STUDY_RANDOM_WEIGHTS "weights are random"
#define STUDY_METRIC_CHECKSUM "sha256: "

/* SHA-256 over all that decides a value: name, options, the bytes of the files that they name. */
ss_status study_metric_hash(const study_metric *m, sha256_hex out, ss_error *err);

/* Append the options as one would write them, that checksum, and whether the weights are random. */
ss_status study_metric_describe(const study_metric *m, text *out, ss_error *err);

/* A notice for each metric whose weights are random. */
ss_status study_note_metrics(const study_metric *m, int n, notices *list, ss_error *err);

/* Whether two descriptions are of the same values, as far as they say. */
int study_metric_same(const char *described, const char *other);

#endif
