/* What each thing that can be asked of attention costs: bench_asked MODEL PROMPT THREADS ROUNDS [NAME]. One image
 * plain, then with every probe alone, with all of them, and with every selector (edit: mask) and every edit (select:
 * top) in every block, head and step, then with a planted key that holds a share of every row, unmasked and masked; all
 * by turns in every round. NAME: only the rows whose name holds it. Prints the median over rounds of what a row takes
 * more than the plain image of the same round (a masked plant: than the unmasked one), of the plain image, by the
 * wall's clock and by the processor's.
 *
 * MODEL may be the config.json of an MMDiT: then a row is one forward pass of that network with random weights, at 512
 * pixels and 77 + 256 tokens of text, both branches; PROMPT is not looked at. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bench/common.h"
#include "bench/samples.h"
#include "model/mmdit.h"
#include "sampler/pipeline.h"
#include "support/plant.h"

enum { MOST = 64, KEYS = 10, PLAIN = 0 };

/* One row of the table: an image with these measures under this program. */
typedef struct way {
    char name[64];
    double goal;    /* per cent over plain; 0 = none */
    int against;    /* the row that this one takes more than */
    double planted; /* share of every row that a planted key has; 0 = none is planted */
    attn_measure measure;
    attn_program program;
    samples wall, processor;
} way;

static compute *cpu;
static pipeline *opened;
static model *blocks; /* one of the two */
static resolved_settings settings;
static pipeline_sites sites;
static const char *prompt;
static way ways[MOST];
static int n_ways;

/* The plant is made around the one attention function, which the linker hands us (--wrap=attn_forward). */
static const plant *planted; /* NULL = calls as they are */

void __real_attn_forward(compute *c, const attn_call *call);
void __wrap_attn_forward(compute *c, const attn_call *call);

void __wrap_attn_forward(compute *c, const attn_call *call) {
    if (planted && call->batch && call->block >= 0) plant_forward(c, call, planted, __real_attn_forward);
    else __real_attn_forward(c, call);
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
            const char *words = o->by_default                ? o->by_default
                                : strcmp(o->name, "at") == 0 ? "clip 0"
                                                             : "1"; /* a required option */
            if (strcmp(o->name, "class") == 0) words = "padding";
            if (*words) must(option_parse(o, words, NULL, &value[t][i], &err), &err);
        }
}

/* Two rows: an image with a key planted, and with that key masked in all rows. */
static void list_planted(double p, const char *only) {
    const attn_selector *top = row_of(ATTN_SELECTORS, ENTRY_POINTERS, ATTN_SELECTOR_COUNT, "top");
    const attn_edit *mask = row_of(ATTN_EDITS, ENTRY_POINTERS, ATTN_EDIT_COUNT, "mask");
    char name[32];
    snprintf(name, sizeof name, "%g of every row", p);
    way *w = add_way("planted ", name, 0, only);
    if (!w) return;
    w->planted = p;
    int unmasked = n_ways - 1;
    snprintf(name, sizeof name, "%g, masked", p);
    if ((w = add_way("planted ", name, 0, NULL)) == NULL) return;
    w->planted = p;
    w->against = unmasked;
    add_intervention(w, top, mask);
    w->program.intervention[0].k = 1;
    w->program.intervention[0].rows = ROWS_ALL;
}

