/* What a study costs beside the denoising it cannot do without: bench_study MODEL PROMPTS.jsonl THREADS ROUNDS. In
 * every round one image is denoised and decoded plainly, then a study of one prompt runs whose CONDITIONS conditions
 * mask the heaviest key from half of the steps on, with its store on disk and its metric. The goal: at
 * most 1.03 (1 + c (n - s)/n) times the denoising of one image, plus a decode each. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "base/file.h"
#include "bench/samples.h"
#include "run/run.h"

enum { CONDITIONS = 4 };

static void must(ss_status status, const ss_error *err) {
    if (status == SS_OK) return;
    fprintf(stderr, "%s: %s\n", err->where, err->message);
    exit(1);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void write_study(const char *folder, const char *model, const char *prompts) {
    text t = {0};
    ss_error err;
    char *path = file_join(folder, "study.yaml");
    text_addf(&t,
              "study: cost\nmodel: %s\nprompts: %s\nseeds: {base: 1, add: prompt}\nconditions:\n"
              "  sink: {select: top, k: [1, 2, 3, 4], edit: mask, phase: [0.5, 1]}\nsham: 0\nmetrics: [rmse]\nprimary: "
              "rmse\n",
              model, prompts);
    if (!path || t.failed) exit(1);
    must(file_write(path, t.s, t.len, &err), &err);
    text_free(&t);
    free(path);
}

/* Seconds of denoising and of decoding one image without anything asked. */
static void plain(pipeline *pl, const char *prompt, int seed, double *denoise, double *decode) {
    resolved_settings s;
    embedding *e;
    denoise_state *d;
    rgb_image image = {0};
    ss_error err;
    must(settings_resolve(pl, &(sample_settings){.guidance = NAN}, &s, &err), &err);
    must(pipeline_encode(pl, &s, prompt, &e, &err), &err);
    must(denoise_begin(&d, pl, &s, e, (uint64_t)seed, NULL, &err), &err);
    double began = now();
    while (denoise_step_number(d) < s.steps) must(denoise_step(pl, &d, 1, &err), &err);
    *denoise = now() - began;
    began = now();
    must(denoise_decode(pl, d, &image, &err), &err);
    *decode = now() - began;
    rgb_image_free(&image);
    denoise_free(d);
    embedding_free(e);
}

/* Seconds of the study's one group, store and metric included; its share of steps against one image in *forwards. */
static double run_study(compute *c, pipeline *pl, const char *folder, int round, double *forwards) {
    study *y;
    plan *p;
    store *s;
    ss_error err;
    char path[256], store_path[256];
    snprintf(path, sizeof path, "%s/study.yaml", folder);
    snprintf(store_path, sizeof store_path, "%s/store%d", folder, round);
    must(study_load(&y, path, NULL, &err), &err);
    must(plan_make(&p, y, pl, 1, &err), &err);
    must(store_create(&s, store_path, p, "bench", &err), &err);
    *forwards = (double)p->counts.forwards / p->settings.steps;
    double began = now();
    must(run_plan(s, p, c, pl, NULL, &err), &err);
    double took = now() - began;
    store_close(s);
    plan_free(p);
    study_free(y);
    return took;
}

int main(int argc, char **argv) {
    compute *c;
    pipeline *pl;
    ss_error err;
    int threads = argc > 4 ? atoi(argv[3]) : 0, rounds = argc > 4 ? atoi(argv[4]) : 0;
    char folder[] = "/tmp/bench-study-XXXXXX", command[64];
    samples ratio = {0}, wall = {0};
    double forwards = 0;
    if (threads < 1 || rounds < 1 || rounds > MAX_ROUNDS || !mkdtemp(folder)) {
        fprintf(stderr, "usage: bench_study MODEL PROMPTS.jsonl THREADS ROUNDS (absolute paths)\n");
        return 2;
    }
    must(compute_create(&c, "cpu", threads, 0, &err), &err);
    must(pipeline_open(&pl, c, argv[1], NULL, &err), &err);
    write_study(folder, argv[1], argv[2]);
    for (int round = 0; round <= rounds; round++) { /* the first is not timed */
        double denoise, decode, took;
        plain(pl, "a red circle and a blue star", round, &denoise, &decode);
        took = run_study(c, pl, folder, round, &forwards);
        if (round == 0) continue;
        samples_add(&wall, took);
        samples_add(&ratio, (took - (1 + CONDITIONS) * decode) / (forwards * denoise));
    }
    double more = samples_spread(&ratio).median;
    printf("%s, %d threads, %d rounds: a study of %d conditions from half of the steps on\n", argv[1], threads, rounds,
           CONDITIONS);
    printf("steps: those of %.3g images; %.3f s in the median\n", forwards, samples_spread(&wall).median);
    printf("over the plain denoising of as many steps and a decode each: %.3f, goal 1.03: %s\n", more,
           more <= 1.03 ? "met" : "MISSED");
    pipeline_close(pl);
    compute_destroy(c);
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command) != 0;
}
