/* Building a tokenizer as transformers 5 builds it from a folder. */
#include "text/transformers5.h"

#include <stdlib.h>
#include <string.h>

#include "io/json.h"
#include "text/pre_tokenizer.h"
#include "text/transformers5_files.h"
#include "text/transformers5_tokens.h"

enum { MAX_EXTRA_IDS = 10000 };

/* The steps that the classes build, in the words of tokenizer.json. */
static const char CLIP_NORMALIZER[] = "{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFC\"},{\"type\":"
                                      "\"Replace\",\"pattern\":{\"Regex\":\"\\\\s+\"},"
                                      "\"content\":\" \"},{\"type\":\"Lowercase\"}]}";
static const char CLIP_PRE_TOKENIZER[] =
    "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"Regex\":"
    "\"<\\\\|startoftext\\\\|>|<\\\\|endoftext\\\\|>|'s|'t|'re|'ve|'m|'ll|'d|[\\\\p{L}]+|[\\\\p{N}]|"
    "[^\\\\s\\\\p{L}\\\\p{N}]+\"},\"behavior\":\"Removed\",\"invert\":true},"
    "{\"type\":\"ByteLevel\",\"add_prefix_space\":false}]}";
static const char T5_PRE_TOKENIZER[] =
    "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"WhitespaceSplit\"},"
    "{\"type\":\"Metaspace\",\"replacement\":\"\xE2\x96\x81\",\"prepend_scheme\":\"always\",\"split\":true}]}";
static const char BERT_PRE_TOKENIZER[] = "{\"type\":\"BertPreTokenizer\"}";

/* What is being built. */
typedef struct build {
    tokenizer_folder files;
    json_t *source;                             /* vocab and merges: of tokenizer.json's model, or of the older files */
    json_t *normalizer, *pre_tokenizer, *model; /* owned */
    token_plan plan;
    const char *where; /* the file that the vocabulary is of */
} build;

typedef struct tokenizer_class {
    const char *name;
    tokenizer_kind kind;
    const char
        *model; /* the type of model that it takes from tokenizer.json; NULL: any, and the rest of the file too */
    const char *const (*defaults)[2];              /* special tokens that it has where the folder names none */
    ss_status (*prepare)(build *b, ss_error *err); /* sets source, normalizer, pre_tokenizer, model */
    const char *before, *after;                    /* roles of the tokens around a text */
} tokenizer_class;

static ss_status transformers5_parse(const char *json, json_t **out, ss_error *err) {
    return json_read_bytes(json, strlen(json), "a tokenizer's steps", out, err);
}

static ss_status packed(json_t **out, json_t *made, const build *b, ss_error *err) {
    *out = made;
    return made ? SS_OK : error_no_memory(err, b->where, 1);
}

/* The model of tokenizer.json, which must be of the type that the class builds. */
static ss_status take_source(build *b, const char *type, ss_error *err) {
    json_t *model;
    const char *found;
    SS_TRY(json_get_object(b->files.file, "model", b->where, &model, err));
    SS_TRY(json_get_text_or(model, "type", b->where, type, &found, err));
    if (strcmp(found, type) != 0)
        return error_set(err, SS_ERR_INPUT, b->where, "has a model of type '%s'; this tokenizer's class builds %s",
                         found, type);
    b->source = json_incref(model);
    return SS_OK;
}

static ss_status prepare_clip(build *b, ss_error *err) {
    const char *unknown;
    SS_TRY(b->files.file ? take_source(b, "BPE", err) : read_bpe_files(b->files.folder, &b->source, err));
    SS_TRY(transformers5_parse(CLIP_NORMALIZER, &b->normalizer, err));
    SS_TRY(transformers5_parse(CLIP_PRE_TOKENIZER, &b->pre_tokenizer, err));
    SS_TRY(token_plan_role(&b->plan, "unk_token", &unknown, err));
    json_t *merges = json_object_get(b->source, "merges");
    return packed(&b->model,
                  json_pack("{s:s, s:s, s:s, s:O?, s:o}", "type", "BPE", "unk_token", unknown, "end_of_word_suffix",
                            "</w>", "vocab", json_object_get(b->source, "vocab"), "merges",
                            merges ? json_incref(merges) : json_array()),
                  b, err);
}

/* The first normalization table of tokenizer.json. */
static const json_t *find_table(const json_t *steps) {
    const json_t *list = json_object_get(steps, "normalizers");
    const char *type = json_string_value(json_object_get(steps, "type"));
    if (!type) return NULL;
    if (strcmp(type, "Sequence") != 0)
        return strcmp(type, "Precompiled") == 0 ? json_object_get(steps, "precompiled_charsmap") : NULL;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);
        type = json_string_value(json_object_get(one, "type"));
        if (type && strcmp(type, "Precompiled") == 0) return json_object_get(one, "precompiled_charsmap");
    }
    return NULL;
}