static void list_ways(const char *only) {
    const attn_selector *top = row_of(ATTN_SELECTORS, ENTRY_POINTERS, ATTN_SELECTOR_COUNT, "top");
    const attn_edit *mask = row_of(ATTN_EDITS, ENTRY_POINTERS, ATTN_EDIT_COUNT, "mask");
    const attn_edit *mean = row_of(ATTN_EDITS, ENTRY_POINTERS, ATTN_EDIT_COUNT, "query-mean");
    const attn_selector *query = row_of(ATTN_SELECTORS, ENTRY_POINTERS, ATTN_SELECTOR_COUNT, "query");
    way *w;
    add_way("plain", "", 0, only);
    for (int i = 0; i < ATTN_PROBE_COUNT; i++)
        if ((w = add_way("probe ", ATTN_PROBES[i]->about.name, 0, only)) != NULL)
            w->measure.probe[w->measure.n_probes++] = ATTN_PROBES[i];
    if ((w = add_way("all probes", "", 8, only)) != NULL) {
        for (int i = 0; i < ATTN_PROBE_COUNT; i++) w->measure.probe[w->measure.n_probes++] = ATTN_PROBES[i];
        w->measure.top = 1;
    }
    for (int i = 0; i < ATTN_SELECTOR_COUNT; i++)
        if ((w = add_way("select ", ATTN_SELECTORS[i]->about.name, 5, only)) != NULL)
            add_intervention(w, ATTN_SELECTORS[i], ATTN_SELECTORS[i]->queries ? mean : mask);
    for (int i = 0; i < ATTN_EDIT_COUNT; i++)
        if ((w = add_way("edit ", ATTN_EDITS[i]->about.name, 5, only)) != NULL)
            add_intervention(w, ATTN_EDITS[i]->on == EDIT_ON_QUERIES ? query : top, ATTN_EDITS[i]);
    list_planted(0.5, only);
    list_planted(0.999, only);
}

/* All steps of an image. */
static void denoise(attn_run *run, const embedding *e, int seed) {
    ss_error err;
    denoise_state *d;
    must(denoise_begin(&d, opened, &settings, e, (uint64_t)seed, run, &err), &err);
    while (denoise_step_number(d) < settings.steps) must(denoise_step(opened, &d, 1, &err), &err);
    denoise_free(d);
}

/* One pass of a network with random weights. */
static void forward(attn_run *run, int seed) {
    const mmdit_config *g = blocks->config;
    const int64_t side = 64, n_text = sites.keys - sites.segment[0].length;
    float timestep[2] = {500, 500};
    uint8_t *classes = calloc((size_t)sites.keys, 1);
    arena_mark mark = arena_get_mark(cpu->scratch);
    tensor latents = compute_4d(cpu, 2, side, side, g->in_channels),
           pooled = compute_2d(cpu, 2, g->pooled_projection_dim);
    tensor states = compute_3d(cpu, 2, n_text, g->joint_attention_dim);
    const tensor input[] = {latents, pooled, states};
    ss_error err = {0};
    for (int i = 0; compute_ok(cpu) && i < 3; i++) {
        philox r;
        philox_init(&r, (uint64_t)seed, &(uint64_t){(uint64_t)i}, 1);
        op_gaussians(cpu, input[i], &(gaussian_run){r, 1, 0, tensor_elements(input[i])}, 1);
    }
    for (int i = sites.segment[0].length; classes && i < sites.keys; i++) classes[i] = i % 4 ? KEY_PADDING : KEY_WORD;
    attn_item item[2];
    for (int i = 0; i < 2; i++) item[i] = (attn_item){.run = run, .branch = (attn_branch)i, .key_class = classes};
    attn_batch batch = {2, item, NULL};
    mmdit_input in = {latents, states, pooled, timestep, sites.segment, sites.n_segments, &batch};
    if (classes) mmdit_forward(cpu, g, blocks->weights, &in);
    must(compute_status(cpu, &err), &err);
    arena_release(cpu->scratch, mark);
    free(classes);
}

