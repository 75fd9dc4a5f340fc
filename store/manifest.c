/* manifest.json: what a run was made of. The hashes of model files are computed once and reused while device, inode,
 * size and time of change are the same. */
#define _XOPEN_SOURCE 700 /* struct stat's st_mtim */
#include "store/internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/array.h"
#include "base/file.h"
#include "io/content.h"
#include "io/json.h"
#include "base/folder.h"
#include "base/version.h"

enum { MANIFEST_LIMIT = 16 << 20, FOLDER_DEPTH = 8 };

/* ---- files of a model folder, sorted ---- */

typedef struct file_list {
    int n;
    size_t capacity;
    char **path; /* relative to the folder */
} file_list;

static void list_free(file_list *l) {
    for (int i = 0; i < l->n; i++) free(l->path[i]);
    free(l->path);
}

static int compare_paths(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static ss_status list_add(file_list *l, char *path, ss_error *err) {
    ss_status status = ARRAY_ROOM(l->path, l->capacity, l->n + 1, "a list of files", err);
    if (status != SS_OK) {
        free(path);
        return status;
    }
    l->path[l->n++] = path;
    return SS_OK;
}

static ss_status list_folder(const char *root, const char *below, int depth, file_list *l, ss_error *err) {
    char *folder = *below ? file_join(root, below) : text_copy(root);
    folder_names names = {0};
    ss_status status = folder ? folder_list(folder, &names, err) : error_no_memory(err, "a file name", 1);
    for (int i = 0; status == SS_OK && i < names.n; i++) {
        char *relative = *below ? file_join(below, names.at[i]) : text_copy(names.at[i]);
        char *full = relative ? file_join(root, relative) : NULL;
        if (!full) status = error_no_memory(err, "a file name", 1);
        else if (file_is_folder(full) && depth > 0) status = list_folder(root, relative, depth - 1, l, err);
        else if (file_exists(full)) {
            status = list_add(l, relative, err);
            relative = NULL;
        }
        free(relative);
        free(full);
    }
    folder_names_free(&names);
    free(folder);
    return status;
}

/* ---- writing ---- */

static void set(json_t *o, const char *key, json_t *value) { json_object_set_new(o, key, value); }
static json_t *text_or_null(const char *s) { return s ? json_string(s) : json_null(); }

static ss_status describe_file(const char *path, const char *name, json_t **out, ss_error *err) {
    struct stat st;
    sha256_hex hash;
    if (stat(path, &st) != 0) return error_set_errno(err, SS_ERR_INPUT, path, "cannot be read");
    SS_TRY(file_hash(path, hash, err));
    json_t *o = json_object();
    set(o, "path", json_string(name));
    set(o, "sha256", json_string(hash));
    set(o, "size", json_integer(st.st_size));
    set(o, "device", json_integer((json_int_t)st.st_dev));
    set(o, "inode", json_integer((json_int_t)st.st_ino));
    set(o, "mtime", json_integer(st.st_mtim.tv_sec));
    set(o, "mtime_ns", json_integer(st.st_mtim.tv_nsec));
    *out = o;
    return SS_OK;
}

/* One file, as a folder that holds no other. */
static ss_status describe_single(const char *role, const char *path, json_t *models, ss_error *err) {
    const char *name = strrchr(path, '/');
    json_t *file = NULL;
    SS_TRY(describe_file(path, name ? name + 1 : path, &file, err));
    json_array_append_new(models, json_pack("{s:s, s:s%, s:[o]}", "role", role, "folder", name ? path : ".",
                                            name ? (size_t)(name - path) : 1, "files", file));
    if (strcmp(role, "model") == 0) /* whose files count by their place in the folder */
        set(json_array_get(models, json_array_size(models) - 1), "single", json_true());
    return SS_OK;
}

static ss_status describe_folder(const char *role, const char *folder, json_t *models, ss_error *err) {
    struct stat st;
    file_list l = {0};
    if (stat(folder, &st) == 0 && S_ISREG(st.st_mode)) return describe_single(role, folder, models, err);
    json_t *files = json_array(), *o = json_object();
    set(o, "role", json_string(role));
    set(o, "folder", json_string(folder));
    ss_status status = list_folder(folder, "", FOLDER_DEPTH, &l, err);
    if (l.n > 0) qsort(l.path, (size_t)l.n, sizeof *l.path, compare_paths);
    for (int i = 0; status == SS_OK && i < l.n; i++) {
        json_t *file = NULL;
        char *path = file_join(folder, l.path[i]);
        status = path ? describe_file(path, l.path[i], &file, err) : error_no_memory(err, "a file name", 1);
        if (file) json_array_append_new(files, file);
        free(path);
    }
    list_free(&l);
    set(o, "files", files);
    json_array_append_new(models, o);
    return status;
}

/* Everything a metric reads from disk. */
static ss_status describe_metric(const study_metric *m, json_t *models, ss_error *err) {
    int i = 0;
    for (const option *o = m->row->about.options; o && o->name; o++, i++)
        if (o->type == OPTION_PATH && *m->options[i].text)
            SS_TRY(describe_folder(m->row->about.name, m->options[i].text, models, err));
    return SS_OK;
}

/* What was named beside the model, and LoRA: "part vae", "lora x 0.8". */
static ss_status describe_parts(const model_parts *p, json_t *models, ss_error *err) {
    static const char *const names[] = {"config",      "vae",          "tokenizer-1",    "tokenizer-2",
                                        "tokenizer-3", "text-encoder", "text-encoder-2", "text-encoder-3"};
    const char *const paths[] = {p->config,          p->vae,
                                 p->tokenizer[0],    p->tokenizer[1],
                                 p->tokenizer[2],    p->text_encoder[0],
                                 p->text_encoder[1], p->text_encoder[2]};
    for (int i = 0; i < 8; i++) {
        char role[40];
        snprintf(role, sizeof role, "part %s", names[i]);
        if (paths[i] && strcmp(paths[i], "none") != 0) SS_TRY(describe_folder(role, paths[i], models, err));
    }
    for (int i = 0; i < p->n_lora; i++) {
        text role = {0};
        char *file = lora_file(p->lora[i].path);
        text_add(&role, "lora x ");
        text_add_double(&role, p->lora[i].scale, 9);
        ss_status status =
            file && !role.failed ? describe_folder(role.s, file, models, err) : error_no_memory(err, "a file name", 1);
        text_free(&role);
        free(file);
        SS_TRY(status);
    }
    return SS_OK;
}

static json_t *describe_probes(const study *y) {
    json_t *probes = json_array();
    for (int i = 0; i < y->n_probes; i++) {
        json_t *o = json_object(), *columns = json_object();
        set(o, "name", json_string(y->probe[i]->about.name));
        for (int j = 0; j < y->probe[i]->n_columns; j++)
            set(columns, y->probe[i]->column[j], text_or_null(y->probe[i]->column_help[j]));
        set(o, "columns", columns);
        json_array_append_new(probes, o);
    }
    return probes;
}

static json_t *describe_study(const study *y) {
    json_t *o = json_object();
    set(o, "name", json_string(y->name));
    set(o, "sha256", json_string(y->hash));
    set(o, "file", json_string(y->path));
    set(o, "base", json_string(y->base_folder));
    set(o, "current", json_string(y->current_folder));
    return o;
}

static json_t *describe_scheduler(const plan_condition *c) {
    json_t *o = json_object();
    set(o, "scheduler", json_string(c->scheduler));
    if (c->settings.scheduler) set(o, "asked", json_string(c->settings.scheduler));
    if (c->forced) set(o, "forced", json_true());
    return o;
}

/* What made the noise and carried it to images; conditions by name where they differ from the baseline. */
static json_t *describe_sampler(const plan *p) {
    const plan_condition *baseline = &p->condition[0];
    json_t *o = describe_scheduler(baseline), *others = json_object();
    text noise = {0};
    torch_device_add_words(&p->settings.noise, &noise);
    set(o, "noise", json_string(noise.failed ? NULL : noise.s));
    for (int i = 1; i < p->study->n_conditions; i++)
        if (p->condition[i].settings.scheduler != baseline->settings.scheduler)
            set(others, p->study->condition[i].name, describe_scheduler(&p->condition[i]));
    if (json_object_size(others)) set(o, "conditions", others);
    else json_decref(others);
    text_free(&noise);
    return o;
}

static ss_status fill_manifest(json_t *root, const plan *p, const char *numeric_class, ss_error *err) {
    const study *y = p->study;
    json_t *versions = json_object(), *models = json_array(), *prompts = NULL;
    set(root, "format", json_integer(STORE_VERSION));
    set(versions, "sinkscope", json_string(version_text()));
    set(versions, "sqlite", json_string(sqlite3_libversion()));
    set(versions, "jansson", json_string(JANSSON_VERSION));
    set(root, "versions", versions);
    set(root, "numeric_class", json_string(numeric_class));
    set(root, "study", describe_study(y));
    set(root, "limit", json_integer(p->limit));
    set(root, "rules", pipeline_rules_write(&y->rules));
    set(root, "probes", describe_probes(y));
    set(root, "sampler", describe_sampler(p));
    set(root, "models", models);
    SS_TRY(describe_file(y->prompts_file, y->prompts_file, &prompts, err));
    set(root, "prompts", prompts);
    SS_TRY(describe_folder("model", y->model, models, err));
    SS_TRY(describe_parts(&y->parts, models, err));
    for (int i = 0; i < y->n_metrics; i++) SS_TRY(describe_metric(&y->metric[i], models, err));
    for (int i = 0; i < y->n_set_metrics; i++) SS_TRY(describe_metric(&y->set_metric[i], models, err));
    return SS_OK;
}

static ss_status write_root(const store *s, const json_t *root, ss_error *err) {
    char *path = file_join(s->folder, "manifest.json"),
         *written = json_dumps(root, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    ss_status status = written && path && !json_starved() ? file_write(path, written, strlen(written), err)
                                                          : error_no_memory(err, "the manifest", 1);
    free(written);
    free(path);
    return status;
}

ss_status store_write_manifest(const store *s, const plan *p, const char *numeric_class, ss_error *err) {
    json_watch();
    json_t *root = json_object();
    ss_status status = fill_manifest(root, p, numeric_class, err);
    if (status == SS_OK) status = write_root(s, root, err);
    json_decref(root);
    return status;
}

ss_status store_describe_metric(store *s, const study_metric *m, ss_error *err) {
    json_watch();
    json_t *models, *now = json_array();
    const char *role;
    ss_status status = json_get_array(s->manifest, "models", s->folder, &models, err);
    if (status == SS_OK) status = describe_metric(m, now, err);
    for (size_t i = status == SS_OK ? json_array_size(models) : 0; status == SS_OK && i-- > 0;) {
        status = json_get_text(json_array_get(models, i), "role", s->folder, &role, err);
        if (status == SS_OK && strcmp(role, m->row->about.name) == 0) json_array_remove(models, i);
    }
    if (status == SS_OK && json_array_extend(models, now) != 0) status = error_no_memory(err, "the manifest", 1);
    json_decref(now);
    return status == SS_OK ? write_root(s, s->manifest, err) : status;
}

static int holds_text(const json_t *array, const char *s) {
    for (size_t i = 0; i < json_array_size(array); i++) {
        const char *line = json_string_value(json_array_get(array, i));
        if (line && strcmp(line, s) == 0) return 1;
    }
    return 0;
}

ss_status store_record_notices(store *s, const notices *list, ss_error *err) {
    json_t *told = json_object_get(s->manifest, "notices");
    int added = 0;
    if (list->n == 0) return SS_OK;
    json_watch();
    if (!json_is_array(told)) {
        told = json_array();
        if (!told || json_object_set_new(s->manifest, "notices", told) != 0)
            return error_no_memory(err, "the manifest", 1);
    }
    for (int i = 0; i < list->n; i++) {
        if (holds_text(told, list->line[i])) continue;
        if (json_array_append_new(told, json_string(list->line[i])) != 0)
            return error_no_memory(err, "the manifest", strlen(list->line[i]));
        added = 1;
    }
    return added ? write_root(s, s->manifest, err) : SS_OK;
}

/* ---- reading ---- */

ss_status store_read_manifest(store *s, ss_error *err) {
    char *path = file_join(s->folder, "manifest.json");
    if (!path) return error_no_memory(err, "a file name", 1);
    int64_t format, limit;
    json_t *part;
    ss_status status = json_read_file(path, MANIFEST_LIMIT, &s->manifest, err);
    if (status == SS_OK) status = json_get_int(s->manifest, "format", path, &format, err);
    if (status == SS_OK && format > STORE_VERSION)
        status = error_set(err, SS_ERR_STORE, path,
                           "is of format %lld; this program knows formats up to %d: use a newer one", (long long)format,
                           STORE_VERSION);
    if (status == SS_OK) status = json_get_int(s->manifest, "limit", path, &limit, err);
    if (status == SS_OK) status = json_get_object(s->manifest, "study", path, &part, err);
    if (status == SS_OK) s->limit = limit > 0 && limit < INT32_MAX ? (int)limit : 0;
    if (status == SS_ERR_INPUT) err->code = status = SS_ERR_STORE;
    free(path);
    return status;
}

/* One file against its entry: *same. Hashed only where stat differs. */
static ss_status check_file(const store *s, const char *folder, const json_t *file, int *same, text *problems,
                            ss_error *err) {
    struct stat st;
    const char *name, *hash;
    int64_t size, device, inode, mtime, mtime_ns;
    const char *where = s->folder;
    SS_TRY(json_get_text(file, "path", where, &name, err));
    SS_TRY(json_get_text(file, "sha256", where, &hash, err));
    SS_TRY(json_get_int(file, "size", where, &size, err));
    SS_TRY(json_get_int(file, "device", where, &device, err));
    SS_TRY(json_get_int(file, "inode", where, &inode, err));
    SS_TRY(json_get_int(file, "mtime", where, &mtime, err));
    SS_TRY(json_get_int(file, "mtime_ns", where, &mtime_ns, err));
    char *path = folder ? file_join(folder, name) : text_copy(name);
    if (!path) return error_no_memory(err, "a file name", 1);
    sha256_hex now = "";
    ss_status status = SS_OK;
    *same = 0;
    if (stat(path, &st) == 0) {
        *same = st.st_size == size && (int64_t)st.st_dev == device && (int64_t)st.st_ino == inode &&
                st.st_mtim.tv_sec == mtime && st.st_mtim.tv_nsec == mtime_ns;
        if (!*same) {
            status = file_hash(path, now, err);
            *same = status == SS_OK && strcmp(now, hash) == 0;
            if (status != SS_ERR_RESOURCE) status = SS_OK; /* unreadable is a difference */
        }
        if (!*same)
            text_addf(problems, "%s has changed since the run began (SHA-256 %.12s.., then %.12s..)\n", path, now,
                      hash);
    } else text_addf(problems, "%s is gone\n", path);
    free(path);
    return status;
}

ss_status store_check_files(const store *s, int64_t *files, int64_t *differing, text *problems, ss_error *err) {
    json_t *models, *prompts, *list;
    const char *folder;
    int same;
    *files = *differing = 0;
    SS_TRY(json_get_array(s->manifest, "models", s->folder, &models, err));
    SS_TRY(json_get_object(s->manifest, "prompts", s->folder, &prompts, err));
    SS_TRY(check_file(s, NULL, prompts, &same, problems, err));
    *files += 1, *differing += !same;
    for (size_t i = 0; i < json_array_size(models); i++) {
        const json_t *model = json_array_get(models, i);
        SS_TRY(json_get_text(model, "folder", s->folder, &folder, err));
        SS_TRY(json_get_array(model, "files", s->folder, &list, err));
        for (size_t j = 0; j < json_array_size(list); j++) {
            SS_TRY(check_file(s, folder, json_array_get(list, j), &same, problems, err));
            *files += 1, *differing += !same;
        }
    }
    return SS_OK;
}

const char *store_model_folder(const store *s) {
    const json_t *models = json_object_get(s->manifest, "models");
    for (size_t i = 0; i < json_array_size(models); i++) {
        const json_t *model = json_array_get(models, i);
        const char *role = json_string_value(json_object_get(model, "role"));
        if (role && strcmp(role, "model") == 0) return json_string_value(json_object_get(model, "folder"));
    }
    return NULL;
}

/* ---- text encoders ---- */

static int reads_text(const char *path) {
    static const char *const parts[] = {"text_encoder", "tokenizer", "model_index.json"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (strncmp(path, parts[i], strlen(parts[i])) == 0) return 1;
    return 0;
}

static int is_beside(const char *role) { return strncmp(role, "part ", 5) == 0 || strncmp(role, "lora ", 5) == 0; }

/* "checksum path" of the files of the model that `wanted` names, a line each; of a model in one file that one. What was
 * named beside it counts whole, with its role. */
static ss_status add_identity(const store *s, int (*wanted)(const char *path), text *out, ss_error *err) {
    json_t *models, *list;
    const char *role, *path, *hash;
    SS_TRY(json_get_array(s->manifest, "models", s->folder, &models, err));
    for (size_t i = 0; i < json_array_size(models); i++) {
        const json_t *model = json_array_get(models, i);
        SS_TRY(json_get_text(model, "role", s->folder, &role, err));
        SS_TRY(json_get_array(model, "files", s->folder, &list, err));
        const int whole = is_beside(role), single = json_is_true(json_object_get(model, "single"));
        for (size_t j = 0; (whole || strcmp(role, "model") == 0) && j < json_array_size(list); j++) {
            SS_TRY(json_get_text(json_array_get(list, j), "path", s->folder, &path, err));
            SS_TRY(json_get_text(json_array_get(list, j), "sha256", s->folder, &hash, err));
            if (whole) text_addf(out, "%s %s %s\n", hash, path, role);
            else if (single || wanted(path)) text_addf(out, "%s %s\n", hash, path);
        }
    }
    return out->failed ? error_no_memory(err, "checksums", out->len) : SS_OK;
}

ss_status store_text_identity(const store *s, text *out, ss_error *err) {
    const char *numeric_class;
    SS_TRY(json_get_text(s->manifest, "numeric_class", s->folder, &numeric_class, err));
    text_addf(out, "%s\n", numeric_class);
    return add_identity(s, reads_text, out, err);
}

/* ---- weights ---- */

static int holds_weights(const char *path) {
    static const char *const ends[] = {".safetensors", ".bin", ".pt", ".pth", ".ckpt"};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        if (content_has_extension(path, ends[i])) return 1;
    return 0;
}

ss_status store_same_weights(const store *a, const store *b, int *same, ss_error *err) {
    text first = {0}, second = {0};
    ss_status status = add_identity(a, holds_weights, &first, err);
    if (status == SS_OK) status = add_identity(b, holds_weights, &second, err);
    if (status == SS_OK) *same = first.len == second.len && (first.len == 0 || strcmp(first.s, second.s) == 0);
    text_free(&first);
    text_free(&second);
    return status;
}
