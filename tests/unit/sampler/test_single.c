/* Single files in original layouts: what diffusers draws with them, the folders they become, messages about files that
 * are not whole. DATA: tests/data. Files and images: tests/generators/single_files.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "io/png.h"
#include "io/safetensors.h"
#include "model/original.h"
#include "sampler/convert.h"
#include "support/drawing.h"
#include "support/tiny_pipeline.h"

static const char SD3[] = DATA "/single/sd3.safetensors", SD15[] = DATA "/single/sd15.ckpt";
static tiny_pipeline sd3, sd15;
static char below[4][256]; /* the parts of sd3 and sd15 that their files lack */

static void check(ss_status status, const ss_error *err) {
    if (status != SS_OK) fail_msg("%s: %s", err->where, err->message);
}

static int set_up(void **state) {
    (void)state;
    if (tiny_pipeline_make(&sd3, DATA, "tiny-sd3") != 0 || tiny_pipeline_make(&sd15, DATA, "tiny-sd15") != 0) return -1;
    for (int i = 0; i < 3; i++)
        snprintf(below[i], sizeof below[i], "%s/text_encoder%s%s", sd3.folder, (const char *[]){"", "_2", "_3"}[i],
                 i == 1 ? "/model.safetensors" : ""); /* one of them as its weights alone */
    snprintf(below[3], sizeof below[3], "%s/vae", sd15.folder);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    tiny_pipeline_remove(&sd3);
    tiny_pipeline_remove(&sd15);
    return 0;
}

static model_parts parts_of(const char *file) {
    return file == SD3 ? (model_parts){.config = sd3.folder, .text_encoder = {below[0], below[1], below[2]}}
                       : (model_parts){.config = sd15.folder, .vae = below[3]};
}

static drawing draw(const char *path, const model_parts *parts, double guidance) {
    ss_error err = {0};
    compute *c;
    pipeline *p;
    check(compute_create(&c, "cpu", 1, (size_t)1 << 28, &err), &err);
    check(pipeline_open_parts(&p, c, path, parts, &err), &err);
    const sample_settings s = {.width = 32, .height = 32, .steps = 4, .guidance = guidance};
    drawing d = drawing_make(p, &s, "a red circle and 2 blue stars", 5, NULL);
    pipeline_close(p);
    compute_destroy(c);
    return d;
}

static void test_pictures(void **state) {
    (void)state;
    static const struct {
        const char *file, *picture;
        double guidance;
    } cases[] = {{SD3, DATA "/single/sd3.png", 3.5}, {SD15, DATA "/single/sd15.png", 7.5}};
    for (int i = 0; i < 2; i++) {
        ss_error err = {0};
        rgb_image theirs;
        int most = 0;
        const model_parts parts = parts_of(cases[i].file);
        drawing d = draw(cases[i].file, &parts, cases[i].guidance);
        check(png_read(cases[i].picture, &theirs, &err), &err);
        assert_int_equal(theirs.width, d.picture.width);
        assert_int_equal(theirs.height, d.picture.height);
        for (int k = 0; k < 3 * theirs.width * theirs.height; k++) {
            int by = abs(theirs.rgb[k] - d.picture.rgb[k]);
            if (by > most) most = by;
        }
        assert_in_range(most, 0, 1);
        rgb_image_free(&theirs);
        drawing_free(&d);
    }
}

static void remove_tree(const char *folder) {
    char command[320];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    assert_int_equal(system(command), 0);
}

/* The folder's latents and image are the file's, bit for bit. */
static void test_converted(void **state) {
    (void)state;
    const char *const files[] = {SD3, SD15};
    for (int i = 0; i < 2; i++) {
        ss_error err = {0};
        notices list = {0};
        char folder[] = "/tmp/sinkscope-converted-XXXXXX";
        assert_non_null(mkdtemp(folder));
        const model_parts parts = parts_of(files[i]), none = {0};
        check(convert_single(files[i], &parts, folder, &list, NULL, NULL, &err), &err);
        drawing a = draw(files[i], &parts, 4), b = {0};
        compute *c;
        pipeline *p;
        check(compute_create(&c, "cpu", 1, (size_t)1 << 28, &err), &err);
        check(pipeline_open_parts(&p, c, folder, &none, &err), &err);
        const sample_settings s = {
            .width = 32, .height = 32, .steps = 4, .guidance = 4, .max_text_tokens = i == 0 ? 24 : 0};
        b = drawing_make(p, &s, "a red circle and 2 blue stars", 5, NULL);
        assert_memory_equal(a.latents, b.latents, (size_t)a.elements * 4 * sizeof *a.latents);
        assert_memory_equal(a.picture.rgb, b.picture.rgb, (size_t)(3 * 32 * 32));
        drawing_free(&a);
        drawing_free(&b);
        pipeline_close(p);
        compute_destroy(c);
        notices_free(&list);
        remove_tree(folder);
    }
}

