/* Speed and memory of a scorer's network beside the package it comes from:
 *   bench_scorers NETWORK write FILE                               random weights of the published shape
 *   bench_scorers NETWORK FILE THREADS ROUNDS [PEER ARGUMENT...]   timings
 * Both sides read the same weights and get the same inputs, by turns; each way is run once before it is timed, and
 * fails where the peer's numbers are others. From inputs in memory to outputs in memory: nothing of files, resizing or
 * words. The peak is taken after one image and its text, before any batch. The peer: peer_scorers.py. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "base/memory.h"
#include "bench/common.h"
#include "bench/peer.h"
#include "bench/samples.h"
#include "model/network.h"

enum { SINGLE_ROUNDS = 3 /* rounds of one image for each round of a batch */, MAX_WAYS = 4 };

/* What is given to the network at once. */
typedef struct way {
    const char *part; /* "image", "text", "pair", "both"; NULL ends the list */
    int batch;
} way;

typedef struct scorer {
    const char *name, *class_name, *config;
    int side;       /* of the images, pixels */
    int tokens, id; /* of a text; the last one's id, which marks its end */
    const char *output;
    way ways[MAX_WAYS + 1];
} scorer;

static const scorer SCORERS[] = {
    {"vit-h-14", /* HPS v2, PickScore */
     "OpenCLIP",
     "{\"embed_dim\": 1024,"
     " \"vision_cfg\": {\"image_size\": 224, \"layers\": 32, \"width\": 1280, \"head_width\": 80, \"patch_size\": 14},"
     " \"text_cfg\": {\"context_length\": 77, \"vocab_size\": 49408, \"width\": 1024, \"heads\": 16, \"layers\": 24}}",
     224,
     77,
     49407,
     "embeds",
     {{"image", 1}, {"image", 16}, {"text", 1}, {"text", 16}}},
    {"clip-b-32",
     "CLIPModel",
     "{\"text_config\": {}, \"vision_config\": {}}",
     224,
     77,
     49407,
     "embeds",
     {{"image", 1}, {"image", 16}, {"text", 1}, {"text", 16}}},
    {"image-reward", "ImageReward", "{}", 224, 35, 102, "reward", {{"both", 1}, {"both", 16}}},
    {"lpips-vgg", "LPIPS", "{\"net\": \"vgg16\"}", 512, 0, 0, "distance", {{"pair", 1}, {"pair", 16}}},
    {"lpips-alex", "LPIPS", "{\"net\": \"alex\"}", 512, 0, 0, "distance", {{"pair", 1}, {"pair", 16}}},
    {"inception", "FIDInceptionV3", "{}", 299, 0, 0, "features", {{"image", 1}, {"image", 16}}},
};
enum { SCORER_COUNT = sizeof SCORERS / sizeof SCORERS[0] };

/* ---- inputs: what peer_scorers.py makes too ---- */

static void add_pictures(model_arrays *in, const char *name, const scorer *s, int batch, int64_t step) {
    ss_error err;
    model_array *x = model_arrays_add(in, name, 0, 4, (int64_t[]){batch, 3, s->side, s->side}, &err);
    if (!x) must(SS_ERR_RESOURCE, &err);
    for (int64_t i = 0; i < model_array_elements(x); i++) x->f32[i] = (float)(i * step % 511) / 255.0f - 1.0f;
}

static void add_texts(model_arrays *in, const scorer *s, int batch) {
    ss_error err;
    model_array *x = model_arrays_add(in, "input_ids", 1, 2, (int64_t[]){batch, s->tokens}, &err);
    if (!x) must(SS_ERR_RESOURCE, &err);
    for (int64_t i = 0; i < model_array_elements(x); i++)
        x->i32[i] = (i + 1) % s->tokens == 0 ? s->id : (int32_t)(1 + i * 31 % 1000);
    if (strcmp(s->class_name, "ImageReward") != 0) return;
    x = model_arrays_add(in, "used", 1, 1, (int64_t[]){batch}, &err);
    if (!x) must(SS_ERR_RESOURCE, &err);
    for (int i = 0; i < batch; i++) x->i32[i] = s->tokens;
}

static void add_inputs(model_arrays *in, const scorer *s, const way *w) {
    if (strcmp(w->part, "pair") == 0) {
        add_pictures(in, "in0", s, w->batch, 7919);
        add_pictures(in, "in1", s, w->batch, 104729);
        return;
    }
    if (strcmp(w->part, "text") != 0) add_pictures(in, "pixel_values", s, w->batch, 7919);
    if (strcmp(w->part, "image") != 0) add_texts(in, s, w->batch);
}

/* ---- the network ---- */

static const scorer *find_scorer(const char *name) {
    for (int i = 0; i < SCORER_COUNT; i++)
        if (strcmp(SCORERS[i].name, name) == 0) return &SCORERS[i];
    fprintf(stderr, "no network '%s'; there are:", name);
    for (int i = 0; i < SCORER_COUNT; i++) fprintf(stderr, " %s", SCORERS[i].name);
    fprintf(stderr, "\n");
    exit(2);
}

static json_t *config_of(const scorer *s) {
    ss_error err;
    json_t *json;
    must(json_read_bytes(s->config, strlen(s->config), s->name, &json, &err), &err);
    return json;
}

