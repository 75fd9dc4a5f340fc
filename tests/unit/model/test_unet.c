/* What the U-Net hands to attention beside q, k, v: the segments of keys, the inputs of a call as its hooks have them,
 * the Gram matrices of the output projections; that observing changes no bit; and that an edit of one call reaches that
 * call and those after it. DATA: tests/data/model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../properties/named.h"
#include "model/unet.h"

enum { HEIGHT = 9, WIDTH = 14, WORDS = 5, CLIP = 3, MAX_SITES = 64 };

static const attn_segment TEXT[] = {{SEGMENT_TEXT, "clip", 0, CLIP, 0}, {SEGMENT_TEXT, "more", CLIP, WORDS - CLIP, 0}};
static const uint8_t CLASSES[WORDS] = {KEY_START, KEY_WORD, KEY_WORD, KEY_END, KEY_PADDING};

/* A small model with random weights and one input. */
typedef struct lab {
    compute *c;
    model *m;
    const unet_config *g;
    const unet_weights *w;
    float *latents, *states, *pooled;
} lab;

static float *waves(int64_t n, float by) {
    float *x = malloc(sizeof *x * (size_t)(n ? n : 1));
    assert_non_null(x);
    for (int64_t i = 0; i < n; i++) x[i] = sinf((float)i * by + by);
    return x;
}

static lab lab_open(const char *path) {
    ss_error err = {0};
    lab l = {0};
    assert_int_equal(compute_create(&l.c, "cpu", 2, (size_t)1 << 28, &err), SS_OK);
    assert_int_equal(model_open_config(&l.m, l.c, path, WEIGHTS_RANDOM, 1, &err), SS_OK);
    l.g = l.m->config;
    l.w = l.m->weights;
    assert_true(l.g->sites > 4 && l.g->sites <= MAX_SITES);
    l.latents = waves(HEIGHT * WIDTH * l.g->in_channels, 1);
    l.states = waves(WORDS * l.g->cross_attention_dim, 0.7f);
    l.pooled = waves(l.g->pooled_dim, 1.3f);
    return l;
}

static void lab_close(lab *l) {
    free(l->latents);
    free(l->states);
    free(l->pooled);
    model_close(l->m);
    compute_destroy(l->c);
}

static int tokens_at(const unet_config *g, int level) {
    return (int)(unet_level_size(g, level, HEIGHT) * unet_level_size(g, level, WIDTH));
}

/* Heads and keys of a call. */
static attn_shape shape_at(const unet_config *g, int block) {
    unet_site s = {0};
    assert_true(unet_site_at(g, block, &s));
    return (attn_shape){1, g->sites, s.heads, s.kind == ATTN_CROSS ? WORDS : tokens_at(g, s.level)};
}

static attn_shape most_of(const unet_config *g) {
    attn_shape most = {1, g->sites, 0, 0};
    for (int b = 0; b < g->sites; b++) {
        attn_shape s = shape_at(g, b);
        if (s.heads > most.heads) most.heads = s.heads;
        if (s.keys > most.keys) most.keys = s.keys;
    }
    return most;
}

/* One forward pass under a program (NULL = none): the run where `run` is asked for, and the prediction (malloc). */
static float *forward(const lab *l, const attn_program *p, const tap_sink *tap, attn_run **run) {
    static const attn_stream_name NAME = {0};
    static const float ids[UNET_TIME_IDS] = {72, 112, 0, 3, 72, 112}, timestep[] = {500};
    attn_measure measure = named_all_probes(ROWS_IMAGE, 1);
    const unet_config *g = l->g;
    ss_error err = {0};
    attn_item item = {.key_class = CLASSES};
    attn_batch batch = {1, &item, NULL};
    if (run) {
        assert_int_equal(attn_run_create(run, p, &measure, &NAME, most_of(g), &err), SS_OK);
        item.run = *run;
    }
    l->c->tap = tap;
    arena_mark mark = arena_get_mark(l->c->scratch);
    unet_input in = {.latents = model_upload_image(l->c, l->latents, 1, g->in_channels, HEIGHT, WIDTH),
                     .text = model_upload(l->c, l->states, 3, (int64_t[]){1, WORDS, g->cross_attention_dim}),
                     .time_ids = ids,
                     .timestep = timestep,
                     .text_segments = TEXT,
                     .n_text_segments = 2,
                     .batch = run ? &batch : NULL};
    if (g->text_time) in.pooled = model_upload(l->c, l->pooled, 2, (int64_t[]){1, g->pooled_dim});
    tensor out = unet_forward(l->c, g, l->w, &in);
    float *host = malloc((size_t)tensor_elements(out) * sizeof *host);
    assert_non_null(host);
    op_download(l->c, host, out);
    compute_status(l->c, &err);
    assert_string_equal(err.message, "");
    arena_release(l->c->scratch, mark);
    l->c->tap = NULL;
    return host;
}

