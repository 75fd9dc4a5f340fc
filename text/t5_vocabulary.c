/* Opening a T5 tokenizer folder. Which file decides what follows T5TokenizerFast.__init__,
 * PreTrainedTokenizerFast.__init__ and PreTrainedTokenizerBase._from_pretrained of transformers 4.57.1. Files that
 * contradict each other are refused. */
#include "text/t5_vocabulary.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "io/json.h"

enum { FILE_LIMIT = 64 << 20, MAX_EXTRA_IDS = 10000, MAX_ID = 1 << 24 };

static const double UNKNOWN_PENALTY = 10.0; /* K_UNK_PENALTY of tokenizers/src/models/unigram/model.rs */

/* How the reference gets its steps. */
typedef struct source {
    json_t *tree; /* tokenizer.json where it counts, else NULL: then spiece.model is converted */
    char *path;
    t5_prefix prefix; /* for the conversion */
} source;

/* A given add_prefix_space forces the conversion; so does a missing tokenizer.json. */
static ss_status t5_vocabulary_find_source(source *src, const tokenizer_files *f, ss_error *err) {
    int add, legacy, given = json_has(f->config, "add_prefix_space");
    int is_null = !given && json_object_get(f->config, "add_prefix_space") != NULL;
    SS_TRY(json_get_bool_or(f->config, "add_prefix_space", f->config_path, !is_null, &add, err));
    SS_TRY(json_get_bool_or(f->config, "legacy", f->config_path, 1, &legacy, err));
    src->prefix = !add ? T5_PREFIX_NEVER : legacy ? T5_PREFIX_ALWAYS : T5_PREFIX_FIRST;
    src->path = file_join(f->folder, "tokenizer.json");
    if (!src->path) return error_no_memory(err, f->folder, strlen(f->folder));
    return given || !file_exists(src->path) ? SS_OK : json_read_file(src->path, FILE_LIMIT, &src->tree, err);
}

static ss_status append_extra_ids(t5_vocabulary *v, const tokenizer_files *f, ss_error *err) {
    double n = 100;
    SS_TRY(json_get_double_or(f->config, "extra_ids", f->config_path, n, &n, err));
    if (!(n >= 0 && n <= MAX_EXTRA_IDS) || n != (double)(int)n)
        return error_set(err, SS_ERR_INPUT, f->config_path, "'extra_ids' is not an integer in 0 .. %d", MAX_EXTRA_IDS);
    for (int i = (int)n - 1; i >= 0; i--) {
        text name = {0};
        text_addf(&name, "<extra_id_%d>", i);
        ss_status status = name.failed ? error_no_memory(err, f->folder, 32)
                                       : spiece_model_append(&v->model, name.s, 0, SPIECE_NORMAL, f->folder, err);
        text_free(&name);
        SS_TRY(status);
    }
    return SS_OK;
}

/* What tokenizer.json has beyond spiece.model; t5_steps_read checked the rest. */
static ss_status append_vocab(t5_vocabulary *v, const source *src, ss_error *err) {
    const json_t *vocab = json_object_get(json_object_get(src->tree, "model"), "vocab");
    for (size_t i = (size_t)v->model.count; i < json_array_size(vocab); i++) {
        const json_t *pair = json_array_get(vocab, i), *score = json_array_get(pair, 1);
        const char *piece = json_string_value(json_array_get(pair, 0));
        if (!piece || !json_is_number(score))
            return error_set(err, SS_ERR_INPUT, src->path, "entry %zu of the vocabulary is not a piece and a score", i);
        SS_TRY(spiece_model_append(&v->model, piece, (float)json_number_value(score), SPIECE_NORMAL, src->path, err));
    }
    return SS_OK;
}

static ss_status index_pieces(t5_vocabulary *v, const char *where, ss_error *err) {
    double lowest = v->model.pieces[0].score;
    for (int i = 0; i < v->model.count; i++) {
        const spiece *p = &v->model.pieces[i];
        if (string_map_get(&v->ids, p->text, p->length) >= 0)
            return error_set(err, SS_ERR_INPUT, where, "has the piece '%s' twice", p->text);
        SS_TRY(string_map_put(&v->ids, p->text, p->length, i, err));
        if (p->length > v->longest) v->longest = p->length;
        if (p->score < lowest) lowest = p->score;
    }
    v->unknown_score = lowest - UNKNOWN_PENALTY;
    return SS_OK;
}

