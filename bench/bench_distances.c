/* Distances between sets of features (stats/): their time by size, and how far FID's estimate lies above 0 for two
 * samples of one distribution while KID's and CMMD's do not. bench_distances [THREADS] (default 1), or
 * bench_distances THREADS bias: the table of docs/METHOD.md. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/philox.h"
#include "stats/frechet.h"
#include "stats/kernel_distance.h"
#include "stats/kernel_resample.h"

static ss_error err;

static double seconds(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* n rows of d independent Gaussian numbers. */
static stats_features sample(int64_t n, int64_t d, uint64_t seed) {
    float *x = malloc((size_t)(n * d) * sizeof *x);
    philox r;
    if (!x) exit(1);
    philox_init(&r, seed, NULL, 0);
    for (int64_t i = 0; i < n * d; i++) x[i] = (float)philox_normal(&r);
    return (stats_features){.n = n, .d = d, .f32 = x};
}

static void drop(stats_features *f) { free((void *)(uintptr_t)f->f32); }

static void need(ss_status status) {
    if (status == SS_OK) return;
    fprintf(stderr, "%s\n", err.message);
    exit(1);
}

typedef void job(const stats_features *x, const stats_features *y, int threads);

static void fid(const stats_features *x, const stats_features *y, int threads) {
    stats_frechet out;
    need(stats_frechet_features(x, y, STATS_FRECHET_AUTO, threads, &out, &err));
}

static void kid(const stats_features *x, const stats_features *y, int threads) {
    stats_mmd out;
    need(stats_mmd_compute(x, y, &stats_kernel_kid, STATS_MMD_UNBIASED, threads, &out, &err));
}

static void kid_subsets(const stats_features *x, const stats_features *y, int threads) {
    stats_mmd_subsets out;
    int size = x->n < 1000 ? (int)x->n / 2 : 1000;
    need(stats_mmd_subsets_compute(x, y, &stats_kernel_kid, size, 100, 1, threads, &out, &err));
}

static void cmmd(const stats_features *x, const stats_features *y, int threads) {
    stats_mmd out;
    need(stats_mmd_compute(x, y, &stats_kernel_cmmd, STATS_MMD_UNBIASED, threads, &out, &err));
}

static void resample(const stats_features *x, const stats_features *y, int threads) {
    stats_mmd_resampled out;
    int64_t *prompt = malloc((size_t)x->n * sizeof *prompt);
    if (!prompt) exit(1);
    for (int64_t i = 0; i < x->n; i++) prompt[i] = i % 500;
    need(stats_mmd_resample(x, prompt, y, prompt, &stats_kernel_kid, 1, 10000, threads, &out, &err));
    stats_mmd_resampled_free(&out);
    free(prompt);
}

static const struct {
    const char *name;
    job *run;
    int64_t n, d;
} JOBS[] = {{"FID", fid, 500, 2048},
            {"FID", fid, 5000, 2048},
            {"KID, all pairs", kid, 500, 2048},
            {"KID, all pairs", kid, 5000, 2048},
            {"KID, 100 subsets", kid_subsets, 500, 2048},
            {"KID, 100 subsets", kid_subsets, 5000, 2048},
            {"CMMD", cmmd, 500, 768},
            {"CMMD", cmmd, 5000, 768},
            {"KID, 500 prompts, 10000 resamples", resample, 500, 2048},
            {"KID, 500 prompts, 10000 resamples", resample, 5000, 2048}};

static void times(int threads) {
    printf("| what | n | d | wall s | processor s |\n|---|---|---|---|---|\n");
    for (size_t i = 0; i < sizeof JOBS / sizeof *JOBS; i++) {
        stats_features x = sample(JOBS[i].n, JOBS[i].d, 1), y = sample(JOBS[i].n, JOBS[i].d, 2);
        double w = seconds(CLOCK_MONOTONIC), p = seconds(CLOCK_PROCESS_CPUTIME_ID);
        JOBS[i].run(&x, &y, threads);
        w = seconds(CLOCK_MONOTONIC) - w;
        p = seconds(CLOCK_PROCESS_CPUTIME_ID) - p;
        printf("| %s | %d | %d | %.2f | %.2f |\n", JOBS[i].name, (int)JOBS[i].n, (int)JOBS[i].d, w, p);
        drop(&x);
        drop(&y);
    }
}

enum { PAIRS = 20, FIGURES = 5 };

static void describe(const char *name, const double *x) {
    double mean = 0, square = 0;
    for (int i = 0; i < PAIRS; i++) mean += x[i] / PAIRS;
    for (int i = 0; i < PAIRS; i++) square += (x[i] - mean) * (x[i] - mean);
    printf(" %s %.6f (sd %.6f)", name, mean, sqrt(square / (PAIRS - 1)));
}

/* Two samples of the same Gaussian; all of the distances are 0 in truth. */
static void bias(int threads) {
    static const int64_t N[] = {100, 500, 2000, 10000};
    for (size_t i = 0; i < sizeof N / sizeof *N; i++) {
        double figure[FIGURES][PAIRS];
        for (int p = 0; p < PAIRS; p++) {
            stats_features x = sample(N[i], 64, (uint64_t)(2 * p + 1)), y = sample(N[i], 64, (uint64_t)(2 * p + 2));
            stats_frechet f;
            stats_mmd m[4];
            need(stats_frechet_features(&x, &y, STATS_FRECHET_AUTO, threads, &f, &err));
            for (int k = 0; k < 4; k++)
                need(stats_mmd_compute(&x, &y, k < 2 ? &stats_kernel_kid : &stats_kernel_cmmd,
                                       k % 2 ? STATS_MMD_BIASED : STATS_MMD_UNBIASED, threads, &m[k], &err));
            figure[0][p] = f.distance;
            for (int k = 0; k < 4; k++) figure[k + 1][p] = m[k].value;
            drop(&x);
            drop(&y);
        }
        static const char *const NAME[FIGURES] = {"FID", "KID", "KID biased", "CMMD", "CMMD biased"};
        printf("n = %d:", (int)N[i]);
        for (int k = 0; k < FIGURES; k++) describe(NAME[k], figure[k]);
        printf("\n");
    }
}

int main(int argc, char **argv) {
    int threads = argc > 1 ? atoi(argv[1]) : 1;
    if (argc > 2 && strcmp(argv[2], "bias") == 0) bias(threads);
    else times(threads);
    return 0;
}