static void write_weights(const scorer *s, const char *path) {
    ss_error err;
    model *m;
    char config[4096];
    json_t *json = config_of(s);
    snprintf(config, sizeof config, "%s.json", path);
    json_object_set_new(json, "_class_name", json_string(s->class_name));
    if (json_dump_file(json, config, 0) != 0) stop("cannot write the config");
    json_decref(json);
    must(model_open_config(&m, NULL, config, WEIGHTS_LIST, 0, &err), &err);
    remove(config);
    must(weights_write_random(&m->set, 1, TENSOR_F32, 0, path, &err), &err);
    model_close(m);
}

/* Root mean square of the output, which stands for it beside the peer's. */
static double run(const scorer *s, const model *m, compute *c, const model_arrays *in) {
    ss_error err;
    model_arrays out = {0};
    double squares = -1;
    must(model_forward(m, c, in, NULL, 0, &out, &err), &err);
    for (int i = 0; i < out.n; i++) {
        int64_t n = model_array_elements(&out.at[i]);
        if (!strstr(out.at[i].name, s->output)) continue;
        squares = 0;
        for (int64_t k = 0; k < n; k++) squares += (double)out.at[i].f32[k] * (double)out.at[i].f32[k] / (double)n;
    }
    model_arrays_free(&out);
    return sqrt(squares);
}

/* ---- timings ---- */

static void run_way(const scorer *s, const way *w, const model *m, compute *c, const peer *p, int rounds) {
    samples wall[2] = {0}, processor[2] = {0}; /* ours, the peer's */
    model_arrays in = {0};
    add_inputs(&in, s, w);
    for (int round = 0; round <= rounds; round++) {
        double at[2] = {-seconds(CLOCK_MONOTONIC), 0}, used[2] = {-seconds(CLOCK_PROCESS_CPUTIME_ID), 0}, expected;
        double found = run(s, m, c, &in);
        at[0] += seconds(CLOCK_MONOTONIC);
        used[0] += seconds(CLOCK_PROCESS_CPUTIME_ID);
        if (p->to) {
            peer_ask(p, w->part, w->batch, &at[1], &used[1], &expected);
            if (!(fabs(found - expected) <= 1e-3 * fabs(expected))) stop("the peer's numbers are others");
        }
        for (int i = 0; round > 0 && i < 2; i++) {
            samples_add(&wall[i], at[i]);
            samples_add(&processor[i], used[i]);
        }
    }
    model_arrays_free(&in);
    arena_trim(c->scratch);
    spread ours = samples_spread(&wall[0]), theirs = samples_spread(&wall[1]);
    spread ratio = p->to ? samples_ratios(&wall[1], &wall[0]) : (spread){0, 0, 0};
    double ratio_used = p->to ? samples_ratio(&processor[1], &processor[0]) : 0;
    printf("%-13s %-6s %5d %9.2f %9.2f %7.2f %7.2f %7.2f %10.2f %9.3f %7.3f %7.3f\n", s->name, w->part, w->batch,
           w->batch / ours.median, p->to ? w->batch / theirs.median : 0, ratio.median, ratio.min, ratio.max, ratio_used,
           ours.min, ours.median, ours.max);
    fflush(stdout);
}

static double file_megabytes(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 ? 1e-6 * (double)st.st_size : 0;
}

static void show_memory(const scorer *s, const char *path, double peak) {
    double weights = file_megabytes(path);
    printf("%-13s weights %.0f MB, peak after one %.0f MB = weights + %.0f, goal <= weights + 1000: %s\n", s->name,
           weights, peak, peak - weights, peak - weights <= 1000 ? "met" : "MISSED");
}

static void compare(const scorer *s, const char *path, int threads, int rounds, char **peer_arguments) {
    ss_error err;
    compute *c;
    model *m;
    peer p = {0};
    json_t *json = config_of(s);
    model_arrays in = {0};
    must(compute_create(&c, "cpu", threads, 0, &err), &err);
    must(model_open_files(&m, c, s->class_name, json, s->name, &path, 1, NULL, &err), &err);
    json_decref(json);
    for (const way *w = s->ways; w->part; w++) {
        if (w->batch > 1) continue;
        add_inputs(&in, s, w);
        run(s, m, c, &in);
        model_arrays_free(&in);
    }
    double peak = 1e-6 * (double)memory_peak();
    if (peer_arguments[0]) peer_start(&p, peer_arguments);
    printf("peer: %s\n", p.to ? p.name : "none");
    printf("%-14s %-6s %5s %10s %10s %8s %15s %26s\n", "network", "part", "batch", "per s", "peer's", "ratio",
           "(rounds)", "s: min, median, max");
    for (const way *w = s->ways; w->part; w++) run_way(s, w, m, c, &p, w->batch == 1 ? SINGLE_ROUNDS * rounds : rounds);
    peer_stop(&p);
    show_memory(s, path, peak);
    model_close(m);
    compute_destroy(c);
}

int main(int argc, char **argv) {
    if (argc == 4 && strcmp(argv[2], "write") == 0) {
        write_weights(find_scorer(argv[1]), argv[3]);
        return 0;
    }
    int threads = argc > 4 ? atoi(argv[3]) : 0, rounds = argc > 4 ? atoi(argv[4]) : 0;
    if (threads < 1 || rounds < 1 || SINGLE_ROUNDS * rounds > MAX_ROUNDS) {
        fprintf(stderr, "usage: bench_scorers NETWORK write FILE\n"
                        "       bench_scorers NETWORK FILE THREADS ROUNDS [PEER ARGUMENT...]\n");
        return 2;
    }
    compare(find_scorer(argv[1]), argv[2], threads, rounds, argv + 5);
    return 0;
}
