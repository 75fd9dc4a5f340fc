/* Encoded texts in a folder: the bits are those of the encoders, each text is encoded once, a broken file is as good as
 * none, and whoever finds all texts there needs no encoder. On tiny models of all kinds.
 * DATA: tests/data. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "sampler/pipeline_parts.h"
#include "support/tiny_model.h"
#include "support/resolved.h"

enum { KINDS = 3 };
static const char *const KIND[KINDS] = {"tiny-sd3", "tiny-sdxl", "tiny-sd15" /* without pooled text */};
static char model_folder[KINDS][64], text_path[128];

static void check(ss_status status, const ss_error *err) {
    if (status != SS_OK) fail_msg("%s: %s", err->where, err->message);
}

static int set_up(void **state) {
    (void)state;
    ss_error err = {0};
    for (int i = 0; i < KINDS; i++) {
        strcpy(model_folder[i], "/tmp/sinkscope-texts-XXXXXX");
        if (!mkdtemp(model_folder[i])) return -1;
        if (tiny_model_make(DATA, KIND[i], model_folder[i], &err) != SS_OK) return -1;
    }
    snprintf(text_path, sizeof text_path, "%s-text/below", model_folder[0]);
    return 0;
}

/* The files of the text folder: how many; the first one's path; removed where asked. */
static int files(char *first, size_t size, int remove_them) {
    DIR *d = opendir(text_path);
    int n = 0;
    for (struct dirent *e; d && (e = readdir(d));) {
        char path[512];
        if (e->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/%.200s", text_path, e->d_name);
        if (n++ == 0 && first) snprintf(first, size, "%s", path);
        if (remove_them) remove(path);
    }
    if (d) closedir(d);
    return n;
}

static int tear_down(void **state) {
    (void)state;
    char above[128];
    files(NULL, 0, 1);
    rmdir(text_path);
    snprintf(above, sizeof above, "%s-text", model_folder[0]);
    rmdir(above);
    for (int i = 0; i < KINDS; i++) tiny_model_remove(model_folder[i]);
    return 0;
}

typedef struct opened {
    compute *c;
    pipeline *p;
    resolved_settings s, plain; /* with guidance, without */
} opened;

static opened open_model(int kind) {
    ss_error err = {0};
    opened o;
    check(compute_create(&o.c, "cpu", 2, (size_t)1 << 30, &err), &err);
    check(pipeline_open(&o.p, o.c, model_folder[kind], NULL, &err), &err);
    o.s = resolved(o.p, &(sample_settings){.negative = "grey", .guidance = 3});
    o.plain = resolved(o.p, &(sample_settings){.guidance = 1});
    return o;
}

static void close_model(opened *o) {
    pipeline_close(o->p);
    compute_destroy(o->c);
}

static void expect_equal(const embedding *a, const embedding *b) {
    assert_int_equal(a->branches, b->branches);
    assert_int_equal(a->n_text, b->n_text);
    assert_memory_equal(a->states, b->states, sizeof(float) * (size_t)(a->branches * a->n_text) * (size_t)a->width);
    assert_memory_equal(a->pooled, b->pooled, sizeof(float) * (size_t)(a->branches * a->pooled_width));
    assert_memory_equal(a->key_class, b->key_class, (size_t)(a->branches * a->n_keys));
    for (int key = 0; key < embedding_keys(a); key++)
        assert_string_equal(embedding_key_word(a, BRANCH_COND, key), embedding_key_word(b, BRANCH_COND, key));
}

static void count_told(void *user, int64_t done, int64_t total) {
    int64_t *told = user;
    told[0]++;
    told[1] = done;
    told[2] = total;
}

enum { PROMPTS = 20 }; /* more than a batch */

static void make_orders(const opened *o, char prompt[PROMPTS][32], text_order order[2 * PROMPTS]) {
    for (int i = 0; i < PROMPTS; i++) {
        snprintf(prompt[i], 32, "%d red circles", i);
        order[i] = (text_order){prompt[i], i % 3 ? &o->s : &o->plain, 0};
        order[PROMPTS + i] = order[i]; /* nothing twice */
    }
}

static void test_folder(void **state) {
    (void)state;
    for (int kind = 0; kind < KINDS; kind++) {
        ss_error err = {0};
        char prompt[PROMPTS][32];
        text_order order[2 * PROMPTS];
        const text_folder folder = {text_path, "encoders of this test"};
        int64_t told[3] = {0};
        opened o = open_model(kind);
        files(NULL, 0, 1);
        make_orders(&o, prompt, order);
        check(pipeline_encode_into(o.p, &folder, order, 2 * PROMPTS, count_told, told, &err), &err);
        assert_int_equal(files(NULL, 0, 0), PROMPTS + 1); /* and the negative prompt */
        assert_int_equal(told[0], 2);
        assert_int_equal(told[1], PROMPTS + 1);
        assert_int_equal(told[2], PROMPTS + 1);
        assert_int_equal(o.c->packed_bytes, 0);
        for (int i = 0; i < PROMPTS; i++) {
            embedding *e, *expected;
            double before = o.c->flops;
            check(pipeline_encode_from(o.p, &folder, &order[i], &e, &err), &err);
            assert_true(o.c->flops == before); /* no encoder has run */
            check(pipeline_encode(o.p, order[i].settings, order[i].prompt, &expected, &err), &err);
            expect_equal(e, expected);
            embedding_free(e);
            embedding_free(expected);
        }
        close_model(&o);
        /* Whoever comes later needs no encoder either. */
        o = open_model(kind);
        make_orders(&o, prompt, order);
        check(pipeline_encode_into(o.p, &folder, order, 2 * PROMPTS, count_told, told, &err), &err);
        assert_int_equal(told[0], 2);
        assert_int_equal(o.c->packed_peak, 0);
        assert_true(o.c->flops == 0);
        close_model(&o);
    }
}

static void spoil(const char *path, long at, int length) {
    char *data;
    size_t size;
    ss_error err = {0};
    check(file_read(path, 1 << 20, &data, &size, &err), &err);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    if (at >= 0) data[at] ^= 1;
    fwrite(data, 1, length < 0 ? size + (size_t)length : size, f);
    if (length > 0) fputc('x', f);
    fclose(f);
    free(data);
}

/* A bit of the header, of the key, of the values, of the checksum; a file that is short, long, empty or another text's:
 * all are made again, by both ways of asking. */
static void test_broken(void **state) {
    (void)state;
    ss_error err = {0};
    char first[512];
    opened o = open_model(0);
    const text_folder folder = {text_path, "broken"};
    const text_order order = {"a red circle", &o.plain, 0}, other = {"a blue star", &o.plain, 0};
    embedding *expected;
    check(pipeline_encode(o.p, &o.plain, order.prompt, &expected, &err), &err);
    files(NULL, 0, 1);
    for (int damage = 0; damage < 9; damage++) {
        static const long at[] = {9, 30, 120, -1, -1, -1, -1};
        embedding *e;
        sha256_hex was, is;
        check(pipeline_encode_into(o.p, &folder, &order, 1, NULL, NULL, &err), &err);
        assert_int_equal(files(first, sizeof first, 0), 1);
        check(file_hash(first, was, &err), &err);
        if (damage < 3) spoil(first, at[damage], 0);
        else if (damage == 3) spoil(first, -1, -1);
        else if (damage == 4) spoil(first, -1, 1);
        else if (damage == 5) assert_int_equal(truncate(first, 0), 0);
        else if (damage == 6) assert_int_equal(remove(first), 0);
        else if (damage == 7) { /* whole, but of another text */ char kept[560];
            snprintf(kept, sizeof kept, "%s.kept", text_path);
            assert_int_equal(rename(first, kept), 0);
            check(pipeline_encode_into(o.p, &folder, &other, 1, NULL, NULL, &err), &err);
            char wrong[512];
            assert_int_equal(files(wrong, sizeof wrong, 0), 1);
            assert_int_equal(rename(wrong, first), 0);
            assert_int_equal(remove(kept), 0);
        } else continue; /* nothing broken */
        double before = o.c->flops;
        if (damage % 2) check(pipeline_encode_into(o.p, &folder, &order, 1, NULL, NULL, &err), &err);
        check(pipeline_encode_from(o.p, &folder, &order, &e, &err), &err);
        assert_true(o.c->flops > before);
        expect_equal(e, expected);
        embedding_free(e);
        check(file_hash(first, is, &err), &err);
        assert_string_equal(is, was);
    }
    embedding_free(expected);
    close_model(&o);
}

/* Each thing that decides bits makes another file. */
static void test_names(void **state) {
    (void)state;
    ss_error err = {0};
    opened o = open_model(0);
    resolved_settings longer = o.plain;
    longer.max_text_tokens++;
    const text_folder folder = {text_path, "one"}, another = {text_path, "two"};
    const text_order orders[] = {{"a", &o.plain, 0}, {"a", &o.plain, 1}, {"b", &o.plain, 0}, {"a", &longer, 0}};
    files(NULL, 0, 1);
    check(pipeline_encode_into(o.p, &folder, orders, 4, NULL, NULL, &err), &err);
    assert_int_equal(files(NULL, 0, 0), 4);
    check(pipeline_encode_into(o.p, &another, orders, 1, NULL, NULL, &err), &err);
    assert_int_equal(files(NULL, 0, 0), 5);
    close_model(&o);
}

static void test_refused(void **state) {
    (void)state;
    ss_error err = {0};
    opened o = open_model(0);
    char blocked[160];
    snprintf(blocked, sizeof blocked, "%s/model_index.json/x", model_folder[0]);
    const text_folder folder = {blocked, ""};
    const text_order order = {"a", &o.plain, 0};
    embedding *e;
    assert_int_equal(pipeline_encode_into(o.p, &folder, &order, 1, NULL, NULL, &err), SS_ERR_RESOURCE);
    assert_string_equal(err.message, "exists and is not a folder");
    assert_int_equal(pipeline_encode_from(o.p, &folder, &order, &e, &err), SS_ERR_RESOURCE);
    assert_null(e);
    volatile sig_atomic_t stop = 1;
    const text_folder good = {text_path, "interrupted"};
    o.c->stop = &stop;
    assert_int_equal(pipeline_encode_into(o.p, &good, &order, 1, NULL, NULL, &err), SS_ERR_INTERRUPTED);
    assert_int_equal(o.c->packed_bytes, 0);
    close_model(&o);
}

/* Many at once are each by itself. */
static void test_many(void **state) {
    (void)state;
    for (int kind = 0; kind < KINDS; kind++) {
        static const char *const prompts[] = {"a red circle", "", "two green squares and a star"};
        ss_error err = {0};
        opened o = open_model(kind);
        const resolved_settings silent = resolved(o.p, &(sample_settings){.guidance = 3});
        const resolved_settings *const settings[] = {&o.s, &o.plain, &silent};
        for (int i = 0; i < 3; i++) {
            embedding *e[3], *expected;
            check(pipeline_encode_many(o.p, settings[i], prompts, 3, e, &err), &err);
            for (int j = 0; j < 3; j++) {
                check(pipeline_encode(o.p, settings[i], prompts[j], &expected, &err), &err);
                expect_equal(e[j], expected);
                embedding_free(expected);
                embedding_free(e[j]);
            }
        }
        close_model(&o);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_folder), cmocka_unit_test(test_broken),
                                       cmocka_unit_test(test_names), cmocka_unit_test(test_refused),
                                       cmocka_unit_test(test_many)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