/* T5Converter.convert_from_spm: the sentinels are the last pieces, in reverse. */
static ss_status append_sentinels(build *b, int n, ss_error *err) {
    json_watch();
    for (int i = n - 1; i >= 0; i--) {
        char name[32];
        token_plan_sentinel(name, i);
        json_array_append_new(json_object_get(b->source, "vocab"), json_pack("[s, f]", name, 0.0));
    }
    return json_starved() ? error_no_memory(err, b->where, 1) : SS_OK;
}

static ss_status prepare_t5(build *b, ss_error *err) {
    double extra;
    SS_TRY(json_get_double_or(b->files.config, "extra_ids", b->files.config_path, 100, &extra, err));
    if (!(extra >= 0 && extra <= MAX_EXTRA_IDS) || extra != (double)(int)extra)
        return error_set(err, SS_ERR_INPUT, b->files.config_path, "'extra_ids' is not an integer in 0 .. %d",
                         MAX_EXTRA_IDS);
    const json_t *table, *added = NULL;
    if (b->files.file) {
        SS_TRY(take_source(b, "Unigram", err));
        table = find_table(json_object_get(b->files.file, "normalizer"));
    } else {
        SS_TRY(read_unigram_file(b->files.folder, &b->source, err));
        SS_TRY(append_sentinels(b, (int)extra, err));
        table = json_object_get(b->source, "precompiled_charsmap");
        added = json_object_get(b->source, "added");
    }
    SS_TRY(token_plan_sentinels(&b->plan, added, (int)extra, err));
    if (json_is_string(table))
        SS_TRY(packed(&b->normalizer,
                      json_pack("{s:s, s:O}", "type", "Precompiled", "precompiled_charsmap", (json_t *)table), b, err));
    SS_TRY(transformers5_parse(T5_PRE_TOKENIZER, &b->pre_tokenizer, err));
    return packed(
        &b->model,
        json_pack("{s:s, s:i, s:O?}", "type", "Unigram", "unk_id", 2, "vocab", json_object_get(b->source, "vocab")), b,
        err);
}

static ss_status prepare_bert(build *b, ss_error *err) {
    const json_t *config = b->files.config;
    const char *where = b->files.config_path, *unknown;
    int lower, ideographs, accents;
    if (b->files.file) SS_TRY(take_source(b, "WordPiece", err));
    SS_TRY(json_get_bool_or(config, "do_lower_case", where, 1, &lower, err));
    SS_TRY(json_get_bool_or(config, "tokenize_chinese_chars", where, 1, &ideographs, err));
    SS_TRY(json_get_bool_or(config, "strip_accents", where, lower, &accents, err));
    SS_TRY(packed(&b->normalizer,
                  json_pack("{s:s, s:b, s:b, s:b, s:b}", "type", "BertNormalizer", "clean_text", 1,
                            "handle_chinese_chars", ideographs, "strip_accents", accents, "lowercase", lower),
                  b, err));
    SS_TRY(transformers5_parse(BERT_PRE_TOKENIZER, &b->pre_tokenizer, err));
    SS_TRY(token_plan_role(&b->plan, "unk_token", &unknown, err));
    return packed(&b->model,
                  json_pack("{s:s, s:s, s:O?}", "type", "WordPiece", "unk_token", unknown, "vocab",
                            json_object_get(b->source, "vocab")),
                  b, err);
}

static ss_status prepare_any(build *b, ss_error *err) {
    json_t *model;
    if (!b->files.file)
        return error_set(err, SS_ERR_INPUT, b->files.folder,
                         "has no tokenizer.json, which this tokenizer's class needs");
    SS_TRY(json_get_object(b->files.file, "model", b->where, &model, err));
    b->model = json_incref(model);
    b->normalizer = json_incref(json_object_get(b->files.file, "normalizer"));
    b->pre_tokenizer = json_incref(json_object_get(b->files.file, "pre_tokenizer"));
    return SS_OK;
}

static const char *const NO_TOKENS[][2] = {{NULL, NULL}};
static const char *const CLIP_TOKENS[][2] = {{"unk_token", "<|endoftext|>"},
                                             {"bos_token", "<|startoftext|>"},
                                             {"eos_token", "<|endoftext|>"},
                                             {"pad_token", "<|endoftext|>"},
                                             {NULL, NULL}};
static const char *const T5_TOKENS[][2] = {
    {"eos_token", "</s>"}, {"unk_token", "<unk>"}, {"pad_token", "<pad>"}, {NULL, NULL}};
