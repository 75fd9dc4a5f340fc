/* Speed of the cpu backend's operations: bench_tensor [THREADS [bf16]] (default 1; bf16: those
 * products alone). Products and convolutions in GFLOPS, the
 * rest in GB/s of memory read and written. Wall time (the best of several runs) and processor time (their mean) are
 * both shown: on a machine with other work a long run's wall time means little. Products also with weights kept in 16
 * bits: their time over that of float32 weights, the three run in turn. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "tensor/compute.h"

static double seconds(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static tensor make(int ndim, const int64_t *dim) {
    tensor t = tensor_nd(NULL, TENSOR_F32, ndim, dim);
    size_t bytes = ((size_t)tensor_elements(t) * sizeof(float) + 63) / 64 * 64;
    float *data = aligned_alloc(64, bytes);
    if (!data) exit(1);
    for (size_t i = 0; i < bytes / sizeof *data; i++) data[i] = (float)(i % 19) / 19.0f - 0.5f;
    t.data = data;
    return t;
}

static weight make_weight(compute *c, weight_kind kind, int ndim, const int64_t *dim) {
    weight w = {.kind = kind, .source = make(ndim, dim)};
    weight_pack(c, &w);
    free(w.source.data);
    return w;
}

/* The same weight of a 16-bit checkpoint: numbers between 0.25 and 0.5. */
static weight make_half(compute *c, tensor_type type, weight_kind kind, int ndim, const int64_t *dim) {
    weight w = {.kind = kind, .source = tensor_nd(NULL, type, ndim, dim)};
    size_t n = (size_t)tensor_elements(w.source);
    uint16_t *data = malloc(n * sizeof *data);
    if (!data) exit(1);
    for (size_t i = 0; i < n; i++)
        data[i] = (uint16_t)(type == TENSOR_F16 ? 0x3400 + i % 19 * 53 : 0x3E80 + i % 19 * 6);
    w.source.data = data;
    weight_pack(c, &w);
    free(data);
    return w;
}

typedef struct job {
    compute *c;
    tensor out, x, y;
    weight w, bias;
    void (*run)(const struct job *j);
} job;

/* Best wall seconds and mean processor seconds of one run of each of n jobs, which take turns; about half a second of
 * processor time for each. */
static void measure(const job *const *jobs, int n, double *wall, double *processor) {
    int turns = 0;
    double total = 0;
    for (int i = 0; i < n; i++) {
        wall[i] = 1e30;
        processor[i] = 0;
        jobs[i]->run(jobs[i]);
    }
    do {
        for (int i = 0; i < n; i++) {
            double begin = seconds(CLOCK_PROCESS_CPUTIME_ID), w = seconds(CLOCK_MONOTONIC);
            jobs[i]->run(jobs[i]);
            w = seconds(CLOCK_MONOTONIC) - w;
            if (w < wall[i]) wall[i] = w;
            double used = seconds(CLOCK_PROCESS_CPUTIME_ID) - begin;
            processor[i] += used;
            total += used;
        }
        turns++;
    } while (total < 0.5 * n);
    for (int i = 0; i < n; i++) processor[i] /= turns;
    ss_error err;
    if (compute_status(jobs[0]->c, &err) != SS_OK) {
        fprintf(stderr, "%s\n", err.message);
        exit(1);
    }
}

static void show(const char *what, double work, double wall, double processor, const char *unit) {
    printf("%-36s %8.1f %s (wall) %8.1f (per processor second)", what, work / wall * 1e-9, unit,
           work / processor * 1e-9);
}

/* A product by float32 weights and by the same in 16 bits. */
static void product(job *j, const char *what, double work, const int64_t *dim) {
    weight_kind kind = j->w.kind;
    int ndim = kind == WEIGHT_CONV ? 4 : 2;
    job f16 = *j, bf16 = *j;
    f16.w = make_half(j->c, TENSOR_F16, kind, ndim, dim);
    bf16.w = make_half(j->c, TENSOR_BF16, kind, ndim, dim);
    double wall[3], processor[3];
    measure((const job *[]){j, &f16, &bf16}, 3, wall, processor);
    show(what, work, wall[0], processor[0], "GFLOPS");
    printf("   f16 x %.3f (wall) x %.3f, bf16 x %.3f x %.3f\n", wall[1] / wall[0], processor[1] / processor[0],
           wall[2] / wall[0], processor[2] / processor[0]);
    fflush(stdout);
    weight_free(j->c, &f16.w);
    weight_free(j->c, &bf16.w);
}

