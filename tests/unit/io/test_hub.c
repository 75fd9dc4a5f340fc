/* Names of repositories on the Hugging Face hub and their places in its cache. What huggingface_hub itself finds in the
 * same caches: tests/parity/hub_cache.py. */
#define _XOPEN_SOURCE 700 /* setenv */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "io/hub.h"
#include "../../support/folder.h"

static void test_names(void **state) {
    (void)state;
    static const struct {
        const char *s, *owner, *name, *revision, *file; /* owner NULL: no name */
    } cases[] = {
        {"stabilityai/stable-diffusion-3-medium-diffusers", "stabilityai", "stable-diffusion-3-medium-diffusers", "",
         ""},
        {"a/b.c_d@v1.0", "a", "b.c_d", "v1.0", ""},
        {"a/b@refs/pr/12/x/y.safetensors", "a", "b", "refs/pr/12", "x/y.safetensors"},
        {"a/b@main/vae", "a", "b", "main", "vae"},
        {"a/b/c/d.safetensors", "a", "b", "", "c/d.safetensors"},
        {"gpt2", NULL, NULL, NULL, NULL},
        {"/a/b", NULL, NULL, NULL, NULL},
        {"./a", NULL, NULL, NULL, NULL},
        {"../a", NULL, NULL, NULL, NULL},
        {"a/..", NULL, NULL, NULL, NULL},
        {"a/b/../c", NULL, NULL, NULL, NULL},
        {"a--b/c", NULL, NULL, NULL, NULL},
        {"a/b..c", NULL, NULL, NULL, NULL},
        {"a/b c", NULL, NULL, NULL, NULL},
        {"a/b@", NULL, NULL, NULL, NULL},
        {"a/b@../x", NULL, NULL, NULL, NULL},
        {"models/shapes-sd3", NULL, NULL, NULL, NULL},
        {"a/", NULL, NULL, NULL, NULL},
        {"", NULL, NULL, NULL, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        hub_name n;
        char found[200];
        const int is = hub_read_name(cases[i].s, &n);
        if (is != (cases[i].owner != NULL)) fail_msg("%s: %d", cases[i].s, is);
        if (!is) continue;
        snprintf(found, sizeof found, "%.*s|%.*s|%.*s|%s", n.owner_length, n.owner, n.name_length, n.name,
                 n.revision_length, n.revision ? n.revision : "", n.file);
        char expected[200];
        snprintf(expected, sizeof expected, "%s|%s|%s|%s", cases[i].owner, cases[i].name, cases[i].revision,
                 cases[i].file);
        assert_string_equal(found, expected);
    }
}

static void clear_environment(void) {
    static const char *const names[] = {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) unsetenv(names[i]);
    setenv("HOME", "/home/me", 1);
}

static void test_cache_folder(void **state) {
    (void)state;
    static const struct {
        const char *variable, *value, *expected;
    } cases[] = {/* each over those before it */
                 {"HOME", "/home/me", "/home/me/.cache/huggingface/hub"},
                 {"XDG_CACHE_HOME", "/x", "/x/huggingface/hub"},
                 {"HF_HOME", "~/hf", "/home/me/hf/hub"},
                 {"HUGGINGFACE_HUB_CACHE", "$HOME/old", "/home/me/old"},
                 {"HF_HUB_CACHE", "${HOME}x/$UNSET_HERE/~", "/home/mex/$UNSET_HERE/~"},
                 {"HF_HUB_CACHE", "", "/home/me/old"}};
    clear_environment();
    unsetenv("UNSET_HERE");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        text found = {0};
        setenv(cases[i].variable, cases[i].value, 1);
        hub_add_cache(&found);
        assert_string_equal(found.s, cases[i].expected);
        text_free(&found);
    }
}

