/* What each thing that can be asked of attention costs: bench_asked MODEL PROMPT THREADS ROUNDS [NAME]. One image
 * plain, then with every probe alone, with all of them, and with every selector (edit: mask) and every edit (select:
 * top) in every block, head and step; all by turns in every round. NAME: only the rows whose name holds it. Prints the
 * median over rounds of the ratio to the plain image of the same round. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "bench/samples.h"
#include "sampler/pipeline.h"

enum { MOST = 64, KEYS = 10, PLAIN = 0 };

/* One row of the table: an image with these measures under this program. */
typedef struct way {
    char name[64];
    double goal; /* per cent over plain; 0 = none */
    attn_measure measure;
    attn_program program;
    samples wall;
} way;

static compute *cpu;
static pipeline *model;
static sample_settings settings;
static pipeline_sites sites;
static const char *prompt;
static way ways[MOST];
static int n_ways;

static void must(ss_status status, const ss_error *err) {
    if (status == SS_OK) return;
    fprintf(stderr, "%s\n", err->message);
    exit(1);
}

static way *add_way(const char *kind, const char *name, double goal, const char *only) {
    way *w = &ways[n_ways];
    *w = (way){.goal = goal, .measure = {.rows = ROWS_IMAGE, .r = 5, .noop_below = 0.1}};
    snprintf(w->name, sizeof w->name, "%s%s", kind, name);
    if (n_ways == MOST || (n_ways > PLAIN && only && !strstr(w->name, only))) return NULL;
    n_ways++;
    return w;
}

static const void *row_of(const void *table, size_t stride, int n, const char *name) {
    ss_error err;
    const void *row = entry_find(table, stride, n, "row", name, NULL, &err);
    if (!row) must(SS_ERR_INTERNAL, &err);
    return row;
}

/* In force everywhere; options at their defaults, which the selectors' and edits' own tables give. */
static void add_intervention(way *w, const attn_selector *selector, const attn_edit *edit) {
    attn_intervention *v = &w->program.intervention[w->program.n++];
    ss_error err;
    v->branches = 1u << BRANCH_COND | 1u << BRANCH_UNCOND;
    v->selector = selector;
    v->edit = edit;
    v->k = edit->on == EDIT_ON_NOTHING ? 0 : KEYS;
    for (int i = 0; i < sites.blocks; i++) bits_set(&v->blocks, i);
    for (int i = 0; i < sites.heads; i++) bits_set(&v->heads, i);
    for (int i = 0; i < settings.steps; i++) bits_set(&v->steps, i);
    const entry *about[2] = {&selector->about, &edit->about};
    option_value *value[2] = {v->selector_options, v->edit_options};
    for (int t = 0; t < 2; t++)
        for (int i = 0; about[t]->options && about[t]->options[i].name; i++) {
            const option *o = &about[t]->options[i];
            const char *text = o->by_default                ? o->by_default
                               : strcmp(o->name, "at") == 0 ? "clip 0"
                                                            : "1"; /* a required option */
            if (strcmp(o->name, "class") == 0) text = "padding";
            if (*text) must(option_parse(o, text, NULL, &value[t][i], &err), &err);
        }
}

