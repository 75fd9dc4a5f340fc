/* See convert.h. Values are copied a piece at a time, so memory does not grow with the model. */
#include "sampler/convert.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/folder.h"
#include "io/safetensors.h"
#include "sampler/pipeline_parts.h"

enum { TOKENIZER_FILE_LIMIT = 64 << 20 };

typedef struct converting {
    pipeline p; /* with its source alone */
    const char *folder;
    void (*progress)(void *user, const char *component);
    void *user;
} converting;

static ss_status write_json(const char *folder, const char *name, const json_t *value, ss_error *err) {
    json_watch();
    char *words = json_dumps(value, JSON_INDENT(2) | JSON_PRESERVE_ORDER), *path = file_join(folder, name);
    ss_status status =
        words && path && !json_starved() ? file_write(path, words, strlen(words), err) : error_no_memory(err, name, 1);
    free(words);
    free(path);
    return status;
}

/* ---- weights ---- */

static ss_status convert_read_piece(void *context, int i, int64_t first, int64_t n, void *out, ss_error *err) {
    const checkpoint_entry *const *source = context;
    return checkpoint_read(source[i], first, n, out, err);
}

/* The tensors that the network binds; other tensors with the same prefix are left out. */
static ss_status write_weights(const model *m, const char *path, ss_error *err) {
    size_t n = (size_t)m->set.n;
    safetensors_output *out = calloc(n + 1, sizeof *out);
    const checkpoint_entry **source = calloc(n + 1, sizeof *source);
    ss_status status = out && source ? SS_OK : error_no_memory(err, "weight tables", n * sizeof *out);
    for (size_t i = 0; status == SS_OK && i < n; i++) {
        const checkpoint_entry *e = source[i] = checkpoint_find(m->files, m->set.item[i].name);
        if (!e) {
            status = error_set(err, SS_ERR_INTERNAL, path, "%s is bound and not there", m->set.item[i].name);
            break;
        }
        out[i] = (safetensors_output){.name = e->name, .dtype = e->dtype, .ndim = e->ndim};
        memcpy(out[i].shape, e->shape, sizeof out[i].shape);
    }
    if (status == SS_OK)
        status = safetensors_write_noted(path, out, (int)n, "format", "pt", convert_read_piece, (void *)source, err);
    free(out);
    free(source);
    return status;
}

static ss_status write_component(const converting *k, const char *name, const char *class_name, ss_error *err) {
    json_t *config = NULL;
    char *where = NULL, *folder = file_join(k->folder, name), *path = NULL;
    model *m = NULL;
    const char *file =
        strncmp(name, "text_encoder", 12) == 0 ? "model.safetensors" : "diffusion_pytorch_model.safetensors";
    ss_status status = SS_OK;
    if (!folder || !(path = file_join(folder, file))) SS_TRY_GOTO(error_no_memory(err, "path", 1), end);
    if (k->progress) k->progress(k->user, name);
    SS_TRY_GOTO(source_read_config(&k->p, name, &config, &where, err), end);
    SS_TRY_GOTO(source_open_component(&m, &k->p, name, class_name, k->p.parts->variant, err), end);
    SS_TRY_GOTO(file_make_folder(folder, err), end);
    SS_TRY_GOTO(write_weights(m, path, err), end);
    status = write_json(folder, "config.json", config, err);
end:
    model_close(m);
    json_decref(config);
    free(where);
    free(path);
    free(folder);
    return status;
}

static ss_status write_scheduler(const converting *k, ss_error *err) {
    json_t *config = NULL;
    char *where = NULL, *folder = file_join(k->folder, "scheduler");
    ss_status status =
        folder ? source_read_config(&k->p, "scheduler", &config, &where, err) : error_no_memory(err, "path", 1);
    if (status == SS_OK) status = file_make_folder(folder, err);
    if (status == SS_OK) status = write_json(folder, "scheduler_config.json", config, err);
    json_decref(config);
    free(where);
    free(folder);
    return status;
}

/* ---- tokenizers ---- */

static ss_status copy_file(const char *from, const char *to, ss_error *err) {
    char *data;
    size_t size;
    SS_TRY(file_read(from, TOKENIZER_FILE_LIMIT, &data, &size, err));
    ss_status status = file_write(to, data, size, err);
    free(data);
    return status;
}

static ss_status copy_folder(const char *from, const char *to, ss_error *err) {
    folder_names names;
    SS_TRY(folder_list(from, &names, err));
    ss_status status = SS_OK;
    for (int i = 0; status == SS_OK && i < names.n; i++) {
        char *source = file_join(from, names.at[i]), *target = file_join(to, names.at[i]);
        if (!source || !target) status = error_no_memory(err, "path", 1);
        else if (file_exists(source)) status = copy_file(source, target, err);
        free(source);
        free(target);
    }
    folder_names_free(&names);
    return status;
}

