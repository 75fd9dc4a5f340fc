/* The peer of bench_tensor's products: oneDNN on one thread, weights packed in its own format, on the whole matrix and
 * on row tiles of a fixed height (the form in which its bits would not depend on the batch; the last tile is padded).
 * Convolutions run on the whole image and on single rows of it. Figures as bench_tensor's. */
#include <dnnl.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static void must(dnnl_status_t status) {
    if (status == dnnl_success) return;
    fprintf(stderr, "oneDNN: status %d\n", (int)status);
    exit(1);
}

static double seconds(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static float *make(size_t bytes) {
    float *data = aligned_alloc(64, (bytes + 127) / 64 * 64);
    if (!data) exit(1);
    for (size_t i = 0; i < bytes / sizeof *data; i++) data[i] = (float)(i % 19) / 19.0f - 0.5f;
    return data;
}

/* Run one primitive over `tiles` tiles that lie one after another in memory. */
static void run(dnnl_engine_t engine, dnnl_primitive_desc_t plan, const char *what, int tiles, size_t x_step,
                size_t out_step, double flops) {
    dnnl_stream_t stream;
    dnnl_primitive_t primitive;
    must(dnnl_stream_create(&stream, engine, dnnl_stream_default_flags));
    must(dnnl_primitive_create(&primitive, plan));
    static const dnnl_query_t queries[3] = {dnnl_query_src_md, dnnl_query_weights_md, dnnl_query_dst_md};
    dnnl_memory_t memory[3];
    float *data[3];
    for (int i = 0; i < 3; i++) {
        const dnnl_memory_desc_t *form = dnnl_primitive_desc_query_md(plan, queries[i], 0);
        size_t step = i == 0 ? x_step : i == 2 ? out_step : 0;
        data[i] = make(dnnl_memory_desc_get_size(form) + step * (size_t)tiles * sizeof(float));
        must(dnnl_memory_create(&memory[i], form, engine, data[i]));
    }
    dnnl_exec_arg_t args[3] = {{DNNL_ARG_SRC, memory[0]}, {DNNL_ARG_WEIGHTS, memory[1]}, {DNNL_ARG_DST, memory[2]}};
    double best = 1e30, begin = seconds(CLOCK_PROCESS_CPUTIME_ID), mean = 0;
    for (int n = 0; mean * n < 0.5;) {
        double start = seconds(CLOCK_MONOTONIC);
        for (int t = 0; t < tiles; t++) {
            must(dnnl_memory_set_data_handle(memory[0], data[0] + (size_t)t * x_step));
            must(dnnl_memory_set_data_handle(memory[2], data[2] + (size_t)t * out_step));
            must(dnnl_primitive_execute(primitive, stream, 3, args));
        }
        double taken = seconds(CLOCK_MONOTONIC) - start;
        if (taken < best) best = taken;
        mean = (seconds(CLOCK_PROCESS_CPUTIME_ID) - begin) / ++n;
    }
    const char *name;
    must(dnnl_primitive_desc_query(plan, dnnl_query_impl_info_str, 0, &name));
    printf("%-48s %8.1f GFLOPS (wall) %8.1f (per processor second)  %s\n", what, flops / best * 1e-9,
           flops / mean * 1e-9, name);
    fflush(stdout);
    for (int i = 0; i < 3; i++) {
        dnnl_memory_destroy(memory[i]);
        free(data[i]);
    }
    dnnl_primitive_destroy(primitive);
    dnnl_stream_destroy(stream);
}

static void linear(dnnl_engine_t engine, int rows, int inputs, int outputs, int tile) {
    dnnl_memory_desc_t x, w, out;
    dnnl_matmul_desc_t d;
    dnnl_primitive_desc_t plan;
    must(dnnl_memory_desc_init_by_tag(&x, 2, (dnnl_dims_t){tile, inputs}, dnnl_f32, dnnl_ab));
    must(dnnl_memory_desc_init_by_tag(&w, 2, (dnnl_dims_t){inputs, outputs}, dnnl_f32, dnnl_format_tag_any));
    must(dnnl_memory_desc_init_by_tag(&out, 2, (dnnl_dims_t){tile, outputs}, dnnl_f32, dnnl_ab));
    must(dnnl_matmul_desc_init(&d, &x, &w, NULL, &out));
    must(dnnl_primitive_desc_create(&plan, &d, NULL, engine, NULL));
    char what[96];
    snprintf(what, sizeof what, "linear %d x %d x %d, tiles of %d", rows, inputs, outputs, tile);
    run(engine, plan, what, (rows + tile - 1) / tile, (size_t)(tile * inputs), (size_t)(tile * outputs),
        2.0 * rows * inputs * outputs);
    dnnl_primitive_desc_destroy(plan);
}

static void conv(dnnl_engine_t engine, int size, int inputs, int outputs, int height) {
    dnnl_memory_desc_t x, w, out;
    dnnl_convolution_desc_t d;
    dnnl_primitive_desc_t plan;
    must(dnnl_memory_desc_init_by_tag(&x, 4, (dnnl_dims_t){1, inputs, height + 2, size}, dnnl_f32, dnnl_acdb));
    must(dnnl_memory_desc_init_by_tag(&w, 4, (dnnl_dims_t){outputs, inputs, 3, 3}, dnnl_f32, dnnl_format_tag_any));
    must(dnnl_memory_desc_init_by_tag(&out, 4, (dnnl_dims_t){1, outputs, height, size}, dnnl_f32, dnnl_acdb));
    must(dnnl_convolution_forward_desc_init(&d, dnnl_forward_inference, dnnl_convolution_direct, &x, &w, NULL, &out,
                                            (dnnl_dims_t){1, 1}, (dnnl_dims_t){0, 1}, (dnnl_dims_t){0, 1}));
    must(dnnl_primitive_desc_create(&plan, &d, NULL, engine, NULL));
    char what[96];
    snprintf(what, sizeof what, "conv 3x3 %d x %d x %d to %d, %d rows", size, size, inputs, outputs, height);
    run(engine, plan, what, size / height, (size_t)(height * size * inputs), (size_t)(height * size * outputs),
        2.0 * size * size * 9 * inputs * outputs);
    dnnl_primitive_desc_destroy(plan);
}

int main(void) {
    dnnl_engine_t engine;
    omp_set_num_threads(1);
    must(dnnl_engine_create(&engine, dnnl_cpu, 0));
    const dnnl_version_t *v = dnnl_version();
    printf("oneDNN %d.%d.%d, 1 thread\n", v->major, v->minor, v->patch);
    static const int products[][3] = {{2, 192, 1152},     {160, 128, 128},    {320, 192, 192},   {320, 192, 768},
                                      {320, 768, 192},    {512, 192, 192},    {2, 1536, 9216},   {2714, 1536, 1536},
                                      {2714, 1536, 6144}, {2714, 6144, 1536}, {154, 4096, 10240}};
    for (size_t i = 0; i < sizeof products / sizeof products[0]; i++) {
        const int *p = products[i];
        linear(engine, p[0], p[1], p[2], p[0]);
        linear(engine, p[0], p[1], p[2], 32);
        linear(engine, p[0], p[1], p[2], 64);
    }
    static const int convs[][3] = {{16, 16, 128},   {32, 128, 128}, {64, 64, 64},   {128, 32, 32}, {128, 64, 64},
                                   {128, 128, 128}, {64, 256, 256}, {32, 512, 512}, {128, 128, 3}};
    for (size_t i = 0; i < sizeof convs / sizeof convs[0]; i++) {
        conv(engine, convs[i][0], convs[i][1], convs[i][2], convs[i][0]);
        conv(engine, convs[i][0], convs[i][1], convs[i][2], 1);
    }
    dnnl_engine_destroy(engine);
    return 0;
}