static const char *const BERT_TOKENS[][2] = {{"unk_token", "[UNK]"}, {"sep_token", "[SEP]"},   {"pad_token", "[PAD]"},
                                             {"cls_token", "[CLS]"}, {"mask_token", "[MASK]"}, {NULL, NULL}};

static const tokenizer_class CLASSES[] = {
    {"CLIPTokenizer", TOKENIZER_CLIP, "BPE", CLIP_TOKENS, prepare_clip, "bos_token", "eos_token"},
    {"T5Tokenizer", TOKENIZER_T5, "Unigram", T5_TOKENS, prepare_t5, NULL, "eos_token"},
    {"BertTokenizer", TOKENIZER_BERT, "WordPiece", BERT_TOKENS, prepare_bert, "cls_token", "sep_token"},
    {"PreTrainedTokenizerFast", TOKENIZER_CLIP, NULL, NO_TOKENS, prepare_any, NULL, NULL},
    {"TokenizersBackend", TOKENIZER_CLIP, NULL, NO_TOKENS, prepare_any, NULL, NULL}};

/* The class by its name, with or without 'Fast' at its end. */
static ss_status find_class(const char *name, const char *where, const tokenizer_class **out, ss_error *err) {
    for (size_t i = 0; i < sizeof CLASSES / sizeof CLASSES[0]; i++) {
        size_t n = strlen(CLASSES[i].name);
        if (strcmp(CLASSES[i].name, name) == 0 ||
            (strncmp(CLASSES[i].name, name, n) == 0 && strcmp(name + n, "Fast") == 0))
            return *out = &CLASSES[i], SS_OK;
    }
    return error_set(err, SS_ERR_INPUT, where,
                     "has the tokenizer class '%s'; sinkscope knows CLIPTokenizer, T5Tokenizer, BertTokenizer and "
                     "PreTrainedTokenizerFast",
                     name);
}

static void build_free(build *b) {
    json_decref(b->source);
    json_decref(b->normalizer);
    json_decref(b->pre_tokenizer);
    json_decref(b->model);
    token_plan_free(&b->plan);
    tokenizer_folder_close(&b->files);
}

/* Sides that no pipeline sets and that would change ids. */
static ss_status transformers5_check_sides(const tokenizer_folder *f, ss_error *err) {
    static const char *const SIDES[][2] = {{"padding_side", "padding"}, {"truncation_side", "truncation"}};
    for (int i = 0; i < 2; i++) {
        const char *side, *direction;
        SS_TRY(json_get_text_or(json_object_get(f->file, SIDES[i][1]), "direction", f->json_path, "Right", &direction,
                                err));
        SS_TRY(json_get_text_or(f->config, SIDES[i][0], f->config_path,
                                strcmp(direction, "Left") == 0 ? "left" : "right", &side, err));
        if (strcmp(side, "right") != 0)
            return error_set(err, SS_ERR_INPUT, f->config_path, "has %s '%s'; only 'right' is supported", SIDES[i][0],
                             side);
    }
    return SS_OK;
}

/* That the file would be read at all: transformers reads all of it, whatever it uses. */
static ss_status transformers5_check_file(const tokenizer_folder *f, ss_error *err) {
    post_ids unused;
    if (!f->file) return SS_OK;
    SS_TRY(normalizer_check_types(json_object_get(f->file, "normalizer"), f->json_path, err));
    SS_TRY(pre_tokenizer_check_types(json_object_get(f->file, "pre_tokenizer"), f->json_path, err));
    SS_TRY(post_processor_read(&unused, json_object_get(f->file, "post_processor"), f->json_path, err));
    return decoder_check_types(json_object_get(f->file, "decoder"), f->json_path, err);
}

static ss_status transformers5_read_length(const tokenizer_folder *f, int *max_length, ss_error *err) {
    double length = 0;
    SS_TRY(json_get_double_or(f->config, "max_len", f->config_path, 0, &length, err));
    SS_TRY(json_get_double_or(f->config, "model_max_length", f->config_path, length, &length, err));
    *max_length = length >= 1 && length <= TOKENIZER_MAX_LENGTH ? (int)length : 0;
    return SS_OK;
}

/* The tokens around a text, and the one that fills up. */
static ss_status set_roles(transformers5 *out, build *b, const tokenizer_class *c, ss_error *err) {
    const char *roles[] = {c->before, c->after, "pad_token"};
    int32_t ids[3] = {-1, -1, -1};
    for (int i = 0; i < 3; i++) {
        const char *content;
        if (!roles[i]) continue;
        SS_TRY(token_plan_role(&b->plan, roles[i], &content, err));
        ids[i] = json_tokenizer_id(out->json, content);
        if (ids[i] < 0) return error_set(err, SS_ERR_INPUT, b->where, "has no id for the %s '%s'", roles[i], content);
    }
    out->padding = ids[2];
    if (!c->model)
        return post_processor_read(&out->around, json_object_get(b->files.file, "post_processor"), b->where, err);
    if (c->before) out->around.before[out->around.n_before++] = ids[0];
    out->around.after[out->around.n_after++] = ids[1];
    return SS_OK;
}

