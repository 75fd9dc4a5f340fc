/* What the MMDiT hands to attention beside q, k, v (the block's inputs, as its hooks have them; the Gram matrices of
 * the output projection, from the weights), the last block's text queries, which it leaves out where nothing needs
 * them, and a sink made by editing the weights of one block: it is found where it is, and masking what was found is
 * masking that key. DATA: tests/data/model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../properties/named.h"
#include "model/mmdit.h"

enum { IMAGE = 4, TEXT = 3, KEYS = IMAGE + TEXT, BLOCK = 1 };

/* A small model with random weights and one input. */
typedef struct lab {
    compute *c;
    model *m;
    const mmdit_config *g;
    mmdit_weights *w;
    int side;
    float *latents, *states, *pooled;
} lab;

static lab lab_open(void) {
    ss_error err = {0};
    lab l = {0};
    assert_int_equal(compute_create(&l.c, "cpu", 2, (size_t)1 << 28, &err), SS_OK);
    assert_int_equal(model_open_config(&l.m, l.c, DATA "/mmdit-sd3/config.json", WEIGHTS_RANDOM, 1, &err), SS_OK);
    l.g = l.m->config;
    l.w = l.m->weights;
    assert_true(l.g->layers > BLOCK);
    l.side = 2 * (int)l.g->patch_size;
    size_t image = (size_t)(l.side * l.side) * (size_t)l.g->in_channels,
           words = TEXT * (size_t)l.g->joint_attention_dim;
    l.latents = calloc(image, sizeof *l.latents);
    l.states = calloc(words, sizeof *l.states);
    l.pooled = calloc((size_t)l.g->pooled_projection_dim, sizeof *l.pooled);
    assert_true(l.latents && l.states && l.pooled);
    for (size_t i = 0; i < image; i++) l.latents[i] = sinf((float)i);
    for (size_t i = 0; i < words; i++) l.states[i] = cosf((float)i);
    return l;
}

static void lab_close(lab *l) {
    free(l->latents);
    free(l->states);
    free(l->pooled);
    model_close(l->m);
    compute_destroy(l->c);
}

static const attn_segment SEGMENTS[] = {{SEGMENT_IMAGE, "image", 0, IMAGE, 2}, {SEGMENT_TEXT, "clip", IMAGE, TEXT, 0}};

static attn_shape shape_of(const lab *l) { return (attn_shape){1, (int)l->g->layers, (int)l->g->heads, KEYS}; }

/* One forward pass under a program (NULL = none), all probes over `rows`: the run, and the predicted velocity (malloc).
 */
static float *forward_rows(const lab *l, const attn_program *p, attn_rows rows,
                           void (*take)(void *, const char *, tensor), attn_run **run) {
    static const attn_stream_name NAME = {0};
    attn_measure measure = named_all_probes(rows, 1);
    ss_error err = {0};
    float timestep = 500;
    assert_int_equal(attn_run_create(run, p, &measure, &NAME, shape_of(l), &err), SS_OK);
    attn_item item = {.run = *run};
    attn_batch batch = {1, &item, NULL};
    tap_sink tap = {take, NULL};
    l->c->tap = take ? &tap : NULL;
    arena_mark mark = arena_get_mark(l->c->scratch);
    mmdit_input in = {
        .latents = model_upload_image(l->c, l->latents, 1, l->g->in_channels, l->side, l->side),
        .text = model_upload(l->c, l->states, 3, (int64_t[]){1, TEXT, l->g->joint_attention_dim}),
        .pooled = model_upload(l->c, l->pooled, 2, (int64_t[]){1, l->g->pooled_projection_dim}),
        .timestep = &timestep,
        .segments = SEGMENTS,
        .n_segments = 2,
        .batch = &batch,
    };
    tensor out = mmdit_forward(l->c, l->g, l->w, &in);
    float *host = malloc((size_t)tensor_elements(out) * sizeof *host);
    assert_non_null(host);
    op_download(l->c, host, out);
    assert_int_equal(compute_status(l->c, &err), SS_OK);
    arena_release(l->c->scratch, mark);
    l->c->tap = NULL;
    return host;
}

static float *forward(const lab *l, const attn_program *p, void (*take)(void *, const char *, tensor), attn_run **run) {
    return forward_rows(l, p, ROWS_IMAGE, take, run);
}

static float column(const attn_run *run, int head, const char *name) {
    return attn_run_site(run, 0, BLOCK, head, BRANCH_COND)[named_column(name)];
}

/* ---- inputs ---- */

static float largest[2]; /* of the block before: image, text */

static void take_largest(void *user, const char *name, tensor t) {
    static const char *const NAMES[] = {"transformer_blocks.0", "transformer_blocks.0.context"};
    (void)user;
    for (int i = 0; i < 2; i++) {
        const float *x = t.data;
        for (int64_t j = 0; strcmp(name, NAMES[i]) == 0 && j < tensor_elements(t); j++)
            largest[i] = fmaxf(largest[i], fabsf(x[j]));
    }
}

