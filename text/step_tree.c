/* See step_tree.h. */
#include "text/step_tree.h"

#include <string.h>

enum { MAX_DEPTH = 16 };

static ss_status walk(const step_part *part, const json_t *tree, const char *where, int depth, step_visit *visit,
                      void *user, ss_error *err) {
    const char *type;
    json_t *list;
    SS_TRY(json_get_text(tree, "type", where, &type, err));
    if (strcmp(type, "Sequence") != 0) return visit(user, type, tree, where, err);
    if (depth > MAX_DEPTH) return error_set(err, SS_ERR_INPUT, where, "nests %ss too deeply", part->name);
    SS_TRY(json_get_array(tree, part->list, where, &list, err));
    for (size_t i = 0; i < json_array_size(list); i++)
        SS_TRY(walk(part, json_array_get(list, i), where, depth + 1, visit, user, err));
    return SS_OK;
}

ss_status step_tree_walk(const step_part *part, const json_t *tree, const char *where, step_visit *visit, void *user,
                         ss_error *err) {
    return !tree || json_is_null(tree) ? SS_OK : walk(part, tree, where, 0, visit, user, err);
}

ss_status step_tree_unknown(const step_part *part, const char *type, const char *where, ss_error *err) {
    return error_set(err, SS_ERR_INPUT, where, "has a %s of the type '%s', which is not known", part->name, type);
}