static ss_status assemble(transformers5 *out, build *b, const tokenizer_class *c, ss_error *err) {
    int split;
    SS_TRY(token_plan_read(&b->plan, &b->files, c->defaults, err));
    SS_TRY(c->prepare(b, err));
    SS_TRY(json_tokenizer_open(&out->json, b->normalizer, b->pre_tokenizer, b->model, b->where, err));
    if (!c->model) SS_TRY(token_plan_add_own(&b->plan, out->json, json_object_get(b->files.file, "added_tokens"), err));
    SS_TRY(token_plan_add(&b->plan, out->json, err));
    SS_TRY(json_get_bool_or(b->files.config, "split_special_tokens", b->files.config_path, 0, &split, err));
    SS_TRY(json_tokenizer_finish(out->json, split, err));
    out->kind = c->kind;
    if (!c->model && strcmp(json_tokenizer_model(out->json), "Unigram") == 0) out->kind = TOKENIZER_T5;
    if (!c->model && strncmp(json_tokenizer_model(out->json), "Word", 4) == 0) out->kind = TOKENIZER_BERT;
    return set_roles(out, b, c, err);
}

static ss_status open_folder(transformers5 *out, build *b, const char *class_name, ss_error *err) {
    const tokenizer_class *c = NULL;
    const tokenizer_folder *f = &b->files;
    if (!class_name) SS_TRY(json_get_text(f->config, "tokenizer_class", f->config_path, &class_name, err));
    SS_TRY(find_class(class_name, f->config_path, &c, err));
    b->where = f->file ? f->json_path : f->folder;
    SS_TRY(transformers5_check_sides(f, err));
    SS_TRY(transformers5_check_file(f, err));
    SS_TRY(transformers5_read_length(f, &out->max_length, err));
    if (c->prepare == prepare_bert && !f->file) {
        text path = {0};
        text_addf(&path, "%s/vocab.txt", f->folder);
        ss_status status =
            path.failed ? error_no_memory(err, f->folder, path.len) : read_wordpiece_file(path.s, &b->source, err);
        text_free(&path);
        SS_TRY(status);
    }
    return assemble(out, b, c, err);
}

ss_status transformers5_open(transformers5 *out, const char *folder, const char *class_name, ss_error *err) {
    build b = {0};
    *out = (transformers5){0};
    ss_status status = tokenizer_folder_open(&b.files, folder, err);
    if (status == SS_OK) status = open_folder(out, &b, class_name, err);
    if (status != SS_OK) {
        json_tokenizer_close(out->json);
        out->json = NULL;
    }
    build_free(&b);
    return status;
}

ss_status transformers5_open_clip(transformers5 *out, const char *merges, const json_t *config, const char *where,
                                  ss_error *err) {
    build b = {.files = {.folder = text_copy(where), .config_path = text_copy(where), .json_path = text_copy(merges)}};
    json_t *model = NULL;
    *out = (transformers5){0};
    b.files.config = json_deep_copy(config);
    ss_status status = b.files.folder && b.files.config_path && b.files.json_path && b.files.config
                           ? read_merges_file(merges, &model, err)
                           : error_no_memory(err, where, 1);
    if (status == SS_OK && !(b.files.file = json_pack("{s:O}", "model", model)))
        status = error_no_memory(err, where, 1);
    if (status == SS_OK) status = open_folder(out, &b, "CLIPTokenizer", err);
    if (status != SS_OK) {
        json_tokenizer_close(out->json);
        out->json = NULL;
    }
    json_decref(model);
    build_free(&b);
    return status;
}

ss_status transformers5_open_wordpiece(transformers5 *out, const char *vocab_path, const char *const *added,
                                       int n_added, ss_error *err) {
    build b = {.where = vocab_path, .files = {.config = json_object(), .config_path = text_copy(vocab_path)}};
    *out = (transformers5){.max_length = 512};
    ss_status status = b.files.config && b.files.config_path ? read_wordpiece_file(vocab_path, &b.source, err)
                                                             : error_no_memory(err, vocab_path, 1);
    b.plan.more = added;
    b.plan.n_more = n_added;
    if (status == SS_OK) status = assemble(out, &b, &CLASSES[2], err);
    if (status != SS_OK) {
        json_tokenizer_close(out->json);
        out->json = NULL;
    }
    build_free(&b);
    return status;
}