/* T5 can be left out; nothing else can. */
static void test_without(void **state) {
    (void)state;
    ss_error err = {0};
    compute *c;
    pipeline *p;
    model_parts parts = parts_of(SD3);
    check(compute_create(&c, "cpu", 1, (size_t)1 << 28, &err), &err);
    parts.text_encoder[2] = "none";
    check(pipeline_open_parts(&p, c, SD3, &parts, &err), &err);
    pipeline_close(p);
    parts.text_encoder[2] = NULL; /* the file has none: said, and left out */
    check(pipeline_open_parts(&p, c, SD3, &parts, &err), &err);
    assert_int_equal(c->notices.n, 1);
    assert_non_null(strstr(c->notices.line[0], "has no T5 inside"));
    pipeline_close(p);
    parts.text_encoder[1] = "none";
    assert_int_equal(pipeline_open_parts(&p, c, SD3, &parts, &err), SS_ERR_USAGE);
    parts.text_encoder[1] = NULL;
    assert_int_equal(pipeline_open_parts(&p, c, SD3, &parts, &err), SS_ERR_INPUT);
    assert_non_null(
        strstr(err.message, "holds no text_encoder_2, as many single files do; name it by --text-encoder-2"));
    assert_int_equal(pipeline_open_parts(&p, c, sd3.folder, &parts, &err), SS_ERR_USAGE); /* a folder has its configs */
    compute_destroy(c);
}

/* ---- what is no model ---- */

typedef struct tensor_shape {
    const char *name;
    int ndim;
    int64_t shape[4];
} tensor_shape;

/* Open a file of these tensors; the error's message. */
static const char *refused(const tensor_shape *t, int n, const char *config) {
    static ss_error err;
    static char data[1 << 20];
    char path[64];
    original *o;
    checkpoint *weights = NULL;
    safetensors_output out[4];
    err = (ss_error){0};
    for (int i = 0; i < n; i++) {
        out[i] = (safetensors_output){.name = t[i].name, .dtype = CHECKPOINT_U8, .ndim = t[i].ndim, .data = data};
        memcpy(out[i].shape, t[i].shape, sizeof t[i].shape);
    }
    snprintf(path, sizeof path, "/tmp/sinkscope-single-%d.safetensors", (int)getpid());
    check(safetensors_write(path, out, n, &err), &err);
    ss_status status = original_open(&o, path, config, &err);
    if (status == SS_OK) status = original_weights(o, "transformer", &weights, &err);
    if (status == SS_OK) checkpoint_close(weights);
    original_close(o);
    remove(path);
    assert_int_equal(status, SS_ERR_INPUT);
    return err.message;
}

#define REFUSED(words, config, ...)                                                                                    \
    do {                                                                                                               \
        const tensor_shape list[] = {__VA_ARGS__};                                                                     \
        const char *found = refused(list, (int)(sizeof list / sizeof list[0]), config);                                \
        if (!strstr(found, words)) fail_msg("expected '%s', found '%s'", words, found);                                \
    } while (0)

static void test_refused(void **state) {
    (void)state;
    REFUSED("no model that is known by them, the first a", NULL, {"a", 1, {1}});
    REFUSED("is FLUX by its tensors", NULL, {"double_blocks.0.img_attn.norm.key_norm.scale", 1, {1}});
    REFUSED("is an inpainting model by its tensors", NULL,
            {"model.diffusion_model.input_blocks.0.0.weight", 2, {1, 9}});
    REFUSED("is SDXL's refiner by its tensors", NULL,
            {"conditioner.embedders.0.model.transformer.resblocks.9.mlp.c_proj.bias", 1, {1}});
    REFUSED("joint_blocks.0.x_block.attn.qkv.bias has 7 rows; expected a multiple of 3", sd3.folder,
            {"model.diffusion_model.joint_blocks.0.x_block.attn.qkv.bias", 1, {7}});
    /* state_dict is looked into, and a number with leading zeros is no number */
    REFUSED("is InstructPix2Pix", NULL, {"state_dict.model.diffusion_model.input_blocks.0.0.weight", 2, {1, 8}});
}

/* Every way of a half-downloaded file is an error of the input that says so. */
static void test_cut_short(void **state) {
    (void)state;
    static const size_t kept[] = {0, 4, 100, 20000, 299000};
    const char *const words[] = {"is empty", "begins with 8 bytes", "truncated?", "truncated?", "truncated?"};
    ss_error err = {0};
    char *bytes, path[64];
    size_t size;
    check(file_read(SD3, 1 << 20, &bytes, &size, &err), &err);
    snprintf(path, sizeof path, "/tmp/sinkscope-cut-%d.safetensors", (int)getpid());
    for (int i = 0; i < 5; i++) {
        original *o;
        check(file_write(path, bytes, kept[i], &err), &err);
        assert_int_equal(original_open(&o, path, sd3.folder, &err), SS_ERR_INPUT);
        assert_null(o);
        if (!strstr(err.message, words[i])) fail_msg("%zu bytes: %s", kept[i], err.message);
    }
    remove(path);
    free(bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pictures), cmocka_unit_test(test_converted), cmocka_unit_test(test_without),
        cmocka_unit_test(test_refused),  cmocka_unit_test(test_cut_short),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