/* The id a token gets when it is added: that of an added token or piece of this name, else the next free one. */
static int32_t id_for(const t5_vocabulary *v, const char *content) {
    int i = added_tokens_find(&v->added, content);
    int32_t id = i >= 0 ? v->added.at[i].id : string_map_get(&v->ids, content, strlen(content));
    if (id >= 0) return id;
    id = v->model.count;
    for (i = 0; i < v->added.count; i++)
        if (v->added.at[i].id >= id) id = v->added.at[i].id + 1;
    return id;
}

/* Added tokens of tokenizer.json; of a converted model its control and user-defined pieces. */
static ss_status add_own(t5_vocabulary *v, const source *src, ss_error *err) {
    for (int i = 0; !src->tree && i < v->model.count; i++) {
        const spiece *p = &v->model.pieces[i];
        if (p->type != SPIECE_CONTROL && p->type != SPIECE_USER_DEFINED) continue;
        json_t *token = json_string(p->text);
        ss_status status =
            token ? added_tokens_put(&v->added, token, i, src->path, err) : error_no_memory(err, src->path, p->length);
        json_decref(token);
        SS_TRY(status);
    }
    const json_t *list = json_object_get(src->tree, "added_tokens");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *token = json_array_get(list, i);
        int64_t id;
        SS_TRY(json_get_int(token, "id", src->path, &id, err));
        if (id < 0 || id >= MAX_ID)
            return error_set(err, SS_ERR_INPUT, src->path, "an added token has id %lld", (long long)id);
        SS_TRY(added_tokens_put(&v->added, token, (int32_t)id, src->path, err));
    }
    return SS_OK;
}

/* added_tokens_decoder and added_tokens.json: their flags win over those added so far; their ids must agree. */
static ss_status t5_vocabulary_add_numbered(t5_vocabulary *v, const tokenizer_files *f, ss_error *err) {
    added_tokens numbered = {0};
    ss_status status = tokenizer_files_put_numbered(f, &numbered, err);
    for (int i = 0; status == SS_OK && i < numbered.count; i++) {
        const added_token *t = &numbered.at[i];
        int32_t id = id_for(v, t->content);
        if (id != t->id) {
            status =
                error_set(err, SS_ERR_INPUT, f->config_path,
                          "the added token '%s' has id %d; its place in the vocabulary is %d", t->content, t->id, id);
            break;
        }
        json_t *token = json_pack("{s:s, s:b, s:b, s:b}", "content", t->content, "lstrip", t->lstrip, "rstrip",
                                  t->rstrip, "normalized", t->normalized);
        status = token ? added_tokens_put(&v->added, token, id, f->config_path, err)
                       : error_no_memory(err, f->config_path, strlen(t->content));
        json_decref(token);
    }
    added_tokens_free(&numbered);
    return status;
}

static ss_status add_plain(t5_vocabulary *v, const json_t *token, const char *content, const char *where,
                           ss_error *err) {
    if (added_tokens_find(&v->added, content) >= 0) return SS_OK;
    json_t *plain = token ? NULL : json_string(content);
    if (!token && !plain) return error_no_memory(err, where, strlen(content));
    ss_status status = added_tokens_put(&v->added, token ? token : plain, id_for(v, content), where, err);
    json_decref(plain);
    return status;
}

