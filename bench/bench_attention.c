/* Speed of attention on the cpu backend: bench_attention [THREADS [bf16]] (default 1, float32). Plain, with every
 * statistic, and with an edit (mask of the k heaviest keys per head, then all rows forced onto the direct path); and
 * the mask with nothing but what it needs, against its goal, in SD3-medium's joint attention at 512 and 1024 px. Best
 * of several repetitions; processor time beside the wall's. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/philox.h"
#include "tensor/attention.h"

typedef struct job {
    compute *c;
    attention_args args;
    attention_stats stats, sums; /* all; what an edit needs alone */
    attention_edit edit;
} job;

static double seconds(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *take(size_t n, size_t size) {
    void *p = aligned_alloc(64, (n * size + 63) / 64 * 64);
    if (!p) exit(1);
    memset(p, 0, n * size);
    return p;
}

static tensor operand(philox *r, int batch, int tokens, int heads, int d) {
    size_t n = (size_t)batch * (size_t)tokens * (size_t)heads * (size_t)d;
    float *data = take(n, sizeof *data);
    for (size_t i = 0; i < n; i++) data[i] = (float)philox_normal(r);
    return tensor_4d(data, TENSOR_F32, batch, tokens, heads, d);
}

static void plain(const job *j) { op_attention(j->c, &j->args, NULL); }
static void measured(const job *j) { op_attention(j->c, &j->args, &j->stats); }
static void edited(const job *j) { op_attention_edit(j->c, &j->args, &j->edit); }
static void masked(const job *j) {
    op_attention(j->c, &j->args, &j->sums);
    op_attention_edit(j->c, &j->args, &j->edit);
}

typedef struct took {
    double wall, processor;
} took;

static took once(const job *j, void (*run)(const job *j)) {
    took t = {seconds(CLOCK_MONOTONIC), seconds(CLOCK_PROCESS_CPUTIME_ID)};
    run(j);
    return (took){seconds(CLOCK_MONOTONIC) - t.wall, seconds(CLOCK_PROCESS_CPUTIME_ID) - t.processor};
}

/* Best of about a second of processor time. */
static took measure(const job *j, void (*run)(const job *j)) {
    took best = {1e30, 1e30};
    run(j);
    for (double spent = 0; spent < 1.0;) {
        took t = once(j, run);
        best = (took){fmin(best.wall, t.wall), fmin(best.processor, t.processor)};
        spent += t.processor;
    }
    return best;
}

static void show(const char *what, took t, took base, double flops) {
    printf("  %-28s wall %9.3f ms (%+.1f %%)  processor %9.3f ms", what, 1e3 * t.wall, 100 * (t.wall / base.wall - 1),
           1e3 * t.processor);
    if (flops > 0) printf("  %.1f GFLOPS", 1e-9 * flops / t.wall);
    printf("\n");
}

/* The k keys of most mass, ascending. */
static void heaviest(int32_t *keys, const double *mass, int n, int k) {
    int have = 0;
    for (int j = 0; j < n; j++) {
        int heavier = 0;
        for (int i = 0; i < n; i++) heavier += mass[i] > mass[j] || (mass[i] == mass[j] && i < j);
        if (heavier < k) keys[have++] = j;
    }
}

/* MB of scratch that `run` takes. */
static double scratch(const job *j, void (*run)(const job *j)) {
    arena_reset_peak(j->c->scratch);
    run(j);
    return 1e-6 * (double)(arena_peak(j->c->scratch) - arena_used(j->c->scratch));
}

/* Both in turn, so that a machine that changes its speed is the same for both. */
static void show_goal(const job *j, int k) {
    enum { ROUNDS = 9 };
    double without = 1e30, with = 1e30;
    for (int round = 0; round < ROUNDS; round++) {
        without = fmin(without, once(j, plain).wall);
        with = fmin(with, once(j, masked).wall);
    }
    double more = 100 * (with / without - 1), memory = scratch(j, masked) - scratch(j, plain);
    printf("  mask of %d keys alone        wall %9.3f ms (%+.1f %%, goal 5 %%: %s); %+.1f MB, goal 16: %s\n", k,
           1e3 * with, more, more <= 5 ? "met" : "MISSED", memory, memory <= 16 ? "met" : "MISSED");
}

static tensor doubles(size_t n) { return tensor_1d(take(n, sizeof(double)), TENSOR_F64, (int64_t)n); }

static void bench(compute *c, weight_form form, int batch, int tokens, int heads, int d, int k, int has_goal) {
    philox r;
    philox_init(&r, 1, NULL, 0);
    job j = {.c = c, .args = {.scale = 1 / sqrtf((float)d), .form = form}};
    j.args.q = operand(&r, batch, tokens, heads, d);
    j.args.k = operand(&r, batch, tokens, heads, d);
    j.args.v = operand(&r, batch, tokens, heads, d);
    j.args.out = operand(&r, batch, tokens, heads, d);
    size_t pairs = (size_t)(batch * heads), n = (size_t)tokens;
    j.stats = (attention_stats){.row_end = tokens, .r = 5, .mass = doubles(pairs * n)};
    j.stats.entropy = doubles(pairs);
    j.stats.concentration = doubles(pairs);
    j.stats.lse = doubles(pairs * n);
    int32_t *begin = take(pairs + 1, sizeof *begin), *keys = take(pairs * (size_t)k, sizeof *keys);
    uint8_t *member = take(pairs * (size_t)k, 1);
    measured(&j);
    for (size_t i = 0; i < pairs; i++) {
        heaviest(keys + i * (size_t)k, (const double *)j.stats.mass.data + i * n, tokens, k);
        begin[i + 1] = (int32_t)((i + 1) * (size_t)k);
    }
    memset(member, 1, pairs * (size_t)k);
    j.sums = (attention_stats){.row_end = tokens, .r = 1, .lse = j.stats.lse};
    j.edit = (attention_edit){.row_end = tokens, .n_steps = 1, .set_begin = begin, .keys = keys, .member = member};
    j.edit.lse = j.stats.lse;
    printf("batch %d, %d tokens, %d heads of %d:\n", batch, tokens, heads, d);
    double flops = 4.0 * (double)pairs * (double)n * (double)n * d;
    took base = measure(&j, plain), all = measure(&j, measured), edit = measure(&j, edited);
    j.edit.force_direct = 1;
    took direct = measure(&j, edited);
    edit.processor += all.processor;
    edit.wall += all.wall;
    direct.processor += all.processor;
    direct.wall += all.wall;
    char what[64];
    show("attention", base, base, flops);
    show("with every statistic", all, base, 0);
    snprintf(what, sizeof what, ".. and mask of %d keys", k);
    show(what, edit, base, 0);
    show(".. all rows direct", direct, base, 0);
    j.edit.force_direct = 0;
    if (has_goal) show_goal(&j, k);
    void *owned[] = {j.args.q.data,
                     j.args.k.data,
                     j.args.v.data,
                     j.args.out.data,
                     j.stats.mass.data,
                     j.stats.entropy.data,
                     j.stats.lse.data,
                     j.stats.concentration.data,
                     begin,
                     keys,
                     member};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) free(owned[i]);
}

int main(int argc, char **argv) {
    int threads = argc > 1 ? atoi(argv[1]) : 1;
    weight_form form = argc > 2 && strcmp(argv[2], WEIGHT_FORM_NAMES[FORM_BF16]) == 0 ? FORM_BF16 : FORM_STORED;
    compute *c;
    ss_error err;
    if (compute_create(&c, "cpu", threads, (size_t)1 << 33, &err) != SS_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    char class[128];
    compute_numeric_class(c, class, sizeof class);
    printf("%s, %d threads, attention in %s\n", class, threads,
           compute_attention_rounds(c, form) ? "bfloat16" : "float32");
    bench(c, form, 2, 160, 4, 32, 10, 0);
    bench(c, form, 2, 320, 6, 32, 10, 0);
    bench(c, form, 1, 1357, 24, 64, 10, 1);
    bench(c, form, 1, 4429, 24, 64, 10, 1);
    compute_destroy(c);
    return 0;
}
