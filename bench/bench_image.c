/* Time of one image in an open pipeline: bench_image MODEL PROMPT THREADS ROUNDS [PEER ARGUMENT...]. From prompt to
 * pixels, plain, measured (every probe of the attention, and the largest key of every head; bench_asked has the
 * others), and with the ten largest keys of every head masked in every block and step as well; all by turns, with an
 * image by the peer in every round. The peer is a program that makes an image for each line it reads
 * (peer_diffusers.py). Everything runs once before anything is timed. Fails where measuring changes a pixel, or the
 * peer's image is not the same. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "bench/common.h"
#include "bench/peer.h"
#include "bench/samples.h"
#include "sampler/pipeline.h"

enum { MASKED_KEYS = 10, CONCENTRATION_KEYS = 5 };

/* The rows of the table. Those of the peer come last. */
enum { PLAIN, MEASURED, MASKED, PEER, PEER_MEASURED, WAYS };
static const char *const NAMES[WAYS] = {"sinkscope", "sinkscope, measured", "sinkscope, measured and masked", "peer",
                                        "peer, measured"};

typedef struct way {
    samples wall, processor; /* seconds */
} way;

typedef struct bench {
    compute *c;
    pipeline *p;
    const char *prompt;
    resolved_settings settings;
    attn_shape shape;
    attn_measure measure;
    attn_program mask;
    peer peer;
    way way[WAYS];
} bench;

/* ---- images ---- */

static void bits_all(attn_bits *b, int n) {
    for (int i = 0; i < n; i++) bits_set(b, i);
}

static void set_up(bench *b) {
    ss_error err;
    pipeline_sites sites;
    pipeline_sites_at(b->p, &b->settings, &sites);
    b->shape = (attn_shape){b->settings.steps, sites.blocks, sites.heads, sites.keys};
    b->measure = (attn_measure){.rows = ROWS_IMAGE, .r = CONCENTRATION_KEYS, .top = 1};
    for (int i = 0; i < ATTN_PROBE_COUNT; i++)
        if (!(ATTN_PROBES[i]->needs & (NEED_VALUES | NEED_OUTPUTS | NEED_ACTIVATIONS)))
            b->measure.probe[b->measure.n_probes++] = ATTN_PROBES[i];
    const void *selector =
        entry_find(ATTN_SELECTORS, ENTRY_POINTERS, ATTN_SELECTOR_COUNT, "selector", "top", NULL, &err);
    const void *edit = entry_find(ATTN_EDITS, ENTRY_POINTERS, ATTN_EDIT_COUNT, "edit", "mask", NULL, &err);
    if (!selector || !edit) must(SS_ERR_INTERNAL, &err);
    attn_intervention *v = &b->mask.intervention[b->mask.n++];
    v->branches = 1u << BRANCH_COND | 1u << BRANCH_UNCOND;
    v->rows = ROWS_IMAGE;
    v->selector = selector;
    v->edit = edit;
    v->k = MASKED_KEYS;
    bits_all(&v->blocks, sites.blocks);
    bits_all(&v->heads, sites.heads);
    bits_all(&v->steps, b->settings.steps);
}

static void own_image(bench *b, int which, int seed, rgb_image *out) {
    ss_error err;
    embedding *e;
    attn_run *run = NULL;
    denoise_state *d;
    attn_stream_name name = {.image_seed = (uint64_t)seed};
    const attn_program *program = which == MASKED ? &b->mask : NULL;
    must(pipeline_encode(b->p, &b->settings, b->prompt, &e, &err), &err);
    if (which != PLAIN) must(attn_run_create(&run, program, &b->measure, &name, b->shape, &err), &err);
    must(denoise_begin(&d, b->p, &b->settings, e, (uint64_t)seed, run, &err), &err);
    while (denoise_step_number(d) < b->settings.steps) must(denoise_step(b->p, &d, 1, &err), &err);
    must(denoise_decode(b->p, d, out, &err), &err);
    denoise_free(d);
    attn_run_destroy(run);
    embedding_free(e);
}

static size_t image_bytes(const rgb_image *i) { return (size_t)i->width * (size_t)i->height * 3; }

static double image_mean(const rgb_image *i) {
    double sum = 0;
    for (size_t at = 0; at < image_bytes(i); at++) sum += i->rgb[at];
    return sum / (double)image_bytes(i);
}

