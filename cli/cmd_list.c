/* `list`: every row of every table, with its line of description and its options. */
#include "cli/tables.h"

#include "attn/attn.h"
#include "model/network.h"
#include "sampler/scheduler.h"
#include "score/metric.h"
#include "study/study.h"

/* The keys of a study file and of its parts; one table to the reader. */
static const entry STUDY_PARTS[] = {
    {"study", "the file itself", STUDY_KEYS},
    {"prompts", "where it is a mapping", STUDY_PROMPT_KEYS},
    {"parts", "a mapping", STUDY_PART_KEYS},
    {"lora", "an item that is a mapping", STUDY_LORA_KEYS},
    {"seeds", "where it is a mapping", STUDY_SEED_KEYS},
    {"sampler", "what is not given is the model's default", STUDY_SAMPLER_KEYS},
    {"measure", "how it is measured", STUDY_MEASURE_KEYS},
    {"conditions", "each of them", STUDY_CONDITION_KEYS},
    {"contrasts", "each of them", STUDY_CONTRAST_KEYS},
    {"calibration", "images at seeds that the study does not use", STUDY_CALIBRATION_KEYS},
};
static const int STUDY_PART_COUNT = sizeof STUDY_PARTS / sizeof STUDY_PARTS[0];

typedef struct listed {
    const char *name, *about;
    const void *rows;
    size_t stride;
    const entry *(*row)(int i); /* in the place of the two, where rows are elsewhere */
    const int *count;
    const entry *more; /* rows of another table under the same name; NULL = none */
    const int *more_count;
} listed;

static const listed TABLES[] = {
    {.name = "backends", .about = "what computes (--backend)", .row = compute_backend, .count = &COMPUTE_BACKEND_COUNT},
    {.name = "selectors",
     .about = "which keys an intervention acts on (study key `select`)",
     .rows = ATTN_SELECTORS,
     .stride = ENTRY_POINTERS,
     .count = &ATTN_SELECTOR_COUNT},
    {.name = "edits",
     .about = "what is done to them (study key `edit`)",
     .rows = ATTN_EDITS,
     .stride = ENTRY_POINTERS,
     .count = &ATTN_EDIT_COUNT},
    {.name = "probes",
     .about = "what is measured at every attention call (study key `probes`)",
     .rows = ATTN_PROBES,
     .stride = ENTRY_POINTERS,
     .count = &ATTN_PROBE_COUNT,
     .more = STUDY_PROBES,
     .more_count = &STUDY_PROBE_COUNT},
    {.name = "kinds",
     .about = "kinds of attention that a model's blocks have (study key `kinds`)",
     .rows = ATTN_KINDS,
     .stride = sizeof *ATTN_KINDS,
     .count = &ATTN_KIND_COUNT},
    {.name = "metrics",
     .about = "what is measured on images (study key `metrics`)",
     .rows = SCORE_METRICS,
     .stride = ENTRY_POINTERS,
     .count = &SCORE_METRIC_COUNT},
    {.name = "schedulers",
     .about = "what carries noise to a picture (--scheduler, study key `sampler: {scheduler}`; docs/FORMATS.md)",
     .row = scheduler_about,
     .count = &SCHEDULER_COUNT},
    {.name = "networks",
     .about = "kinds of network that can be loaded, by the class in their config.json",
     .rows = MODEL_NETWORKS,
     .stride = ENTRY_POINTERS,
     .count = &MODEL_NETWORK_COUNT},
    {.name = "study",
     .about = "the keys of a study file",
     .rows = STUDY_PARTS,
     .stride = sizeof(entry),
     .count = &STUDY_PART_COUNT},
};
enum { TABLE_COUNT = sizeof TABLES / sizeof TABLES[0] };

static ss_status print_table(const listed *t, ss_error *err) {
    text out = {0};
    text_addf(&out, "%s: %s\n", t->name, t->about);
    for (int i = 0; i < *t->count; i++) entry_describe(t->row ? t->row(i) : entry_at(t->rows, t->stride, i), &out);
    for (int i = 0; t->more && i < *t->more_count; i++) entry_describe(&t->more[i], &out);
    ss_status status = out.failed ? error_no_memory(err, "a table", out.len) : SS_OK;
    if (status == SS_OK) fputs(out.s, stdout);
    text_free(&out);
    return status;
}

static ss_status cmd_list_run(const invocation *in, ss_error *err) {
    const char *wanted = invocation_arg(in, 0);
    if (wanted) {
        entry names[TABLE_COUNT];
        for (int i = 0; i < TABLE_COUNT; i++) names[i] = (entry){.name = TABLES[i].name};
        const entry *found = entry_find(names, sizeof *names, TABLE_COUNT, "table", wanted, NULL, err);
        if (!found) return err->code = SS_ERR_USAGE;
        return print_table(&TABLES[found - names], err);
    }
    for (int i = 0; i < TABLE_COUNT; i++) {
        if (i) putchar('\n');
        SS_TRY(print_table(&TABLES[i], err));
    }
    return SS_OK;
}

const command CLI_LIST = {
    .about = {"list", "every selector, edit, probe, metric, network and study key", NULL},
    .arguments = "[TABLE]",
    .max_args = 1,
    .description = "Prints the tables that study files are validated against. With a table's name, that one alone:\n"
                   "  sinkscope list selectors",
    .run = cmd_list_run,
};

const command CLI_HELP = {
    .about = {"help", "the same as list", NULL},
    .arguments = "[TABLE]",
    .max_args = 1,
    .description = "sinkscope help selectors|edits|probes|kinds|metrics|schedulers|networks|study",
    .run = cmd_list_run,
};