static void inputs_are_what_the_block_before_left(void **state) {
    (void)state;
    lab l = lab_open();
    attn_run *run;
    assert_int_equal(l.w->block[BLOCK].output_gram->made, 0); /* nobody has asked */
    float *out = forward(&l, NULL, take_largest, &run);
    assert_int_equal(l.w->block[BLOCK].output_gram->made, 1);
    for (int h = 0; h < l.g->heads; h++) {
        assert_true(largest[0] > 0 && column(run, h, "input_max") == largest[0]);
        assert_true(largest[1] > 0 && column(run, h, "context_max") == largest[1]);
    }
    /* W^T W of a block's output projection, head by head */
    const weight *w = &l.w->block[BLOCK].attn.out.w;
    const float *source = w->source.data;
    int64_t d = l.g->head_dim, width = l.g->width;
    for (int64_t h = 0; h < l.g->heads; h++)
        for (int64_t a = 0; a < d; a++)
            for (int64_t b = 0; b < d; b++) {
                double sum = 0, scale = 0;
                for (int64_t o = 0; o < width; o++) {
                    double x = (double)source[o * width + h * d + a], y = (double)source[o * width + h * d + b];
                    sum += x * y;
                    scale += fabs(x * y);
                }
                assert_true(fabs(sum - (double)l.w->block[BLOCK].output_gram->values[(h * d + a) * d + b]) <=
                            1e-6 * scale);
            }
    free(out);
    attn_run_destroy(run);
    lab_close(&l);
}

/* ---- a sink in the weights ---- */

static float normed[2][64 * 256]; /* what block BLOCK projects q from (image) and k from (text) */

static void take_normed(void *user, const char *name, tensor t) {
    static const char *const NAMES[] = {"transformer_blocks.1.norm1", "transformer_blocks.1.norm1_context"};
    (void)user;
    for (int i = 0; i < 2; i++)
        if (strcmp(name, NAMES[i]) == 0) {
            assert_true(tensor_elements(t) <= 64 * 256);
            memcpy(normed[i], t.data, (size_t)tensor_elements(t) * sizeof(float));
        }
}

/* The mean query of the image's rows in one head. */
static void mean_query(const lab *l, int head, double *out) {
    const mmdit_attention *a = &l->w->block[BLOCK].attn;
    const float *w = a->q.w.source.data, *b = a->q.b.source.data;
    int64_t d = l->g->head_dim, width = l->g->width;
    for (int64_t x = 0; x < d; x++) {
        const float *row = w + (head * d + x) * width;
        out[x] = (double)b[head * d + x];
        for (int i = 0; i < IMAGE; i++)
            for (int64_t j = 0; j < width; j++) out[x] += (double)row[j] * (double)normed[0][i * width + j] / IMAGE;
    }
}

