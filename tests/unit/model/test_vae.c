/* The autoencoder in stripes: no bit depends on how many rows are made at a time, for widths that grow, shrink and
 * stay, sizes that no stripe divides, and batches; and an image of 1024 pixels fits into 1.5 GB. DATA:
 * tests/data/model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "model/vae.h"

static void check(ss_status status, const ss_error *err) {
    if (status != SS_OK) fail_msg("%s: %s", err->where, err->message);
}

/* A tensor of reproducible numbers in new scratch. */
static tensor numbers(compute *c, int64_t b, int64_t h, int64_t w, int64_t channels) {
    tensor t = compute_4d(c, b, h, w, channels);
    assert_non_null(t.data);
    for (int64_t i = 0; i < tensor_elements(t); i++) ((float *)t.data)[i] = (float)((i * 7919) % 1013) / 500.0f - 1;
    return t;
}

typedef tensor half(compute *c, const vae_config *g, const vae_weights *w, tensor in, int64_t stripe);

/* In one stripe, which is the whole image, and in stripes of some rows. */
static void compare(compute *c, const model *m, half *run, int64_t channels, int64_t h, int64_t w) {
    static const int64_t rows[] = {2, 4, 6, 10, 0};
    ss_error err = {0};
    arena_mark mark = arena_get_mark(c->scratch);
    tensor in = numbers(c, 2, h, w, channels);
    tensor whole = run(c, m->config, m->weights, in, 4096);
    check(compute_status(c, &err), &err);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        arena_mark inner = arena_get_mark(c->scratch);
        tensor striped = run(c, m->config, m->weights, in, rows[i]);
        check(compute_status(c, &err), &err);
        assert_true(tensor_same_shape(whole, striped));
        if (memcmp(whole.data, striped.data, (size_t)tensor_elements(whole) * sizeof(float)) != 0)
            fail_msg("%lld x %lld in stripes of %lld rows: other bits", (long long)h, (long long)w, (long long)rows[i]);
        arena_release(c->scratch, inner);
    }
    arena_release(c->scratch, mark);
}

static void test_stripes_change_nothing(void **state) {
    (void)state;
    static const char *const names[] = {"vae-sd3", "vae-quant", "vae-flat", "vae-wide"};
    for (int i = 0; i < 4; i++) {
        ss_error err = {0};
        char path[256];
        compute *c;
        model *m;
        snprintf(path, sizeof path, DATA "/%s/config.json", names[i]);
        check(compute_create(&c, "cpu", 2, (size_t)1 << 30, &err), &err);
        check(model_open_config(&m, c, path, WEIGHTS_RANDOM, 5, &err), &err);
        const vae_config *g = m->config;
        for (int64_t h = 1; h <= 7; h += 2) {
            compare(c, m, vae_decode_in_stripes, g->latent_channels, h, 5);
            compare(c, m, vae_encode_in_stripes, g->in_channels, 8 + 3 * h, 21);
        }
        assert_int_equal(arena_used(c->scratch), 0);
        model_close(m);
        compute_destroy(c);
    }
}

/* Widths that shrink by more than half and grow back on the way: slots of every kind. */
static void test_uneven_widths(void **state) {
    (void)state;
    static const char config[] =
        "{\"_class_name\": \"AutoencoderKL\", \"block_out_channels\": [%s], \"norm_num_groups\": 2,"
        "\"latent_channels\": 4, \"in_channels\": 3, \"out_channels\": 3, \"layers_per_block\": 1,"
        "\"down_block_types\": [\"DownEncoderBlock2D\", \"DownEncoderBlock2D\", \"DownEncoderBlock2D\"],"
        "\"up_block_types\": [\"UpDecoderBlock2D\", \"UpDecoderBlock2D\", \"UpDecoderBlock2D\"]}";
    static const char *const widths[] = {"4, 4, 20", "20, 4, 4", "4, 20, 4", "2, 2, 2", "30, 4, 16"};
    for (size_t i = 0; i < sizeof widths / sizeof widths[0]; i++) {
        ss_error err = {0};
        char path[64] = "/tmp/sinkscope-vae-XXXXXX", written[1024];
        compute *c;
        model *m;
        int fd = mkstemp(path);
        assert_true(fd >= 0);
        close(fd);
        snprintf(written, sizeof written, config, widths[i]);
        check(file_write(path, written, strlen(written), &err), &err);
        check(compute_create(&c, "cpu", 2, (size_t)1 << 30, &err), &err);
        check(model_open_config(&m, c, path, WEIGHTS_RANDOM, 5, &err), &err);
        compare(c, m, vae_decode_in_stripes, 4, 6, 3);
        compare(c, m, vae_encode_in_stripes, 3, 19, 14);
        model_close(m);
        compute_destroy(c);
        remove(path);
    }
}

/* Stable Diffusion 3's autoencoder, 1024 x 1024 pixels: activations at their peak, and the decoder's weights. */
static void test_memory(void **state) {
    (void)state;
    static const char config[] =
        "{\"_class_name\": \"AutoencoderKL\", \"block_out_channels\": [128, 256, 512, 512], \"norm_num_groups\": 32,"
        "\"latent_channels\": 16, \"in_channels\": 3, \"out_channels\": 3, \"layers_per_block\": 2,"
        "\"down_block_types\": [\"DownEncoderBlock2D\", \"DownEncoderBlock2D\", \"DownEncoderBlock2D\","
        " \"DownEncoderBlock2D\"], \"up_block_types\": [\"UpDecoderBlock2D\", \"UpDecoderBlock2D\","
        " \"UpDecoderBlock2D\", \"UpDecoderBlock2D\"], \"use_quant_conv\": false, \"use_post_quant_conv\": false}";
    ss_error err = {0};
    char path[64] = "/tmp/sinkscope-vae-XXXXXX";
    compute *dry;
    model *m;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    check(file_write(path, config, strlen(config), &err), &err);
    check(compute_create(&dry, "dry", 2, 0, &err), &err);
    check(model_open_config(&m, NULL, path, WEIGHTS_LIST, 0, &err), &err);
    for (int64_t side = 64; side <= 128; side *= 2) {
        arena_reset_peak(dry->scratch);
        vae_decode(dry, m->config, m->weights, compute_4d(dry, 1, side, side, 16));
        check(compute_status(dry, &err), &err);
        double gb = (double)(arena_peak(dry->scratch) + weights_packed_part_bytes(&m->set, dry, "decoder.")) / 1e9;
        print_message("%lld pixels: %.3f GB\n", (long long)side * 8, gb);
        assert_true(gb < (side == 128 ? 1.45 : 0.6)); /* 1.5, less what a process takes before */
        arena_release(dry->scratch, 0);
    }
    model_close(m);
    compute_destroy(dry);
    remove(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_stripes_change_nothing),
                                       cmocka_unit_test(test_uneven_widths), cmocka_unit_test(test_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
