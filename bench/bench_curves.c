/* What a pass of a network costs against tokens, batch and threads:
 *   bench_curves FOLDER TOKENS SIDES BATCHES ROUNDS
 * FOLDER: config.json and diffusion_pytorch_model.safetensors (`sinkscope inspect CONFIG --random`). TOKENS: of the
 * text. SIDES: of square latents, "16,32,64,128", one image, all threads; BATCHES: images of the first of SIDES at
 * once; threads: from one to as many as this process may use, the largest of SIDES. Each point is the median of ROUNDS
 * passes after an untimed one; beside it the share of the time that products and attention take, and of what the
 * machine reaches in products that stay in the cache (tensor/profile.h), by as many threads. */
#include "bench/network_inputs.h"
#include "bench/samples.h"
#include "base/thread.h"
#include "tensor/profile.h"

typedef struct bench {
    const char *folder;
    int64_t tokens;
    int rounds;
} bench;

typedef struct point {
    int64_t side, batch;
    int threads;
} point;

static double share_of(const compute *c, const char *name) {
    profile_row row[PROFILE_ROWS];
    double all = 0, some = 0;
    int n;
    profile_rows(c, row, &n);
    for (int i = 0; i < n; i++) {
        all += row[i].seconds;
        if (strcmp(row[i].name, name) == 0) some = row[i].seconds;
    }
    return all > 0 ? 100 * some / all : 0;
}

static void measure(const bench *b, const model *m, compute *c, const point *p) {
    ss_error err;
    model_arrays in = {0};
    samples wall = {0};
    profile_roof roof;
    inputs_make(&in, m, p->side, p->batch, b->tokens);
    double flops = 0;
    for (int round = 0; round <= b->rounds; round++) {
        model_arrays out = {0};
        if (round == 1) must(profile_begin(c, &err), &err);
        double before = c->flops, start = seconds(CLOCK_MONOTONIC);
        must(model_forward(m, c, &in, NULL, 0, &out, &err), &err);
        if (round > 0) samples_add(&wall, seconds(CLOCK_MONOTONIC) - start);
        flops = c->flops - before;
        model_arrays_free(&out);
    }
    must(profile_measure_roof(p->threads, &roof, &err), &err);
    spread s = samples_spread(&wall);
    printf("%6lld %6lld %8d %10.3f %8.3f %8.3f %10.1f %9.0f %% %9.0f %% %9.0f %%\n", (long long)p->side,
           (long long)p->batch, p->threads, s.median, s.min, s.max, flops / s.median / 1e9,
           100 * flops / s.median / roof.flops, share_of(c, "linear"), share_of(c, "attention"));
    fflush(stdout);
    model_arrays_free(&in);
}

/* n points, all by as many threads; the network is packed once for all of them. */
static void curve(const bench *b, const char *title, const point *points, int n) {
    ss_error err;
    compute *c;
    model *m;
    printf("\n%s\n%6s %6s %8s %10s %8s %8s %10s %11s %11s %11s\n", title, "side", "batch", "threads", "s, median",
           "min", "max", "GFLOP/s", "of roof", "linear", "attention");
    must(compute_create(&c, "cpu", points[0].threads, 0, &err), &err);
    must(model_open(&m, c, b->folder, NULL, &err), &err);
    for (int i = 0; i < n; i++) measure(b, m, c, &points[i]);
    model_close(m);
    compute_destroy(c);
}

int main(int argc, char **argv) {
    int64_t side[MAX_SIDES], batch[MAX_SIDES];
    int sides = argc == 6 ? sides_read(argv[3], side) : 0, batches = argc == 6 ? sides_read(argv[4], batch) : 0;
    bench b = {argc == 6 ? argv[1] : "", argc == 6 ? atoi(argv[2]) : 0, argc == 6 ? atoi(argv[5]) : 0};
    if (sides == 0 || batches == 0 || b.tokens < 1 || b.rounds < 1 || b.rounds >= MAX_ROUNDS) {
        fprintf(stderr, "usage: bench_curves FOLDER TOKENS SIDES BATCHES ROUNDS\n");
        return 2;
    }
    int most = thread_default_count();
    point by_tokens[MAX_SIDES], by_batch[MAX_SIDES];
    for (int i = 0; i < sides; i++) by_tokens[i] = (point){side[i], 1, most};
    for (int i = 0; i < batches; i++) by_batch[i] = (point){side[0], batch[i], most};
    curve(&b, "tokens", by_tokens, sides);
    curve(&b, "batch", by_batch, batches);
    for (int threads = 1; threads <= most; threads = threads < most && 2 * threads > most ? most : 2 * threads)
        curve(&b, "threads", &(point){side[sides - 1], 1, threads}, 1);
    return 0;
}