static double dot(const double *a, const double *b, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

/* What sets token `at` apart from the other text tokens: its normed state without their directions. */
static void own_direction(const lab *l, int at, double *out) {
    double other[TEXT][256];
    int64_t width = l->g->width;
    for (int64_t j = 0; j < width; j++) out[j] = (double)normed[1][at * width + j];
    for (int t = 0; t < TEXT; t++) {
        if (t == at) continue;
        for (int64_t j = 0; j < width; j++) other[t][j] = (double)normed[1][t * width + j];
        for (int s = 0; s < t; s++) {
            double part = s == at ? 0 : dot(other[t], other[s], width) / dot(other[s], other[s], width);
            for (int64_t j = 0; s != at && j < width; j++) other[t][j] -= part * other[s][j];
        }
        double part = dot(out, other[t], width) / dot(other[t], other[t], width);
        for (int64_t j = 0; j < width; j++) out[j] -= part * other[t][j];
    }
}

/* Let the head's key of text token `at`, and of no other, match the image's mean query. */
static void edit_weights(lab *l, int head, int at, double score) {
    double query[256], own[256];
    int64_t d = l->g->head_dim, width = l->g->width;
    weight *k = &l->w->block[BLOCK].attn_context.k.w;
    float *w = k->source.data;
    mean_query(l, head, query);
    own_direction(l, at, own);
    double scale = score * sqrt((double)d) / dot(query, query, d) / dot(own, own, width);
    for (int64_t x = 0; x < d; x++)
        for (int64_t j = 0; j < width; j++) w[(head * d + x) * width + j] += (float)(scale * query[x] * own[j]);
    weight_free(l->c, k);
    weight_pack(l->c, k);
}

static attn_program mask_at(const lab *l, const char *select, const char *at, int head) {
    attn_program p = named_program(shape_of(l), named_selector(select), 1, "mask", 0, ROWS_ALL);
    p.intervention[0].selector_options[0].text = at;
    p.intervention[0].blocks = p.intervention[0].heads = (attn_bits){{0}};
    bits_set(&p.intervention[0].blocks, BLOCK);
    bits_set(&p.intervention[0].heads, head);
    return p;
}

static void edited_weights_make_a_sink_that_is_found(void **state) {
    (void)state;
    static const char *const AT[TEXT] = {"clip 0", "clip 1", "clip 2"};
    for (int number = 0; number < 6; number++) {
        lab l = lab_open();
        attn_run *before, *after, *found, *named;
        int head = number % (int)l.g->heads, at = number % TEXT;
        float *plain = forward(&l, NULL, take_normed, &before);
        edit_weights(&l, head, at, 14);
        float *edited = forward(&l, NULL, NULL, &after);
        for (int h = 0; h < l.g->heads; h++) /* there, and only there */
            if (h == head) {
                assert_true(column(after, h, "max_mass") > 0.5f);
                assert_true(column(after, h, "top_key") == (float)(IMAGE + at));
            } else assert_true(column(after, h, "max_mass") == column(before, h, "max_mass"));
        attn_program by_mass = mask_at(&l, "top", NULL, head), by_name = mask_at(&l, "index", AT[at], head);
        float *a = forward(&l, &by_mass, NULL, &found), *b = forward(&l, &by_name, NULL, &named);
        size_t n = (size_t)(l.side * l.side) * (size_t)l.g->out_channels * sizeof *a;
        assert_memory_equal(a, b, n);
        assert_memory_not_equal(a, edited, n);
        assert_true(column(found, head, "set_mass_after") == 0 && column(found, head, "set_mass_before") > 0.3f);
        float *all[] = {plain, edited, a, b};
        for (int i = 0; i < 4; i++) free(all[i]);
        attn_run *runs[] = {before, after, found, named};
        for (int i = 0; i < 4; i++) attn_run_destroy(runs[i]);
        lab_close(&l);
    }
}

/* ---- the last block's text queries ---- */

static int asks_image_alone(const attn_program *p, attn_rows rows, int block, attn_shape shape) {
    static const attn_stream_name NAME = {0};
    attn_measure measure = named_all_probes(rows, 1);
    attn_item item = {0};
    attn_batch batch = {1, &item, NULL};
    ss_error err = {0};
    assert_int_equal(attn_run_create(&item.run, p, &measure, &NAME, shape, &err), SS_OK);
    int alone = attn_asks_image_alone(&batch, block);
    attn_run_destroy(item.run);
    return alone;
}

/* Left out where nothing needs them, and nothing else changes by a bit. */
static void text_queries_that_nobody_reads_are_left_out(void **state) {
    (void)state;
    lab l = lab_open();
    attn_shape shape = shape_of(&l);
    int last = (int)l.g->layers - 1;
    attn_program all = mask_at(&l, "top", NULL, 0), image = all;
    all.intervention[0].edit = named_edit("identity"); /* changes nothing, but needs every row */
    image.intervention[0].rows = ROWS_IMAGE;
    all.intervention[0].blocks = image.intervention[0].blocks = (attn_bits){{0}};
    bits_set(&all.intervention[0].blocks, last);
    bits_set(&image.intervention[0].blocks, last);
    assert_int_equal(asks_image_alone(NULL, ROWS_IMAGE, last, shape), 1);
    assert_int_equal(asks_image_alone(&image, ROWS_IMAGE, last, shape), 1);
    assert_int_equal(asks_image_alone(&all, ROWS_IMAGE, last, shape), 0);
    assert_int_equal(asks_image_alone(&all, ROWS_IMAGE, last - 1, shape), 1); /* in force in the last alone */
    assert_int_equal(asks_image_alone(NULL, ROWS_ALL, last, shape), 0);
    assert_int_equal(asks_image_alone(NULL, ROWS_TEXT, last, shape), 0);

    attn_run *run[3];
    float *without = forward(&l, NULL, NULL, &run[0]), *with = forward(&l, &all, NULL, &run[1]),
          *of_text = forward_rows(&l, NULL, ROWS_TEXT, NULL, &run[2]);
    size_t n = (size_t)(l.side * l.side) * (size_t)l.g->out_channels * sizeof *with;
    assert_memory_equal(without, with, n);
    assert_memory_equal(without, of_text, n);
    for (int h = 0; h < l.g->heads; h++)
        for (int i = named_column("max_mass"); i <= named_column("entropy"); i++) {
            float a = attn_run_site(run[0], 0, last, h, BRANCH_COND)[i];
            assert_true(isfinite(a) && a == attn_run_site(run[1], 0, last, h, BRANCH_COND)[i]);
            assert_true(isfinite(attn_run_site(run[2], 0, last, h, BRANCH_COND)[i]));
        }
    float *outs[] = {without, with, of_text};
    for (int i = 0; i < 3; i++) {
        free(outs[i]);
        attn_run_destroy(run[i]);
    }
    lab_close(&l);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(inputs_are_what_the_block_before_left),
                                       cmocka_unit_test(text_queries_that_nobody_reads_are_left_out),
                                       cmocka_unit_test(edited_weights_make_a_sink_that_is_found)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
