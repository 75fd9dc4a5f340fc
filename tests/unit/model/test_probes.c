/* What the MMDiT tells attention beside q, k, v: the block's inputs, as its taps have them, and the Gram matrices of
 * the output projection, from the weights. DATA: tests/data/model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/mmdit.h"

enum { IMAGE = 4, TEXT = 3 };

static float largest[2][2]; /* [block][image, text]: of the taps */

static void take(void *user, const char *name, tensor t) {
    static const char *const NAMES[2][2] = {{"transformer_blocks.0", "transformer_blocks.0.context"},
                                            {"transformer_blocks.1", "transformer_blocks.1.context"}};
    (void)user;
    for (int i = 0; i < 4; i++) {
        if (strcmp(name, NAMES[i / 2][i % 2]) != 0) continue;
        const float *x = t.data;
        for (int64_t j = 0; j < tensor_elements(t); j++)
            largest[i / 2][i % 2] = fmaxf(largest[i / 2][i % 2], fabsf(x[j]));
    }
}

static void inputs_are_what_the_block_before_left(void **state) {
    (void)state;
    ss_error err = {0};
    compute *c;
    model *m;
    assert_int_equal(compute_create(&c, "cpu", 2, (size_t)1 << 28, &err), SS_OK);
    assert_int_equal(model_open_config(&m, c, DATA "/mmdit-sd3/config.json", WEIGHTS_RANDOM, 1, &err), SS_OK);
    const mmdit_config *g = m->config;
    const mmdit_weights *w = m->weights;
    assert_true(g->layers >= 2);
    const attn_probe *probe = &ATTN_PROBES[0];
    while (strcmp(probe->about.name, "activation") != 0) probe++;
    attn_measure measure = {.n_probes = 1, .probe = {probe}, .r = 1};
    attn_stream_name name = {0};
    attn_shape shape = {1, (int)g->layers, (int)g->heads, IMAGE + TEXT};
    attn_run *run;
    assert_int_equal(attn_run_create(&run, NULL, &measure, &name, shape, &err), SS_OK);
    int side = 2 * (int)g->patch_size;
    float *latents = calloc((size_t)(side * side * g->in_channels), sizeof *latents),
          *states = calloc((size_t)(TEXT * g->joint_attention_dim), sizeof *states),
          *pooled = calloc((size_t)g->pooled_projection_dim, sizeof *pooled), timestep = 500;
    assert_true(latents && states && pooled);
    for (int i = 0; i < side * side * g->in_channels; i++) latents[i] = sinf((float)i);
    for (int i = 0; i < TEXT * g->joint_attention_dim; i++) states[i] = cosf((float)i);
    const attn_segment segments[] = {{SEGMENT_IMAGE, "image", 0, IMAGE, 2}, {SEGMENT_TEXT, "text", IMAGE, TEXT, 0}};
    attn_item item = {.run = run};
    attn_batch batch = {1, &item};
    tap_sink tap = {take, NULL};
    c->tap = &tap;
    mmdit_input in = {
        .latents = model_upload_image(c, latents, 1, g->in_channels, side, side),
        .text = model_upload(c, states, 3, (int64_t[]){1, TEXT, g->joint_attention_dim}),
        .pooled = model_upload(c, pooled, 2, (int64_t[]){1, g->pooled_projection_dim}),
        .timestep = &timestep,
        .segments = segments,
        .n_segments = 2,
        .batch = &batch,
    };
    mmdit_forward(c, g, w, &in);
    assert_int_equal(compute_status(c, &err), SS_OK);
    for (int h = 0; h < g->heads; h++) {
        const float *columns = attn_run_site(run, 0, 1, h, BRANCH_COND);
        assert_true(largest[0][0] > 0 && columns[0] == largest[0][0]);
        assert_true(largest[0][1] > 0 && columns[2] == largest[0][1]);
    }
    /* W^T W of a block's output projection, head by head */
    const weight *out = &w->block[1].attn.out.w;
    const float *source = out->source.data;
    int64_t d = g->head_dim, width = g->width;
    for (int64_t h = 0; h < g->heads; h++)
        for (int64_t a = 0; a < d; a++)
            for (int64_t b = 0; b < d; b++) {
                double sum = 0, scale = 0;
                for (int64_t o = 0; o < width; o++) {
                    double x = (double)source[o * width + h * d + a], y = (double)source[o * width + h * d + b];
                    sum += x * y;
                    scale += fabs(x * y);
                }
                assert_true(fabs(sum - (double)w->block[1].output_gram[(h * d + a) * d + b]) <= 1e-6 * scale);
            }
    attn_run_destroy(run);
    free(latents);
    free(states);
    free(pooled);
    model_close(m);
    compute_destroy(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(inputs_are_what_the_block_before_left)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