/* CLIP's that ships: its vocabulary follows from the merges. */
static ss_status write_clip(const converting *k, const char *name, const json_t *config, const char *to,
                            ss_error *err) {
    static const char *const roles[] = {"bos_token", "eos_token", "pad_token", "unk_token"};
    char *made, *target = file_join(to, "merges.txt");
    const char *merges = source_merges(&k->p, &made);
    tokenizer *t = NULL;
    json_t *vocab = json_object(), *special = json_object();
    ss_status status = merges && target && vocab && special ? tokenizer_open_clip(&t, merges, config, name, err)
                                                            : error_no_memory(err, "a vocabulary", 1);
    for (int32_t id = 0; status == SS_OK && id < tokenizer_vocabulary_size(t); id++) {
        const char *piece = tokenizer_piece(t, id);
        if (piece && json_object_set_new(vocab, piece, json_integer(id)) != 0)
            status = error_no_memory(err, "a vocabulary", 1);
    }
    for (int i = 0; status == SS_OK && i < 4; i++)
        if (json_object_set(special, roles[i], json_object_get(config, roles[i])) != 0)
            status = error_no_memory(err, "a vocabulary", 1);
    if (status == SS_OK) status = copy_file(merges, target, err);
    if (status == SS_OK) status = write_json(to, "vocab.json", vocab, err);
    if (status == SS_OK) status = write_json(to, "special_tokens_map.json", special, err);
    if (status == SS_OK) status = write_json(to, "tokenizer_config.json", config, err);
    tokenizer_close(t);
    json_decref(vocab);
    json_decref(special);
    free(made);
    free(target);
    return status;
}

static ss_status write_tokenizer(const converting *k, const char *name, ss_error *err) {
    text from = {0};
    char *to = file_join(k->folder, name);
    const json_t *config = original_config(k->p.single, name);
    int folder = source_tokenizer_folder(&k->p, name, &from);
    ss_status status = to && !from.failed ? SS_OK : error_no_memory(err, "path", from.len);
    if (status == SS_OK && !folder && !config)
        status = error_set(err, SS_ERR_INPUT, k->p.folder,
                           "has no %s, which no such file has; name it by --tokenizer-3 FOLDER, or go without T5 by "
                           "--text-encoder-3 none",
                           name);
    if (status == SS_OK) status = file_make_folder(to, err);
    if (status == SS_OK) status = folder ? copy_folder(from.s, to, err) : write_clip(k, name, config, to, err);
    free(to);
    text_free(&from);
    return status;
}

/* ---- the whole ---- */

/* How the model is meant to be used, where the folder of configs says so. */
static ss_status copy_defaults(const converting *k, ss_error *err) {
    static const char name[] = "sinkscope.json";
    const char *folder = original_config_folder(k->p.single);
    char *from = folder ? file_join(folder, name) : NULL, *to = file_join(k->folder, name);
    ss_status status = (from || !folder) && to ? SS_OK : error_no_memory(err, "path", 1);
    if (status == SS_OK && from && file_exists(from)) status = copy_file(from, to, err);
    free(from);
    free(to);
    return status;
}

static ss_status write_all(converting *k, json_t *index, ss_error *err) {
    const char *name;
    json_t *value;
    SS_TRY(file_make_folder(k->folder, err));
    json_object_foreach(index, name, value) {
        if (!json_is_array(value) || !json_is_string(json_array_get(value, 1))) continue;
        if (strcmp(name, "scheduler") == 0) SS_TRY(write_scheduler(k, err));
        else if (strncmp(name, "tokenizer", 9) == 0) SS_TRY(write_tokenizer(k, name, err));
        else if (original_config(k->p.single, name))
            SS_TRY(write_component(k, name, json_string_value(json_array_get(value, 1)), err));
        else if (json_object_set_new(index, name, json_pack("[nn]")) != 0) return error_no_memory(err, "configs", 1);
    }
    SS_TRY(copy_defaults(k, err));
    return write_json(k->folder, "model_index.json", index, err);
}

ss_status convert_single(const char *path, const model_parts *parts, const char *folder, notices *list,
                         void (*progress)(void *user, const char *component), void *user, ss_error *err) {
    converting k = {.folder = folder, .progress = progress, .user = user, .p = {.parts = parts}};
    json_t *index = NULL;
    if (!file_exists(path))
        return error_set(err, SS_ERR_INPUT, path, "expected a checkpoint in one file, found %s",
                         file_is_folder(path) ? "a folder" : "nothing");
    if (!(k.p.folder = text_copy(path))) return error_no_memory(err, path, strlen(path));
    k.p.notices = list;
    ss_status status = source_open_single(&k.p, &index, err);
    if (status == SS_OK) status = source_leave_out(&k.p, index, err);
    if (status == SS_OK && parts->n_lora) status = lora_open(&k.p.lora, parts->lora, parts->n_lora, err);
    if (status == SS_OK) status = write_all(&k, index, err);
    if (status == SS_OK && k.p.lora) status = lora_finish(k.p.lora, list, err);
    if (status == SS_OK) status = original_note_rest(k.p.single, list, err);
    json_decref(index);
    original_close(k.p.single);
    lora_close(k.p.lora);
    free(k.p.folder);
    return status;
}