/* Special tokens that no list has numbered. */
static ss_status t5_vocabulary_add_roles(t5_vocabulary *v, const tokenizer_files *f, ss_error *err) {
    static const char *const ROLES[][2] = {{"eos_token", "</s>"}, {"unk_token", "<unk>"}, {"pad_token", "<pad>"}};
    for (int i = 0; i < 3; i++) {
        const char *content;
        SS_TRY(tokenizer_files_role_text(f, ROLES[i][0], ROLES[i][1], &content, err));
        SS_TRY(add_plain(v, tokenizer_files_role(f, ROLES[i][0]), content, f->config_path, err));
    }
    const json_t *more = tokenizer_files_role(f, "additional_special_tokens");
    int has_extra = 0;
    for (size_t i = 0; i < json_array_size(more); i++) {
        const char *content = added_token_content(json_array_get(more, i));
        if (!content)
            return error_set(err, SS_ERR_INPUT, f->config_path, "additional_special_tokens[%zu] is not a token", i);
        SS_TRY(add_plain(v, json_array_get(more, i), content, f->config_path, err));
        has_extra |= strstr(content, "<extra_id_") != NULL;
    }
    for (int i = 0; !has_extra && i < v->model.count; i++) /* the sentinels, where the folder does not list them */
        if (strncmp(v->model.pieces[i].text, "<extra_id_", 10) == 0)
            SS_TRY(add_plain(v, NULL, v->model.pieces[i].text, f->config_path, err));
    return SS_OK;
}

/* Patterns of tokens that are looked for after normalization; the size of the vocabulary; the two ids. */
static ss_status t5_vocabulary_finish(t5_vocabulary *v, const tokenizer_files *f, ss_error *err) {
    const char *content;
    v->size = v->model.count;
    for (int i = 0; i < v->added.count; i++) {
        added_token *t = &v->added.at[i];
        if (t->id >= v->size) v->size = t->id + 1;
        if (!t->normalized) continue;
        text pattern = {0};
        size_t stripped;
        ss_status status = t5_normalize(v, t->content, strlen(t->content), &pattern, &stripped, err);
        if (status == SS_OK && pattern.len == 0)
            status = error_set(err, SS_ERR_INPUT, f->folder, "the added token '%s' is nothing after normalization",
                               t->content);
        if (status != SS_OK) {
            text_free(&pattern);
            return status;
        }
        free(t->pattern);
        t->pattern = pattern.s;
    }
    if (v->size > MAX_ID)
        return error_set(err, SS_ERR_INPUT, f->folder, "has ids up to %d; at most %d are expected", v->size - 1,
                         MAX_ID - 1);
    SS_TRY(tokenizer_files_role_text(f, "eos_token", "</s>", &content, err));
    v->end = id_for(v, content);
    SS_TRY(tokenizer_files_role_text(f, "pad_token", "<pad>", &content, err));
    v->padding = id_for(v, content);
    return SS_OK;
}

static ss_status t5_vocabulary_read_all(t5_vocabulary *v, source *src, const tokenizer_files *f, const char *model_path,
                                        ss_error *err) {
    const char *end;
    SS_TRY(t5_vocabulary_find_source(src, f, err));
    SS_TRY(spiece_model_open(&v->model, model_path, err));
    if (v->model.charsmap)
        SS_TRY(charsmap_read(&v->charsmap, v->model.charsmap, v->model.charsmap_size, model_path, err));
    SS_TRY(tokenizer_files_role_text(f, "eos_token", "</s>", &end, err));
    if (src->tree) {
        SS_TRY(t5_steps_read(&v->steps, src->tree, &v->model, end, src->path, err));
        SS_TRY(append_vocab(v, src, err));
    } else {
        t5_steps_convert(&v->steps, &v->model, src->prefix);
        SS_TRY(append_extra_ids(v, f, err));
    }
    SS_TRY(index_pieces(v, model_path, err));
    SS_TRY(add_own(v, src, err));
    SS_TRY(t5_vocabulary_add_numbered(v, f, err));
    SS_TRY(t5_vocabulary_add_roles(v, f, err));
    return t5_vocabulary_finish(v, f, err);
}

ss_status t5_vocabulary_open(t5_vocabulary *v, const tokenizer_files *files, ss_error *err) {
    *v = (t5_vocabulary){0};
    source src = {0};
    char *model_path = file_join(files->folder, "spiece.model");
    ss_status status =
        model_path ? t5_vocabulary_read_all(v, &src, files, model_path, err) : error_no_memory(err, files->folder, 1);
    json_decref(src.tree);
    free(src.path);
    free(model_path);
    if (status != SS_OK) t5_vocabulary_close(v);
    return status;
}

void t5_vocabulary_close(t5_vocabulary *v) {
    spiece_model_close(&v->model);
    string_map_free(&v->ids);
    added_tokens_free(&v->added);
    *v = (t5_vocabulary){0};
}