static size_t out_bytes(const lab *l) { return HEIGHT * WIDTH * (size_t)l->g->out_channels * sizeof(float); }

static float column(const attn_run *run, int block, int head, const char *name) {
    return attn_run_site(run, 0, block, head, BRANCH_COND)[named_column(name)];
}

/* ---- inputs of a call ---- */

typedef struct largest {
    const lab *l;
    float of_input[MAX_SITES]; /* of what attn1 of a layer gets: the layer before, or the projection */
} largest;

static void take_largest(void *user, const char *name, tensor t) {
    largest *x = user;
    for (int b = 0; b < x->l->g->sites; b += 2) {
        char own[UNET_NAME_SIZE], before[UNET_NAME_SIZE];
        unet_site s = {0};
        unet_site_at(x->l->g, b, &s);
        unet_site_name(x->l->g, b, own);
        char *layer = strstr(own, ".transformer_blocks.");
        assert_non_null(layer);
        *layer = '\0';
        if (s.layer) snprintf(before, sizeof before, "%.60s.transformer_blocks.%d", own, s.layer - 1);
        else snprintf(before, sizeof before, "%.60s.proj_in", own);
        const float *v = t.data;
        for (int64_t i = 0; strcmp(name, before) == 0 && i < tensor_elements(t); i++)
            x->of_input[b] = fmaxf(x->of_input[b], fabsf(v[i]));
    }
}

/* A selector of nothing that looks at what it is shown. */
static struct {
    int seen[MAX_SITES];
    const unet_config *g;
} shown;

static ss_status look(const select_input *in, key_sets *out, ss_error *err) {
    (void)err;
    unet_site s = {0};
    unet_site_at(shown.g, in->block, &s);
    shown.seen[in->block]++;
    assert_int_equal(in->queries, tokens_at(shown.g, s.level));
    if (s.kind == ATTN_SELF) {
        assert_int_equal(in->n_segments, 1);
        assert_string_equal(in->segments[0].name, "image");
        assert_true(in->segments[0].kind == SEGMENT_IMAGE && in->segments[0].start == 0);
        assert_int_equal(in->segments[0].length, in->queries);
        assert_int_equal(in->segments[0].grid_width, unet_level_size(shown.g, s.level, WIDTH));
        for (int j = 0; j < in->keys; j++) assert_int_equal(in->key_class[j], KEY_IMAGE);
    } else {
        assert_int_equal(in->n_segments, 2);
        assert_memory_equal(in->segments, TEXT, sizeof TEXT);
        assert_memory_equal(in->key_class, CLASSES, sizeof CLASSES);
    }
    for (int h = 0; h < in->heads; h++) out->begin[h + 1] = 0;
    return SS_OK;
}

static const attn_selector LOOK = {.about = {"look", "", NULL}, .select = look};

static void calls_are_told_what_they_are(void **state) {
    (void)state;
    static const char *const configs[] = {DATA "/unet-sdxl/config.json", DATA "/unet-sd15/config.json",
                                          DATA "/unet-uneven/config.json"};
    for (int i = 0; i < 3; i++) {
        lab l = lab_open(configs[i]);
        largest x = {.l = &l};
        const tap_sink tap = {take_largest, &x};
        attn_program p = named_program(most_of(l.g), &LOOK, 1, "mask", 0, ROWS_ALL);
        attn_run *run;
        memset(&shown, 0, sizeof shown);
        shown.g = l.g;
        float *out = forward(&l, &p, &tap, &run), context = 0;
        for (int64_t j = 0; j < WORDS * l.g->cross_attention_dim; j++) context = fmaxf(context, fabsf(l.states[j]));
        for (int b = 0; b < l.g->sites; b++) {
            attn_shape own = attn_run_block_shape(run, b), want = shape_at(l.g, b);
            assert_true(own.heads == want.heads && own.keys == want.keys);
            assert_int_equal(shown.seen[b], 1);
            for (int h = 0; h < own.heads; h++) {
                if (b % 2 == 0) assert_true(x.of_input[b] > 0 && column(run, b, h, "input_max") == x.of_input[b]);
                if (b % 2) assert_true(column(run, b, h, "context_max") == context);
                else assert_true(isnan(column(run, b, h, "context_max")));
            }
        }
        free(out);
        attn_run_destroy(run);
        lab_close(&l);
    }
}

