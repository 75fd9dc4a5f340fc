/* What a study was made of: versions, numeric classes, hashes, from the store's manifest. */
#include "report/facts.h"

#include <stdlib.h>

#include "base/array.h"
#include "base/file.h"
#include "base/notices.h"
#include "io/json.h"

enum { MANIFEST_LIMIT = 16 << 20 };

static ss_status add_entry(report_facts *f, const char *name, const char *value, ss_error *err) {
    facts_entry *grown = array_resize(f->entry, (size_t)f->n_entries + 1, sizeof *grown);
    if (!grown) return error_no_memory(err, "provenance", 1);
    f->entry = grown;
    facts_entry *e = &grown[f->n_entries++];
    *e = (facts_entry){.name = text_copy(name), .value = text_copy(value)};
    return e->name && e->value ? SS_OK : error_no_memory(err, "provenance", 1);
}

static ss_status add_versions(report_facts *f, const json_t *root, const char *path, ss_error *err) {
    json_t *versions, *value;
    const char *name;
    SS_TRY(json_get_object(root, "versions", path, &versions, err));
    json_object_foreach(versions, name, value) {
        if (json_is_string(value)) SS_TRY(add_entry(f, name, json_string_value(value), err));
    }
    return SS_OK;
}

static ss_status add_hash(report_facts *f, const char *name, const json_t *object, const char *path, ss_error *err) {
    const char *hash;
    SS_TRY(json_get_text(object, "sha256", path, &hash, err));
    return add_entry(f, name, hash, err);
}

static ss_status add_model(report_facts *f, const json_t *model, const char *path, ss_error *err) {
    const char *role, *name;
    json_t *files, *file;
    size_t i;
    SS_TRY(json_get_text(model, "role", path, &role, err));
    SS_TRY(json_get_array(model, "files", path, &files, err));
    json_array_foreach(files, i, file) {
        text label = {0};
        SS_TRY(json_get_text(file, "path", path, &name, err));
        text_addf(&label, "%s: %s", role, name);
        ss_status status =
            label.failed ? error_no_memory(err, "a file name", 1) : add_hash(f, label.s, file, path, err);
        text_free(&label);
        SS_TRY(status);
    }
    return SS_OK;
}

static ss_status add_notices(report_facts *f, const json_t *list, ss_error *err) {
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *line = json_string_value(json_array_get(list, i));
        if (line) SS_TRY(notices_add(&f->notices, err, "%s", line));
    }
    return SS_OK;
}

static ss_status add_manifest(report_facts *f, const json_t *root, const char *path, ss_error *err) {
    json_t *part, *models, *model;
    size_t i;
    SS_TRY(add_versions(f, root, path, err));
    SS_TRY(json_get_object(root, "study", path, &part, err));
    SS_TRY(add_hash(f, "study file", part, path, err));
    SS_TRY(json_get_object(root, "prompts", path, &part, err));
    SS_TRY(add_hash(f, "prompts", part, path, err));
    SS_TRY(json_get_array(root, "models", path, &models, err));
    json_array_foreach(models, i, model) SS_TRY(add_model(f, model, path, err));
    return add_notices(f, json_object_get(root, "notices"), err);
}

static ss_status add_classes(report_facts *f, const store *s, ss_error *err) {
    report_table t;
    SS_TRY(report_table_read(&t, s, "SELECT DISTINCT numeric_class FROM units ORDER BY numeric_class", err));
    ss_status status = SS_OK;
    for (int i = 0; status == SS_OK && i < t.rows; i++)
        status = add_entry(f, "numeric class", report_words(&t, i, 0), err);
    report_table_free(&t);
    return status;
}

ss_status facts_gather_provenance(report_facts *f, const store *s, ss_error *err) {
    char *path = file_join(store_folder(s), "manifest.json");
    json_t *root = NULL;
    if (!path) return error_no_memory(err, "a file name", 1);
    ss_status status = add_classes(f, s, err);
    if (status == SS_OK) status = json_read_file(path, MANIFEST_LIMIT, &root, err);
    if (status == SS_OK) status = add_manifest(f, root, path, err);
    if (status == SS_ERR_INPUT) err->code = status = SS_ERR_STORE;
    json_decref(root);
    free(path);
    return status;
}