static void list_ways(const char *only) {
    const attn_selector *top = row_of(ATTN_SELECTORS, sizeof *ATTN_SELECTORS, ATTN_SELECTOR_COUNT, "top");
    const attn_edit *mask = row_of(ATTN_EDITS, sizeof *ATTN_EDITS, ATTN_EDIT_COUNT, "mask");
    const attn_edit *mean = row_of(ATTN_EDITS, sizeof *ATTN_EDITS, ATTN_EDIT_COUNT, "query-mean");
    const attn_selector *query = row_of(ATTN_SELECTORS, sizeof *ATTN_SELECTORS, ATTN_SELECTOR_COUNT, "query");
    way *w;
    add_way("plain", "", 0, only);
    for (int i = 0; i < ATTN_PROBE_COUNT; i++)
        if ((w = add_way("probe ", ATTN_PROBES[i].about.name, 0, only)) != NULL)
            w->measure.probe[w->measure.n_probes++] = &ATTN_PROBES[i];
    if ((w = add_way("all probes", "", 8, only)) != NULL) {
        for (int i = 0; i < ATTN_PROBE_COUNT; i++) w->measure.probe[w->measure.n_probes++] = &ATTN_PROBES[i];
        w->measure.top = 1;
    }
    for (int i = 0; i < ATTN_SELECTOR_COUNT; i++)
        if ((w = add_way("select ", ATTN_SELECTORS[i].about.name, 5, only)) != NULL)
            add_intervention(w, &ATTN_SELECTORS[i], ATTN_SELECTORS[i].queries ? mean : mask);
    for (int i = 0; i < ATTN_EDIT_COUNT; i++)
        if ((w = add_way("edit ", ATTN_EDITS[i].about.name, 5, only)) != NULL)
            add_intervention(w, ATTN_EDITS[i].on == EDIT_ON_QUERIES ? query : top, &ATTN_EDITS[i]);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Seconds of one image's denoising. */
static double image(const way *w, int seed) {
    ss_error err;
    embedding *e;
    denoise_state *d;
    attn_run *run = NULL;
    attn_shape shape = {settings.steps, sites.blocks, sites.heads, sites.keys};
    attn_stream_name name = {.image_seed = (uint64_t)seed};
    must(pipeline_encode(model, &settings, prompt, &e, &err), &err);
    if (w != &ways[PLAIN])
        must(attn_run_create(&run, w->program.n ? &w->program : NULL, &w->measure, &name, shape, &err), &err);
    must(denoise_begin(&d, model, &settings, e, (uint64_t)seed, run, &err), &err);
    double began = now();
    while (denoise_step_number(d) < settings.steps) must(denoise_step(model, &d, 1, &err), &err);
    double took = now() - began;
    denoise_free(d);
    attn_run_destroy(run);
    embedding_free(e);
    return took;
}

int main(int argc, char **argv) {
    ss_error err;
    int threads = argc > 4 ? atoi(argv[3]) : 0, rounds = argc > 4 ? atoi(argv[4]) : 0;
    if (threads < 1 || rounds < 1 || rounds > MAX_ROUNDS) {
        fprintf(stderr, "usage: bench_asked MODEL PROMPT THREADS ROUNDS [NAME]\n");
        return 2;
    }
    must(compute_create(&cpu, "cpu", threads, (size_t)64 << 30, &err), &err);
    must(pipeline_open(&model, cpu, argv[1], NULL, &err), &err);
    prompt = argv[2];
    settings = (sample_settings){.guidance = NAN};
    must(pipeline_defaults(model, &settings, &err), &err);
    must(pipeline_sites_at(model, &settings, &sites, &err), &err);
    list_ways(argc > 5 ? argv[5] : NULL);
    for (int round = 0; round <= rounds; round++) /* the first is not timed */
        for (int i = 0; i < n_ways; i++) {
            double took = image(&ways[i], round);
            if (round > 0) samples_add(&ways[i].wall, took);
        }
    printf("%s, %d x %d, %d steps, %d threads, %d rounds; denoising of one image, seconds\n", argv[1], settings.width,
           settings.height, settings.steps, threads, rounds);
    for (int i = 0; i < n_ways; i++) {
        double more = 100 * (samples_ratio(&ways[i].wall, &ways[PLAIN].wall) - 1);
        printf("%-24s %8.3f %+7.1f %%", ways[i].name, samples_spread(&ways[i].wall).median, more);
        if (ways[i].goal > 0) printf("   goal %g %%: %s", ways[i].goal, more <= ways[i].goal ? "met" : "MISSED");
        printf("\n");
    }
    pipeline_close(model);
    compute_destroy(cpu);
    return 0;
}