static void run_linear(const job *j) { op_linear(j->c, j->out, j->x, &j->w, &j->bias, ACT_NONE); }

static void linear(compute *c, int64_t rows, int64_t inputs, int64_t outputs) {
    job j = {.c = c, .run = run_linear};
    j.x = make(2, (int64_t[]){rows, inputs});
    j.out = make(2, (int64_t[]){rows, outputs});
    const int64_t dim[] = {outputs, inputs};
    j.w = make_weight(c, WEIGHT_LINEAR, 2, dim);
    j.bias = make_weight(c, WEIGHT_VECTOR, 1, &outputs);
    char what[96];
    snprintf(what, sizeof what, "linear %d x %d x %d", (int)rows, (int)inputs, (int)outputs);
    product(&j, what, 2.0 * (double)(rows * inputs * outputs), dim);
    free(j.x.data);
    free(j.out.data);
    weight_free(c, &j.w);
    weight_free(c, &j.bias);
}

/* The same in bfloat16, weights and inputs rounded. */
static void linear_rounded(compute *c, int64_t rows, int64_t inputs, int64_t outputs) {
    job j = {.c = c, .run = run_linear};
    double wall, processor;
    char what[96];
    j.x = make(2, (int64_t[]){rows, inputs});
    j.out = make(2, (int64_t[]){rows, outputs});
    j.w = (weight){.kind = WEIGHT_LINEAR, .form = FORM_BF16, .source = make(2, (int64_t[]){outputs, inputs})};
    weight_pack(c, &j.w);
    j.bias = make_weight(c, WEIGHT_VECTOR, 1, &outputs);
    measure((const job *[]){&j}, 1, &wall, &processor);
    snprintf(what, sizeof what, "bf16 %d x %d x %d", (int)rows, (int)inputs, (int)outputs);
    show(what, 2.0 * (double)(rows * inputs * outputs), wall, processor, "GFLOPS");
    printf("\n");
    fflush(stdout);
    free(j.x.data);
    free(j.out.data);
    free(j.w.source.data);
    weight_free(c, &j.w);
    weight_free(c, &j.bias);
}

static void run_conv(const job *j) { op_conv2d(j->c, j->out, j->x, &j->w, &j->bias, 1, (int[]){1, 1, 1, 1}, ACT_NONE); }

static void conv(compute *c, int64_t size, int64_t inputs, int64_t outputs) {
    job j = {.c = c, .run = run_conv};
    j.x = make(4, (int64_t[]){1, size, size, inputs});
    j.out = make(4, (int64_t[]){1, size, size, outputs});
    const int64_t dim[] = {outputs, inputs, 3, 3};
    j.w = make_weight(c, WEIGHT_CONV, 4, dim);
    j.bias = make_weight(c, WEIGHT_VECTOR, 1, &outputs);
    char what[96];
    snprintf(what, sizeof what, "conv 3x3 %d x %d x %d to %d", (int)size, (int)size, (int)inputs, (int)outputs);
    product(&j, what, 2.0 * (double)(size * size * 9 * inputs * outputs), dim);
    free(j.x.data);
    free(j.out.data);
    weight_free(c, &j.w);
    weight_free(c, &j.bias);
}

static void run_add(const job *j) { op_add(j->c, j->out, j->x, j->y); }
static void run_silu(const job *j) { op_activation(j->c, j->out, j->x, ACT_SILU); }
static void run_gelu_erf(const job *j) { op_activation(j->c, j->out, j->x, ACT_GELU_ERF); }
static void run_gelu_tanh(const job *j) { op_activation(j->c, j->out, j->x, ACT_GELU_TANH); }
static void run_layer_norm(const job *j) { op_layer_norm(j->c, j->out, j->x, &j->w, &j->bias, 1e-6f); }
static void run_rms_norm(const job *j) { op_rms_norm(j->c, j->out, j->x, &j->w, 1e-6f); }
static void run_gate_add(const job *j) { op_gate_add(j->c, j->out, j->w.source, j->x); }