static void put(const char *name, const char *bytes) {
    ss_error err;
    char path[300];
    snprintf(path, sizeof path, "%s", folder_at(name));
    char *slash = strrchr(path, '/');
    *slash = '\0';
    assert_int_equal(file_make_folder(path, &err), SS_OK);
    *slash = '/';
    assert_int_equal(file_write(path, bytes, strlen(bytes), &err), SS_OK);
}

static void expect(const char *name, const char *place) {
    ss_error err = {0};
    char *found;
    ss_status status = hub_locate(name, NULL, &found, &err);
    if (!place) {
        assert_int_equal(status, SS_ERR_INPUT);
        assert_null(found);
        return;
    }
    if (status != SS_OK) fail_msg("%s: %s", name, err.message);
    assert_string_equal(found, folder_at(place));
    free(found);
}

static void test_find(void **state) {
    (void)state;
    ss_error err = {0};
    char *found;
    clear_environment();
    setenv("HF_HUB_CACHE", folder, 1);
    put("models--a--b/snapshots/1111/model_index.json", "{}");
    expect("a/b", "models--a--b/snapshots/1111"); /* the only one */
    put("models--a--b/snapshots/2222/model_index.json", "{}");
    expect("a/b", NULL);
    put("models--a--b/refs/main", "2222\n");
    put("models--a--b/refs/refs/pr/3", "1111");
    put("models--a--b/refs/v1", "3333");
    put("models--a--b/refs/bad", "../../x");
    expect("a/b", "models--a--b/snapshots/2222");
    expect("a/b@1111", "models--a--b/snapshots/1111");
    expect("a/b@refs/pr/3", "models--a--b/snapshots/1111");
    expect("a/b@v1", NULL); /* its snapshot is gone */
    expect("a/b@bad", NULL);
    expect("a/b/model_index.json", "models--a--b/snapshots/2222/model_index.json");
    expect("a/b@1111/model_index.json", "models--a--b/snapshots/1111/model_index.json");
    expect("a/b/nothing.safetensors", NULL);
    /* a repository's own folder, with and without a slash behind; a snapshot; what is no repository */
    expect(folder_at("models--a--b"), "models--a--b/snapshots/2222");
    expect(folder_at("models--a--b/"), "models--a--b/snapshots/2222");
    expect(folder_at("models--a--b/snapshots/1111"), "models--a--b/snapshots/1111");
    expect(folder_at("models--a--b/refs"), "models--a--b/refs");
    put("models--c--d/refs/main", "4444");
    assert_int_equal(hub_locate(folder_at("models--c--d"), NULL, &found, &err), SS_ERR_INPUT);
    assert_non_null(strstr(err.message, "is a repository in the cache of Hugging Face; expected refs/main"));
}

static void test_miss(void **state) {
    (void)state;
    ss_error err = {0};
    char *found, expected[400];
    clear_environment();
    setenv("HF_HOME", "/nowhere/hf", 1);
    assert_int_equal(hub_locate("stabilityai/sd3@v2", "in /data", &found, &err), SS_ERR_INPUT);
    snprintf(
        expected, sizeof expected,
        "is no file or folder here, nor in /data, and not in the cache of Hugging Face; nothing is downloaded. If it "
        "is a model on the hub, get it:\n    hf download stabilityai/sd3 --revision v2\n  it is then found as "
        "/nowhere/hf/hub/models--stabilityai--sd3/snapshots/v2");
    assert_string_equal(err.message, expected);
    assert_int_equal(hub_locate("a/b/c.safetensors", NULL, &found, &err), SS_ERR_INPUT);
    assert_non_null(strstr(err.message, "hf download a/b c.safetensors\n  it is then found as "
                                        "/nowhere/hf/hub/models--a--b/snapshots/*/c.safetensors"));
    assert_int_equal(hub_locate("no such thing", "in /data", &found, &err), SS_ERR_INPUT);
    assert_string_equal(err.message, "is not there, nor in /data; expected a file or folder");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_names), cmocka_unit_test(test_cache_folder),
                                       cmocka_unit_test(test_find), cmocka_unit_test(test_miss)};
    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
