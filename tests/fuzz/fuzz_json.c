/* A JSON config and the typed getters over it. */
#include "io/json.h"
#include "tests/fuzz/fuzz.h"

static void get_all(const json_t *tree, const char *name) {
    ss_error err = {0};
    int64_t i, list[8];
    double d;
    int b, n = 0;
    const char *s;
    json_t *t;
    json_get_int(tree, name, "f", &i, &err);
    json_get_int_or(tree, name, "f", 1, &i, &err);
    json_get_double_or(tree, name, "f", 1, &d, &err);
    json_get_bool_or(tree, name, "f", 1, &b, &err);
    if (json_get_text(tree, name, "f", &s, &err) == SS_OK) FUZZ_CHECK(s != NULL);
    if (json_get_object(tree, name, "f", &t, &err) == SS_OK) FUZZ_CHECK(json_is_object(t));
    if (json_get_array(tree, name, "f", &t, &err) == SS_OK) FUZZ_CHECK(json_is_array(t));
    if (json_get_ints(tree, name, "f", list, 8, &n, &err) == SS_OK) FUZZ_CHECK(n >= 0 && n <= 8);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    ss_error err = {0};
    json_t *tree, *value;
    const char *name;
    if (json_read_bytes(data, size, "config.json", &tree, &err) != SS_OK) {
        FUZZ_CHECK(tree == NULL && err.message[0]);
        return 0;
    }
    json_object_foreach(tree, name, value) get_all(tree, name);
    get_all(tree, "num_layers");
    json_decref(tree);
    return 0;
}
