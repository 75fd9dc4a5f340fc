/* Where the components of a pipeline come from: p->parts, named by the caller; a single file in an original layout
 * (model/original.h); the model's folder. In this order. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "sampler/pipeline_parts.h"

static const char NONE[] = "none", MERGES[] = "models/clip-bpe/merges.txt";

static const char *const ENCODERS[] = {"text_encoder", "text_encoder_2", "text_encoder_3"};
static const char *const TOKENIZERS[] = {"tokenizer", "tokenizer_2", "tokenizer_3"};

static int pipeline_source_number_of(const char *const *names, const char *name) {
    for (int i = 0; i < PIPELINE_MAX_ENCODERS; i++)
        if (strcmp(names[i], name) == 0) return i;
    return -1;
}

/* What was named for the component or tokenizer, or NULL. */
static const char *named(const pipeline *p, const char *name) {
    int encoder = pipeline_source_number_of(ENCODERS, name), reader = pipeline_source_number_of(TOKENIZERS, name);
    if (!p->parts) return NULL;
    if (encoder >= 0) return p->parts->text_encoder[encoder];
    if (reader >= 0) return p->parts->tokenizer[reader];
    return strcmp(name, "vae") == 0 ? p->parts->vae : NULL;
}

/* The flag that names it: "--text-encoder-2", "--tokenizer-1". */
static void add_flag(text *out, const char *name) {
    text_add(out, "--");
    for (const char *p = name; *p; p++) text_add_n(out, *p == '_' ? "-" : p, 1);
    if (strcmp(name, TOKENIZERS[0]) == 0) text_add(out, "-1"); /* --tokenizer says whose rules */
}

void model_parts_add_words(const model_parts *parts, text *out) {
    if (parts->config) text_addf(out, "config: %s, ", parts->config);
    for (int i = 0; i < PIPELINE_MAX_ENCODERS; i++) {
        if (parts->text_encoder[i]) text_addf(out, "%s: %s, ", ENCODERS[i], parts->text_encoder[i]);
        if (parts->tokenizer[i]) text_addf(out, "%s: %s, ", TOKENIZERS[i], parts->tokenizer[i]);
    }
    if (parts->vae) text_addf(out, "vae: %s, ", parts->vae);
    for (int i = 0; i < parts->n_lora; i++) {
        text_addf(out, "lora: %s x ", parts->lora[i].path);
        text_add_double(out, parts->lora[i].scale, 6);
        text_add(out, ", ");
    }
}

/* ---- single files ---- */

ss_status source_open_single(pipeline *p, json_t **index, ss_error *err) {
    SS_TRY(original_open(&p->single, p->folder, p->parts->config, err));
    *index = json_deep_copy(original_index(p->single));
    return *index ? SS_OK : error_no_memory(err, "configs", 1);
}

static ss_status refuse_parts(const pipeline *p, ss_error *err) {
    if (p->parts->config && !p->single)
        return error_set(err, SS_ERR_USAGE, p->parts->config,
                         "names the configs of a single file; %s is a folder and has its own", p->folder);
    for (int i = 0; i < 2; i++)
        if (p->parts->text_encoder[i] && strcmp(p->parts->text_encoder[i], NONE) == 0)
            return error_set(err, SS_ERR_USAGE, NULL, "%s is none; only text_encoder_3 (T5) can be left out",
                             ENCODERS[i]);
    return SS_OK;
}

ss_status source_leave_out(pipeline *p, json_t *index, ss_error *err) {
    const char *t5 = p->parts->text_encoder[2];
    SS_TRY(refuse_parts(p, err));
    if (!pipeline_has_component(index, ENCODERS[2])) return SS_OK;
    int missing = p->single && !t5 && !original_prefix(p->single, ENCODERS[2]);
    if (!missing && !(t5 && strcmp(t5, NONE) == 0)) return SS_OK;
    for (int i = 0; i < 2; i++)
        if (json_object_set_new(index, i ? TOKENIZERS[2] : ENCODERS[2], json_pack("[nn]")) != 0)
            return error_no_memory(err, "configs", 1);
    if (!missing) return SS_OK;
    return notices_add(p->notices, err,
                       "%s has no T5 inside: pictures are made without it; name it by --text-encoder-3 FOLDER or FILE "
                       "and --tokenizer-3 FOLDER",
                       p->folder);
}

/* ---- configs ---- */

ss_status source_read_config(const pipeline *p, const char *name, json_t **out, char **where, ss_error *err) {
    const char *part = named(p, name), *file = strcmp(name, "scheduler") == 0 ? "scheduler_config.json" : "config.json";
    text words = {0};
    *out = NULL;
    *where = NULL;
    if (part && !file_is_folder(part)) part = NULL; /* a file's config is the model's own */
    if (p->single && !part) {
        text_addf(&words, "%s: %s of %s", p->folder, name, original_family(p->single));
        if (original_config(p->single, name)) *out = json_deep_copy(original_config(p->single, name));
        else if (!words.failed)
            error_set(err, SS_ERR_INPUT, original_family(p->single), "has no config for %s; expected %s/%s", name, name,
                      file);
    } else if (part) text_addf(&words, "%s/%s", part, file);
    else text_addf(&words, "%s/%s/%s", p->folder, name, file);
    *where = words.s;
    if (words.failed) return error_no_memory(err, "path", words.len);
    if (!p->single || part) return json_read_python_file(*where, JSON_CONFIG_LIMIT, out, err);
    if (*out) return SS_OK;
    return original_config(p->single, name) ? error_no_memory(err, "configs", 1) : err->code;
}

