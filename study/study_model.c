/* The parts of a study's model beside its folder or file: parts and LoRA. */
#include "study/loader.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "io/hub.h"

/* A part that is named; text_encoder_3 may be "none". */
static ss_status read_part(loader *l, const yaml_node *parts, const char *key, const char **out) {
    option_value o;
    const yaml_node *at = yaml_find(parts, key);
    if (!at) return SS_OK;
    SS_TRY(loader_get(l, parts, STUDY_PART_KEYS, key, &o));
    if (strcmp(o.text, "none") != 0 || strcmp(key, "text-encoder-3") != 0) return loader_named(l, at, o.text, key, out);
    *out = o.text;
    return SS_OK;
}

static ss_status read_parts(loader *l, const yaml_node *n, model_parts *out) {
    static const char *const tokenizers[] = {"tokenizer-1", "tokenizer-2", "tokenizer-3"}, *const encoders[] = {
                                                                                               "text-encoder",
                                                                                               "text-encoder-2",
                                                                                               "text-encoder-3"};
    const option *tables[] = {STUDY_PART_KEYS};
    SS_TRY(loader_expect(l, n, YAML_MAPPING, "parts"));
    SS_TRY(loader_check_keys(l, n, tables, 1, "key of parts"));
    SS_TRY(read_part(l, n, "config", &out->config));
    SS_TRY(read_part(l, n, "vae", &out->vae));
    for (int i = 0; i < PIPELINE_MAX_ENCODERS; i++) {
        SS_TRY(read_part(l, n, tokenizers[i], &out->tokenizer[i]));
        SS_TRY(read_part(l, n, encoders[i], &out->text_encoder[i]));
    }
    return SS_OK;
}

/* "FILE", "FILE:0.8" or {file, scale}. */
static ss_status read_lora(loader *l, const yaml_node *n, model_parts *out) {
    const option *tables[] = {STUDY_LORA_KEYS};
    option_value o;
    lora_use use = {.scale = 1};
    char *path = NULL;
    const yaml_node *at = n;
    if (out->n_lora == LORA_MAX_FILES)
        return yaml_error(l->f, n, NULL, l->err, "more than %d LoRA files", (int)LORA_MAX_FILES);
    if (n->kind == YAML_MAPPING) {
        SS_TRY(loader_check_keys(l, n, tables, 1, "key of lora"));
        SS_TRY(loader_get(l, n, STUDY_LORA_KEYS, "scale", &o));
        if (o.is_set) use.scale = o.number;
        SS_TRY(loader_get(l, n, STUDY_LORA_KEYS, "file", &o));
        at = yaml_find(n, "file");
        path = text_copy(o.text);
        if (!path) return loader_no_memory(l);
    } else {
        static const option FILE_OPTION = {"lora", OPTION_TEXT, NULL, 0, 0, NULL, "FILE[:SCALE]"};
        SS_TRY(loader_parse(l, n, &FILE_OPTION, &o));
        if (lora_parse(o.text, NULL, &path, &use.scale, l->err) != SS_OK) {
            if (l->err->code != SS_ERR_USAGE) return l->err->code;
            return yaml_error(l->f, n, NULL, l->err, "'%s': expected FILE or FILE:SCALE", o.text);
        }
    }
    ss_status status = loader_named(l, at, path, "lora", &use.path);
    free(path);
    if (status == SS_OK) out->lora[out->n_lora++] = use;
    return status;
}

/* A name on the hub stands for the snapshot that the store was made of, where it is there still; `folder`: that of the
 * manifest, in which a single file lies. */
static ss_status keep_snapshot(loader *l, const char *written, const char *folder) {
    hub_name hub;
    if (!folder || !hub_read_name(written, &hub) || !file_is_folder(folder)) return SS_OK;
    const char *slash = strrchr(hub.file, '/'), *last = slash ? slash + 1 : hub.file;
    char *file = *last ? file_join(folder, last) : NULL;
    const int single = file && file_exists(file);
    if (*last && !file) return loader_no_memory(l);
    l->y->model = loader_keep(l->y, single ? file : folder);
    free(file);
    return l->y->model ? SS_OK : loader_no_memory(l);
}

ss_status loader_model(loader *l, const yaml_node *root, const char *written) {
    study *y = l->y;
    SS_TRY(keep_snapshot(l, written, l->model));
    if (!y->model) SS_TRY(loader_named(l, yaml_find(root, "model"), written, "model", &y->model));
    const yaml_node *parts = yaml_find(root, "parts"), *lora = yaml_find(root, "lora");
    if (parts) SS_TRY(read_parts(l, parts, &y->parts));
    if (!lora) return SS_OK;
    if (lora->kind != YAML_SEQUENCE) return read_lora(l, lora, &y->parts);
    for (int i = 0; i < lora->count; i++) SS_TRY(read_lora(l, &lora->items[i], &y->parts));
    return SS_OK;
}
