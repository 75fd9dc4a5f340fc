/* Which file of a component folder counts: as diffusers' and transformers' own loaders have it, on every combination of
 * candidates (tests/data/io/which-file.txt, made by tests/generators/io_which_file.py). Each file holds another number.
 */
#define _XOPEN_SOURCE 700 /* symlink */
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
#include "base/folder.h"
#include "io/safetensors.h"
#include "../../support/folder.h"
#include "tests/support/values.h"

enum { NAME = 128, FILES = 8 };

/* "model@.safetensors" with its variant. */
static void full_name(const char *pattern, const char *variant, char out[NAME]) {
    const char *at = strchr(pattern, '@');
    if (!at) snprintf(out, NAME, "%s", pattern);
    else
        snprintf(out, NAME, "%.*s%s%s%s", (int)(at - pattern), pattern, *variant == '-' ? "" : ".",
                 *variant == '-' ? "" : variant, at + 1);
}

static char component[128];

static const char *in_component(const char *name) {
    static char path[400];
    snprintf(path, sizeof path, "%s/%s", component, name);
    return path;
}

static void empty_component(void) {
    ss_error err;
    folder_names names = {0};
    snprintf(component, sizeof component, "%s/component", folder);
    assert_int_equal(file_make_folder(component, &err), SS_OK);
    assert_int_equal(folder_list(component, &names, &err), SS_OK);
    for (int i = 0; i < names.n; i++) assert_int_equal(remove(in_component(names.at[i])), 0);
    folder_names_free(&names);
}

static void write_number(const char *name, float number) {
    ss_error err;
    const safetensors_output w = {"w", CHECKPOINT_F32, 1, {1}, &number};
    assert_int_equal(safetensors_write(in_component(name), &w, 1, &err), SS_OK);
}

static void write_index(const char *name, const char *shard) {
    ss_error err;
    char json[300];
    int n = snprintf(json, sizeof json, "{\"metadata\":{\"total_size\":4},\"weight_map\":{\"w\":\"%s\"}}", shard);
    assert_int_equal(file_write(in_component(name), json, (size_t)n, &err), SS_OK);
}

/* One candidate: a file that holds `number`, or an index and its shard, which a '!' leaves out. */
static void write_candidate(const char *pattern, const char *variant, float number) {
    char bare[NAME], name[NAME], shard[2 * NAME];
    size_t n = strlen(pattern);
    const int shard_missing = pattern[n - 1] == '!';
    snprintf(bare, sizeof bare, "%.*s", (int)n - shard_missing, pattern);
    full_name(bare, variant, name);
    if (!strstr(name, ".json")) {
        write_number(name, number);
        return;
    }
    snprintf(shard, sizeof shard, "%.*s-00001-of-00001%s", (int)strcspn(name, "."), name,
             strstr(name, ".bin.") ? ".bin" : ".safetensors");
    write_index(name, shard);
    if (!shard_missing) write_number(shard, number);
}

/* diffusers reads an index of .bin with use_safetensors=False alone; here it is read where there is nothing else. */
static int only_bin_index(const char *files) { return strcmp(files, "diffusion_pytorch_model.bin.index@.json") == 0; }

static void run_case(const char *library, const char *variant, char *files, const char *taken) {
    ss_error err = {0};
    checkpoint *st;
    char line[512], *list[FILES];
    int n = 0, expected = -1;
    empty_component();
    snprintf(line, sizeof line, "%s %s %s", library, variant, files);
    if (only_bin_index(files)) taken = files;
    for (char *rest = NULL, *f = strtok_r(strdup(files), ",", &rest); f; f = strtok_r(NULL, ",", &rest)) list[n++] = f;
    for (int i = 0; i < n; i++) {
        write_candidate(list[i], variant, (float)(i + 1));
        if (strcmp(list[i], taken) == 0) expected = i;
    }
    ss_status status = checkpoint_open_folder(
        &st, component, strcmp(library, "diffusers") == 0 ? CHECKPOINT_DIFFUSERS : CHECKPOINT_TRANSFORMERS,
        *variant == '-' ? NULL : variant, &err);
    if (strcmp(taken, "error") == 0) {
        if (status != SS_ERR_INPUT) fail_msg("%s: expected an error, opened %s", line, checkpoint_path(st));
        if (!strstr(err.message, "which is not there") && !strstr(err.message, "has no weights"))
            fail_msg("%s: %s", line, err.message);
    } else {
        if (status != SS_OK) fail_msg("%s: %s: %s", line, err.where, err.message);
        const float *w = values_of(checkpoint_find(st, "w"));
        if ((int)*w != expected + 1) fail_msg("%s: expected %s, opened %s", line, taken, checkpoint_path(st));
        checkpoint_close(st);
    }
    free(list[0]);
}