/* ---- components ---- */

static ss_status refuse_missing(const pipeline *p, const char *name, ss_error *err) {
    text flag = {0};
    add_flag(&flag, name);
    if (strncmp(name, "text_encoder", 12) == 0 || strcmp(name, "vae") == 0)
        error_set(err, SS_ERR_INPUT, p->folder,
                  "holds no %s, as many single files do; name it by %s FOLDER or FILE (a component's folder with its "
                  "config.json, or its weights alone)",
                  name, flag.s ? flag.s : "its option");
    else error_set(err, SS_ERR_INPUT, p->folder, "holds no %s; expected a whole checkpoint", name);
    text_free(&flag);
    return err->code;
}

/* Add what LoRA has for the component; the autoencoder has none. */
typedef struct lora_change {
    lora_set *set;
    const char *component;
} lora_change;

static ss_status change_weights(void *user, checkpoint **files, ss_error *err) {
    const lora_change *k = user;
    return k->set && strcmp(k->component, "vae") != 0 ? lora_apply(k->set, k->component, files, err) : SS_OK;
}

/* Of the single file, or of a file of the component alone. */
static ss_status pipeline_source_open_file(model **out, const pipeline *p, const char *name, const char *class_name,
                                           ss_error *err) {
    const char *part = named(p, name);
    json_t *config = NULL;
    char *where = NULL;
    checkpoint *weights = NULL;
    ss_status status = source_read_config(p, name, &config, &where, err);
    if (status == SS_OK)
        status = part ? original_component_weights(part, name, config, &weights, err)
                      : original_weights(p->single, name, &weights, err);
    if (status == SS_OK && !weights) status = refuse_missing(p, name, err);
    if (status == SS_OK) {
        status = change_weights(&(lora_change){p->lora, name}, &weights, err);
        if (status == SS_OK) status = model_open_weights(out, class_name, config, where, weights, err);
        else checkpoint_close(weights);
    }
    json_decref(config);
    free(where);
    return status;
}

ss_status source_open_component(model **out, const pipeline *p, const char *name, const char *class_name,
                                const char *variant, ss_error *err) {
    const char *part = named(p, name);
    *out = NULL;
    if (part ? !file_is_folder(part) : p->single != NULL)
        return pipeline_source_open_file(out, p, name, class_name, err);
    char *folder = part ? text_copy(part) : file_join(p->folder, name);
    if (!folder) return error_no_memory(err, "path", strlen(name));
    int has = 0;
    ss_status status = variant ? checkpoint_folder_has_variant(folder, variant, &has, err) : SS_OK;
    if (status == SS_OK)
        status = model_open_changed(out, NULL, class_name, folder, has ? variant : NULL, change_weights,
                                    &(lora_change){p->lora, name}, err);
    free(folder);
    return status;
}

/* ---- tokenizers ---- */

int source_tokenizer_folder(const pipeline *p, const char *name, text *out) {
    const char *part = named(p, name), *folder = p->single ? original_config_folder(p->single) : p->folder;
    if (part) text_add(out, part);
    else if (folder) text_addf(out, "%s/%s", folder, name);
    return part || folder;
}

const char *source_merges(const pipeline *p, char **made) {
    return *made = p->parts->data && !file_exists(MERGES) ? file_join(p->parts->data, MERGES) : text_copy(MERGES);
}

/* CLIP's, of what ships. */
static ss_status pipeline_source_open_merges(tokenizer **out, const pipeline *p, const json_t *config,
                                             const char *where, ss_error *err) {
    char *made;
    const char *path = source_merges(p, &made);
    ss_status status = path ? tokenizer_open_clip(out, path, config, where, err) : error_no_memory(err, "path", 1);
    if (status == SS_ERR_INPUT && path && !file_exists(path))
        status = error_set(err, SS_ERR_INPUT, path,
                           "CLIP's merges are not there; expected the installed data ($SINKSCOPE_DATA), or tokenizers "
                           "named by --tokenizer-1 FOLDER and --tokenizer-2 FOLDER");
    free(made);
    return status;
}

ss_status source_open_tokenizer(tokenizer **out, const pipeline *p, const char *name, const char *class_name,
                                text *where, ss_error *err) {
    *out = NULL;
    int folder = source_tokenizer_folder(p, name, where);
    if (!folder) text_addf(where, "%s: %s of %s", p->folder, name, original_family(p->single));
    if (where->failed) return error_no_memory(err, "path", where->len);
    const tokenizer_rules rules = (tokenizer_rules)p->rules.word[RULE_TOKENIZER];
    if (folder) return tokenizer_open(out, where->s, class_name, rules, err);
    const json_t *config = original_config(p->single, name);
    if (config && rules != TOKENIZER_TRANSFORMERS_5)
        return error_set(
            err, SS_ERR_INPUT, p->folder,
            "holds no tokenizer, and the one that ships is by the rules of transformers 5; for %s expected "
            "tokenizers named by --tokenizer-1 FOLDER and so on",
            tokenizer_rules_name(rules));
    if (config) return pipeline_source_open_merges(out, p, config, where->s, err);
    text flag = {0};
    add_flag(&flag, name);
    error_set(err, SS_ERR_INPUT, p->folder,
              "holds T5, whose tokenizer no such file has; name it by %s FOLDER (with spiece.model or tokenizer.json), "
              "or go without T5 by --text-encoder-3 none",
              flag.s ? flag.s : "its option");
    text_free(&flag);
    return err->code;
}