/* W^T W of an output projection, head by head. */
static void check_gram(compute *c, const unet_attention *a, const unet_stage *s) {
    const float *source = a->out.w.source.data, *gram = attn_gram_values(c, a->output_gram, s->heads);
    int64_t d = s->head_dim, width = d * s->heads;
    for (int64_t h = 0; h < s->heads; h++)
        for (int64_t i = 0; i < d; i++)
            for (int64_t j = 0; j < d; j++) {
                double sum = 0, scale = 0;
                for (int64_t o = 0; o < width; o++) {
                    double x = (double)source[o * width + h * d + i], y = (double)source[o * width + h * d + j];
                    sum += x * y;
                    scale += fabs(x * y);
                }
                assert_true(fabs(sum - (double)gram[(h * d + i) * d + j]) <= 1e-6 * scale);
            }
}

static void grams_are_of_the_output_projections(void **state) {
    (void)state;
    lab l = lab_open(DATA "/unet-uneven/config.json");
    for (int b = 0; b < l.g->sites; b++) {
        unet_site s = {0};
        unet_site_at(l.g, b, &s);
        const unet_layer *layer = &l.w->blocks[s.stage].transformers[s.transformer].layers[s.layer];
        check_gram(l.c, s.kind == ATTN_SELF ? &layer->attn1 : &layer->attn2, &l.g->stage[s.stage]);
    }
    lab_close(&l);
}

/* ---- observing and changing ---- */

static void observing_changes_no_bit(void **state) {
    (void)state;
    lab l = lab_open(DATA "/unet-sdxl/config.json");
    attn_run *run;
    float *plain = forward(&l, NULL, NULL, NULL), *watched = forward(&l, NULL, NULL, &run);
    assert_memory_equal(plain, watched, out_bytes(&l));
    free(plain);
    free(watched);
    attn_run_destroy(run);
    lab_close(&l);
}

static attn_program at_block(const lab *l, int block, const char *select, const char *where, const char *edit,
                             double number) {
    attn_program p = named_program(most_of(l->g), named_selector(select), 1, edit, number, ROWS_ALL);
    p.intervention[0].blocks = (attn_bits){{0}};
    p.intervention[0].heads = (attn_bits){{1}}; /* head 0 */
    bits_set(&p.intervention[0].blocks, block);
    p.intervention[0].selector_options[0].text = where;
    return p;
}

/* Masking what is heaviest is masking that key by name: there, and nowhere before. */
static void an_edit_reaches_its_call_and_later_ones(void **state) {
    (void)state;
    lab l = lab_open(DATA "/unet-sdxl/config.json");
    attn_run *before, *found, *named, *scaled;
    float *plain = forward(&l, NULL, NULL, &before);
    for (int block = 0; block < l.g->sites; block += 3) {
        unet_site s = {0};
        unet_site_at(l.g, block, &s);
        int top = (int)column(before, block, 0, "top_key");
        char where[32];
        if (s.kind == ATTN_SELF) snprintf(where, sizeof where, "image %d", top);
        else snprintf(where, sizeof where, "%s %d", top < CLIP ? "clip" : "more", top < CLIP ? top : top - CLIP);
        attn_program by_mass = at_block(&l, block, "top", NULL, "mask", 0),
                     by_name = at_block(&l, block, "index", where, "mask", 0),
                     same = at_block(&l, block, "top", NULL, "scale", 1);
        float *a = forward(&l, &by_mass, NULL, &found), *b = forward(&l, &by_name, NULL, &named),
              *c = forward(&l, &same, NULL, &scaled);
        assert_memory_equal(a, b, out_bytes(&l));
        assert_memory_not_equal(a, plain, out_bytes(&l));
        assert_memory_equal(c, plain, out_bytes(&l)); /* eta = 1 */
        size_t columns = sizeof(float) * (size_t)attn_run_columns(before);
        for (int b2 = 0; b2 < block; b2++)
            for (int h = 0; h < attn_run_block_shape(before, b2).heads; h++)
                assert_memory_equal(attn_run_site(before, 0, b2, h, BRANCH_COND),
                                    attn_run_site(found, 0, b2, h, BRANCH_COND), columns);
        assert_true(column(found, block, 0, "set_size") == 1 && column(found, block, 0, "set_mass_after") == 0);
        assert_true(fabsf(column(found, block, 0, "set_mass_before") - column(before, block, 0, "max_mass")) < 1e-5f);
        if (block + 1 < l.g->sites)
            assert_memory_not_equal(attn_run_site(before, 0, block + 1, 0, BRANCH_COND),
                                    attn_run_site(found, 0, block + 1, 0, BRANCH_COND), columns);
        float *all[] = {a, b, c};
        attn_run *runs[] = {found, named, scaled};
        for (int i = 0; i < 3; i++) {
            free(all[i]);
            attn_run_destroy(runs[i]);
        }
    }
    free(plain);
    attn_run_destroy(before);
    lab_close(&l);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_are_told_what_they_are),
        cmocka_unit_test(grams_are_of_the_output_projections),
        cmocka_unit_test(observing_changes_no_bit),
        cmocka_unit_test(an_edit_reaches_its_call_and_later_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