static void run_group_norm(const job *j) {
    tensor x = tensor_reshape(j->x, 4, (int64_t[]){1, 32, j->x.dim[1] / 32, j->x.dim[2]});
    tensor out = tensor_reshape(j->out, 4, x.dim);
    op_group_norm(j->c, out, x, 32, &j->w, &j->bias, 1e-6f, ACT_SILU);
}

static void rows(compute *c, int64_t n, int64_t width) {
    static const struct {
        const char *name;
        void (*run)(const job *j);
        int passes; /* tensors read and written */
    } ops[] = {{"add", run_add, 3},
               {"silu", run_silu, 2},
               {"gelu (erf)", run_gelu_erf, 2},
               {"gelu (tanh)", run_gelu_tanh, 2},
               {"layer_norm", run_layer_norm, 2},
               {"rms_norm", run_rms_norm, 2},
               {"gate_add", run_gate_add, 3},
               {"group_norm + silu", run_group_norm, 3}};
    job j = {.c = c};
    j.x = make(3, (int64_t[]){1, n, width});
    j.y = make(3, j.x.dim);
    j.out = make(3, j.x.dim);
    j.w = make_weight(c, WEIGHT_VECTOR, 1, &width);
    j.bias = make_weight(c, WEIGHT_VECTOR, 1, &width);
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        double wall, processor;
        j.run = ops[i].run;
        weight gamma = j.w;
        if (j.run == run_gate_add) j.w.source = tensor_2d(gamma.packed, TENSOR_F32, 1, width);
        measure((const job *[]){&j}, 1, &wall, &processor);
        j.w = gamma;
        char what[96];
        snprintf(what, sizeof what, "%s %d x %d", ops[i].name, (int)n, (int)width);
        show(what, (double)(ops[i].passes * 4 * n * width), wall, processor, "GB/s");
        printf("\n");
    }
    free(j.x.data);
    free(j.y.data);
    free(j.out.data);
    weight_free(c, &j.w);
    weight_free(c, &j.bias);
}

int main(int argc, char **argv) {
    compute *c;
    ss_error err;
    int threads = argc > 1 ? atoi(argv[1]) : 1, rounded_alone = argc > 2 && strcmp(argv[2], "bf16") == 0;
    if (compute_create(&c, "cpu", threads, (size_t)256 << 20, &err) != SS_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    char numeric[256];
    compute_numeric_class(c, numeric, sizeof numeric);
    printf("%s, %d threads\n", numeric, threads);
    static const int64_t products[][3] = {
        {2, 192, 1152},     {160, 128, 128}, {320, 192, 192},    {320, 192, 768},    {320, 768, 192},
        {512, 192, 192},    {2, 1536, 9216}, {2714, 1536, 1536}, {2714, 1536, 6144}, {2714, 6144, 1536},
        {154, 4096, 10240}, {50, 768, 3072}, {800, 768, 3072},   {4112, 1280, 5120}, {4112, 5120, 1280}};
    static const int64_t rounded[][3] = {{1, 1536, 9216},     {333, 1536, 1536},   {1024, 1536, 1536}, {1024, 1536, 6144},
                                         {1024, 6144, 1536},  {4096, 1536, 1536},  {4096, 1536, 4608}, {4096, 1536, 6144},
                                         {4096, 6144, 1536}};
    for (size_t i = 0; i < sizeof products / sizeof products[0] && !rounded_alone; i++)
        linear(c, products[i][0], products[i][1], products[i][2]);
    static const int64_t convs[][3] = {{16, 16, 128},   {32, 128, 128},  {64, 64, 64},   {128, 32, 32}, {128, 64, 64},
                                       {128, 128, 128}, {64, 256, 256},  {32, 512, 512}, {128, 128, 3}, {512, 3, 64},
                                       {512, 64, 64},   {128, 256, 256}, {64, 512, 512}};
    for (size_t i = 0; i < sizeof convs / sizeof convs[0] && !rounded_alone; i++) conv(c, convs[i][0], convs[i][1], convs[i][2]);
    for (size_t i = 0; i < sizeof rounded / sizeof rounded[0]; i++)
        linear_rounded(c, rounded[i][0], rounded[i][1], rounded[i][2]);
    if (rounded_alone) return 0;
    rows(c, 320, 192);
    rows(c, 2720, 1536);
    compute_destroy(c);
    return 0;
}
