/* A study file: the tree, and an error pointed at every node of it. */
#include <string.h>

#include "io/yaml.h"
#include "tests/fuzz/fuzz.h"

static int visit(const yaml_file *f, const yaml_node *node, int budget) {
    ss_error err;
    FUZZ_CHECK(node->line >= 1 && node->column >= 1);
    if (budget <= 0) return 0;
    yaml_error(f, node, "hint", &err, "an error at %s", yaml_kind_name(node));
    FUZZ_CHECK(strlen(err.message) < sizeof err.message && strlen(err.where) < sizeof err.where);
    yaml_point(f, node, &err);
    FUZZ_CHECK((node->kind == YAML_SCALAR) == (node->text != NULL));
    int children = node->kind == YAML_MAPPING ? 2 * node->count : node->count;
    for (int i = 0; i < children; i++) budget = visit(f, &node->items[i], budget - 1);
    for (int i = 0; node->kind == YAML_MAPPING && i < node->count && i < 8; i++)
        FUZZ_CHECK(yaml_find(node, yaml_key(node, i)->text) == yaml_value(node, i));
    return budget;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    ss_error err = {0};
    yaml_file *f;
    if (yaml_read_bytes((const char *)data, size, "study.yaml", &f, &err) != SS_OK) {
        FUZZ_CHECK(f == NULL && err.message[0]);
        return 0;
    }
    visit(f, yaml_root(f), 64);
    yaml_close(f);
    return 0;
}