/* One image's denoising, or one pass. */
static void take(way *w, int seed, int counts) {
    const plant p = {.p = w->planted, .position = sites.keys, .head = -1};
    attn_shape shape = {settings.steps, sites.blocks, sites.heads, sites.keys + (w->planted > 0)};
    attn_stream_name name = {.image_seed = (uint64_t)seed};
    embedding *e = NULL;
    attn_run *run = NULL;
    ss_error err;
    if (opened) must(pipeline_encode(opened, &settings, prompt, &e, &err), &err);
    if (w != &ways[PLAIN])
        must(attn_run_create(&run, w->program.n ? &w->program : NULL, &w->measure, &name, shape, &err), &err);
    planted = w->planted > 0 ? &p : NULL;
    double wall = seconds(CLOCK_MONOTONIC), processor = seconds(CLOCK_PROCESS_CPUTIME_ID);
    if (opened) denoise(run, e, seed);
    else forward(run, seed);
    wall = seconds(CLOCK_MONOTONIC) - wall;
    processor = seconds(CLOCK_PROCESS_CPUTIME_ID) - processor;
    planted = NULL;
    if (counts) {
        samples_add(&w->wall, wall);
        samples_add(&w->processor, processor);
    }
    attn_run_destroy(run);
    embedding_free(e);
}

/* Per cent of plain that a row takes more than the one it stands against. */
static double more(const samples *row, const samples *against, const samples *plain) {
    samples ratio = {0};
    for (int i = 0; i < row->n; i++) samples_add(&ratio, (row->at[i] - against->at[i]) / plain->at[i]);
    return 100 * samples_spread(&ratio).median;
}

static int is_config(const char *path) {
    size_t n = strlen(path);
    return n > 5 && strcmp(path + n - 5, ".json") == 0;
}

static void open_model(const char *path) {
    ss_error err;
    if (!is_config(path)) {
        must(pipeline_open(&opened, cpu, path, NULL, &err), &err);
        must(settings_resolve(opened, &(sample_settings){.guidance = NAN}, &settings, &err), &err);
        pipeline_sites_at(opened, &settings, &sites);
        return;
    }
    must(model_open_config(&blocks, cpu, path, WEIGHTS_RANDOM, 1, &err), &err);
    const mmdit_config *g = blocks->config;
    settings = (resolved_settings){.width = 512, .height = 512, .steps = 1};
    sites = (pipeline_sites){.blocks = (int)g->layers,
                             .heads = (int)g->heads,
                             .keys = 1024 + 77 + 256,
                             .n_segments = 3,
                             .segment = {{SEGMENT_IMAGE, "image", 0, 1024, 32},
                                         {SEGMENT_TEXT, "clip", 1024, 77, 0},
                                         {SEGMENT_TEXT, "t5", 1101, 256, 0}}};
}

int main(int argc, char **argv) {
    ss_error err;
    int threads = argc > 4 ? atoi(argv[3]) : 0, rounds = argc > 4 ? atoi(argv[4]) : 0;
    if (threads < 1 || rounds < 1 || rounds > MAX_ROUNDS) {
        fprintf(stderr, "usage: bench_asked MODEL PROMPT THREADS ROUNDS [NAME]\n");
        return 2;
    }
    must(compute_create(&cpu, "cpu", threads, 0, &err), &err);
    open_model(argv[1]);
    prompt = argv[2];
    list_ways(argc > 5 ? argv[5] : NULL);
    for (int round = 0; round <= rounds; round++) /* the first is not timed */
        for (int i = 0; i < n_ways; i++) take(&ways[i], round, round > 0);
    printf(
        "%s, %d x %d, %d step%s, %d threads, %d rounds; seconds, more than plain by the wall's and the processor's\n",
        argv[1], settings.width, settings.height, settings.steps, settings.steps == 1 ? "" : "s", threads, rounds);
    for (int i = 0; i < n_ways; i++) {
        const way *w = &ways[i], *against = &ways[w->against], *plain = &ways[PLAIN];
        double wall = more(&w->wall, &against->wall, &plain->wall);
        printf("%-24s %8.3f %+7.1f %% %+7.1f %%", w->name, samples_spread(&w->wall).median, wall,
               more(&w->processor, &against->processor, &plain->processor));
        if (w->goal > 0) printf("   goal %g %%: %s", w->goal, wall <= w->goal ? "met" : "MISSED");
        printf("\n");
    }
    pipeline_close(opened);
    model_close(blocks);
    compute_destroy(cpu);
    return 0;
}