/* One image in every way. The seed is the round, so that both programs make the same pictures. */
static void run_round(bench *b, int round, int timed) {
    rgb_image image[PEER] = {0};
    double wall, processor, mean;
    for (int i = 0; i < PEER; i++) {
        wall = seconds(CLOCK_MONOTONIC);
        processor = seconds(CLOCK_PROCESS_CPUTIME_ID);
        own_image(b, i, round, &image[i]);
        if (!timed) continue;
        samples_add(&b->way[i].wall, seconds(CLOCK_MONOTONIC) - wall);
        samples_add(&b->way[i].processor, seconds(CLOCK_PROCESS_CPUTIME_ID) - processor);
    }
    if (memcmp(image[PLAIN].rgb, image[MEASURED].rgb, image_bytes(&image[PLAIN])) != 0)
        stop("measuring changed the picture");
    for (int i = PEER; b->peer.to && i < WAYS; i++) {
        peer_ask(&b->peer, i == PEER ? "plain" : "measured", round, &wall, &processor, &mean);
        if (fabs(mean - image_mean(&image[PLAIN])) > 0.5) stop("the peer's picture is another one");
        if (!timed) continue;
        samples_add(&b->way[i].wall, wall);
        samples_add(&b->way[i].processor, processor);
    }
    for (int i = 0; i < PEER; i++) rgb_image_free(&image[i]);
}

/* ---- what came out ---- */

static void show_ways(const bench *b) {
    double peer_median = samples_spread(&b->way[PEER].wall).median;
    printf("%-34s %8s %8s %8s %10s %8s\n", "seconds", "min", "median", "max", "processor", "of peer");
    for (int i = 0; i < WAYS; i++) {
        spread wall = samples_spread(&b->way[i].wall);
        if (b->way[i].wall.n == 0) continue;
        printf("%-34s %8.3f %8.3f %8.3f %10.3f", NAMES[i], wall.min, wall.median, wall.max,
               samples_spread(&b->way[i].processor).median);
        if (peer_median > 0) printf(" %8.3f", wall.median / peer_median);
        printf("\n");
    }
}

static void show_goal(const char *what, double found, const char *unit, double most) {
    printf("%-52s %8.3g%s, goal <= %g%s: %s\n", what, found, unit, most, unit, found <= most ? "met" : "MISSED");
}

/* Medians, and the median over rounds of the ratio within a round. */
static void show_addition(const bench *b, const char *what, int with, int without) {
    const way *a = &b->way[with], *of = &b->way[without];
    char line[96];
    show_goal(what, 100 * (samples_spread(&a->wall).median / samples_spread(&of->wall).median - 1), " %", 5);
    snprintf(line, sizeof line, "    by rounds %+.1f %%, processor time %+.1f %%",
             100 * (samples_ratio(&a->wall, &of->wall) - 1), 100 * (samples_ratio(&a->processor, &of->processor) - 1));
    printf("%s\n", line);
}

int main(int argc, char **argv) {
    static bench b;
    ss_error err;
    int threads = argc > 4 ? atoi(argv[3]) : 0, rounds = argc > 4 ? atoi(argv[4]) : 0;
    if (threads < 1 || rounds < 1 || rounds > MAX_ROUNDS) {
        fprintf(stderr, "usage: bench_image MODEL PROMPT THREADS ROUNDS [PEER ARGUMENT...]\n");
        return 2;
    }
    must(compute_create(&b.c, "cpu", threads, 0, &err), &err);
    must(pipeline_open(&b.p, b.c, argv[1], NULL, &err), &err);
    b.prompt = argv[2];
    must(settings_resolve(b.p, &(sample_settings){.guidance = NAN}, &b.settings, &err), &err);
    set_up(&b);
    rgb_image image = {0};
    own_image(&b, MEASURED, 0, &image);
    rgb_image_free(&image);
    double peak = 1e-6 * (double)memory_peak();
    if (argc > 5) peer_start(&b.peer, argv + 5);
    printf("%s, %d x %d, %d steps, guidance %g, %d threads, %d rounds\n", argv[1], b.settings.width, b.settings.height,
           b.settings.steps, b.settings.guidance, threads, rounds);
    printf("peer: %s\n\n", b.peer.to ? b.peer.name : "none");
    fflush(stdout);
    run_round(&b, 0, 0);
    for (int round = 1; round <= rounds; round++) run_round(&b, round, 1);
    peer_stop(&b.peer);
    show_ways(&b);
    printf("\n");
    if (b.peer.name[0])
        show_goal("measured and masked, times the peer",
                  samples_spread(&b.way[MASKED].wall).median / samples_spread(&b.way[PEER].wall).median, "", 0.5);
    show_addition(&b, "what measuring adds", MEASURED, PLAIN);
    show_addition(&b, "what masking 10 keys everywhere adds to measuring", MASKED, MEASURED);
    show_goal("peak memory after one measured image", peak, " MB", 300);
    pipeline_close(b.p);
    compute_destroy(b.c);
    return 0;
}
