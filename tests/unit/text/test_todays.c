/* Token ids by the rules of transformers 5: checksums of 725 prompts (a sample of tests/generators/text_prompts.py) for
 * every form of tokenizer folder - older files, folders as they are saved today, a tokenizer.json of each type -
 * against those of transformers 5.24.0 (tests/generators/text_todays_vectors.py). `make parity` compares 10,000, id by
 * id. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "io/json.h"
#include "text/tokenizer.h"

static json_t *vectors;
static unsigned char *sums;

static uint32_t add(uint32_t hash, int32_t number) {
    for (int i = 0; i < 4; i++) hash = (hash ^ ((uint32_t)number >> 8 * i & 0xFF)) * 16777619u;
    return hash;
}

static int same(const tokenizer *t, const char *prompt, int length, const unsigned char *sum) {
    ss_error err = {0};
    tokens out;
    if (tokenizer_encode(t, prompt, length, &out, &err) != SS_OK) fail_msg("%s: %s", err.where, err.message);
    uint32_t hash = add(2166136261u, out.untruncated);
    for (int i = 0; i < out.count; i++) {
        hash = add(hash, out.at[i].id);
        assert_true(out.at[i].id < tokenizer_vocabulary_size(t));
        assert_non_null(tokenizer_piece(t, out.at[i].id));
    }
    assert_int_equal(out.count, length);
    tokens_free(&out);
    return hash == (sum[0] | (uint32_t)sum[1] << 8 | (uint32_t)sum[2] << 16 | (uint32_t)sum[3] << 24);
}

static void test_every_form(void **state) {
    const json_t *forms = json_object_get(vectors, "forms"), *prompts = json_object_get(vectors, "prompts");
    size_t n = json_array_size(prompts), bad = 0;
    (void)state;
    assert_true(json_array_size(forms) >= 25 && n >= 700);
    for (size_t k = 0; k < json_array_size(forms); k++) {
        const json_t *form = json_array_get(forms, k);
        const char *folder = json_string_value(json_object_get(form, "folder"));
        ss_error err = {0};
        tokenizer *t;
        char path[512];
        snprintf(path, sizeof path, DATA "/%s", folder);
        if (tokenizer_open(&t, path, json_string_value(json_object_get(form, "class")), TOKENIZER_TRANSFORMERS_5,
                           &err) != SS_OK)
            fail_msg("%s: %s", err.where, err.message);
        for (size_t i = 0; i < n; i++) {
            if (same(t, json_string_value(json_array_get(prompts, i)),
                     (int)json_integer_value(json_object_get(form, "length")), sums + 4 * (k * n + i)))
                continue;
            if (bad++ < 10) print_error("%s: other ids for prompt %zu of todays.json\n", folder, i);
        }
        tokenizer_close(t);
    }
    if (bad) fail_msg("%zu prompts have other ids", bad);
}

static int read_vectors(void **state) {
    ss_error err = {0};
    size_t size;
    (void)state;
    if (json_read_file(DATA "/todays.json", 16 << 20, &vectors, &err) != SS_OK) return -1;
    if (file_read(DATA "/todays-ids.bin", 16 << 20, (char **)&sums, &size, &err) != SS_OK) return -1;
    return size == 4 * json_array_size(json_object_get(vectors, "forms")) *
                       json_array_size(json_object_get(vectors, "prompts"))
               ? 0
               : -1;
}

static int drop_vectors(void **state) {
    (void)state;
    json_decref(vectors);
    free(sums);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_form)};
    return cmocka_run_group_tests(tests, read_vectors, drop_vectors);
}