/* Whether a component has the variant. */
static void run_variant(const char *name, const char *expected) {
    ss_error err = {0};
    int has;
    empty_component();
    write_number(name, 1);
    assert_int_equal(checkpoint_folder_has_variant(component, "fp16", &has, &err), SS_OK);
    if (has != (strcmp(expected, "yes") == 0)) fail_msg("variant %s: expected %s", name, expected);
}

static void test_against_loaders(void **state) {
    (void)state;
    ss_error err = {0};
    char *all;
    size_t size;
    int cases = 0;
    assert_int_equal(file_read(DATA "/which-file.txt", 1 << 20, &all, &size, &err), SS_OK);
    for (char *rest = NULL, *line = strtok_r(all, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest), cases++) {
        char a[32], b[64], c[400], d[NAME];
        int n = sscanf(line, "%31s %63s %399s %127s", a, b, c, d);
        if (n == 3) run_variant(b, c);
        else if (n == 4) run_case(a, b, c, d);
        else fail_msg("%s", line);
    }
    assert_true(cases > 150);
    free(all);
}

/* A snapshot of huggingface_hub's cache: links into blobs. A missing blob is an error. */
static void test_links_into_blobs(void **state) {
    (void)state;
    ss_error err = {0};
    checkpoint *st;
    empty_component();
    write_number("blob", 7);
    assert_int_equal(rename(in_component("blob"), folder_at("blob-1")), 0);
    assert_int_equal(symlink("../blob-1", in_component("model-00001-of-00001.safetensors")), 0);
    write_index("model.safetensors.index.json", "model-00001-of-00001.safetensors");
    assert_int_equal(symlink("../blob-2", in_component("model.safetensors")), 0); /* leads nowhere */
    assert_int_equal(checkpoint_open_folder(&st, component, CHECKPOINT_TRANSFORMERS, NULL, &err), SS_OK);
    assert_true(*(const float *)values_of(checkpoint_find(st, "w")) == 7);
    assert_string_equal(checkpoint_file_path(st, 0), in_component("model-00001-of-00001.safetensors"));
    checkpoint_close(st);
    assert_int_equal(remove(folder_at("blob-1")), 0);
    assert_int_equal(checkpoint_open_folder(&st, component, CHECKPOINT_TRANSFORMERS, NULL, &err), SS_ERR_INPUT);
    assert_string_equal(err.where, in_component("model.safetensors.index.json"));
    assert_non_null(strstr(err.message, "names model-00001-of-00001.safetensors, which is not there: the download"));
    assert_int_equal(remove(in_component("model.safetensors.index.json")), 0);
    assert_int_equal(checkpoint_open_folder(&st, component, CHECKPOINT_TRANSFORMERS, NULL, &err), SS_ERR_INPUT);
    assert_non_null(
        strstr(err.message, "model.safetensors (a link to a file that is not there): the download did not end"));
}

static void test_nothing_to_open(void **state) {
    (void)state;
    ss_error err = {0};
    checkpoint *st;
    empty_component();
    assert_int_equal(checkpoint_open_folder(&st, component, CHECKPOINT_DIFFUSERS, "fp16", &err), SS_ERR_INPUT);
    assert_string_equal(err.where, component);
    assert_string_equal(err.message, "has no weights; looked for diffusion_pytorch_model.safetensors.index.fp16.json, "
                                     "diffusion_pytorch_model.fp16.safetensors, diffusion_pytorch_model.fp16.bin, "
                                     "diffusion_pytorch_model.bin.index.fp16.json");
    write_number("diffusion_pytorch_model.safetensors", 1);
    assert_int_equal(checkpoint_open_folder(&st, component, CHECKPOINT_DIFFUSERS, "fp16", &err), SS_ERR_INPUT);
    assert_non_null(strstr(err.message, "; found diffusion_pytorch_model.safetensors: nothing of variant fp16"));
    assert_int_equal(checkpoint_open_folder(&st, component, CHECKPOINT_TRANSFORMERS, NULL, &err), SS_ERR_INPUT);
    assert_non_null(strstr(err.message,
                           "looked for model.safetensors, model.safetensors.index.json, pytorch_model.bin, "
                           "pytorch_model.bin.index.json; found diffusion_pytorch_model.safetensors"));
    assert_int_equal(checkpoint_open_folder(&st, component, CHECKPOINT_ANY, NULL, &err), SS_OK);
    checkpoint_close(st);
    empty_component();
    write_number("model.fp16.safetensors", 1);
    assert_int_equal(checkpoint_open_folder(&st, component, CHECKPOINT_TRANSFORMERS, NULL, &err), SS_ERR_INPUT);
    assert_non_null(strstr(err.message, "found model.fp16.safetensors: another variant or format (--variant NAME"));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_against_loaders), cmocka_unit_test(test_links_into_blobs),
                                       cmocka_unit_test(test_nothing_to_open)};
    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
