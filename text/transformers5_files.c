/* Reading the files of a tokenizer folder. Which of them count follows _from_pretrained of transformers 5.24.0: where
 * tokenizer_config.json has added_tokens_decoder, special_tokens_map.json and added_tokens.json do not. */
#include "text/transformers5_files.h"

#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/file.h"
#include "base/text.h"
#include "io/content.h"
#include "io/json.h"
#include "text/clip_vocabulary.h"
#include "text/spiece_model.h"
#include "text/unicode.h"

enum { CONFIG_LIMIT = 16 << 20, FILE_LIMIT = 256 << 20 };

/* An optional file of the folder that holds an object; *out NULL: it is not there. */
static ss_status transformers5_files_read_optional(const char *folder, const char *name, int as_reals, json_t **out,
                                                   ss_error *err) {
    char *path = file_join(folder, name);
    *out = NULL;
    if (!path) return error_no_memory(err, folder, strlen(folder));
    ss_status status = SS_OK;
    if (file_exists(path))
        status = as_reals ? json_read_file_as_reals(path, CONFIG_LIMIT, out, err)
                          : json_read_file(path, FILE_LIMIT, out, err);
    if (status == SS_OK && *out && !json_is_object(*out))
        status = error_set(err, SS_ERR_INPUT, path, "is %s; expected an object", json_type_name(*out));
    free(path);
    return status;
}

static ss_status transformers5_files_open_all(tokenizer_folder *f, ss_error *err) {
    SS_TRY(transformers5_files_read_optional(f->folder, "tokenizer_config.json", 1, &f->config, err));
    if (!f->config) f->config = json_object();
    if (!f->config) return error_no_memory(err, f->folder, 1);
    if (json_has(f->config, "fast_tokenizer_files"))
        return error_set(err, SS_ERR_INPUT, f->config_path, "names fast_tokenizer_files, which is not supported");
    SS_TRY(transformers5_files_read_optional(f->folder, "tokenizer.json", 0, &f->file, err));
    if (json_object_get(f->config, "added_tokens_decoder")) return SS_OK;
    SS_TRY(transformers5_files_read_optional(f->folder, "special_tokens_map.json", 0, &f->special, err));
    return transformers5_files_read_optional(f->folder, "added_tokens.json", 0, &f->added, err);
}

ss_status tokenizer_folder_open(tokenizer_folder *f, const char *folder, ss_error *err) {
    *f = (tokenizer_folder){.folder = text_copy(folder),
                            .config_path = file_join(folder, "tokenizer_config.json"),
                            .json_path = file_join(folder, "tokenizer.json")};
    ss_status status = f->folder && f->config_path && f->json_path ? transformers5_files_open_all(f, err)
                                                                   : error_no_memory(err, folder, strlen(folder));
    if (status != SS_OK) tokenizer_folder_close(f);
    return status;
}

void tokenizer_folder_close(tokenizer_folder *f) {
    json_decref(f->config);
    json_decref(f->special);
    json_decref(f->added);
    json_decref(f->file);
    free(f->folder);
    free(f->config_path);
    free(f->json_path);
    *f = (tokenizer_folder){0};
}

/* ---- the older files ---- */

/* Calls `add` with each line of a text file, without its line break. */
static ss_status each_line(const char *path,
                           ss_status (*add)(json_t *to, const char *line, size_t n, size_t row, const char *path,
                                            ss_error *err),
                           json_t *to, ss_error *err) {
    char *data;
    size_t size;
    SS_TRY(file_read(path, FILE_LIMIT, &data, &size, err));
    size_t invalid = unicode_find_invalid(data, size);
    ss_status status = content_check(data, size, CONTENT_EMPTY | CONTENT_JSON, "text", path, err);
    if (status == SS_OK && (invalid < size || memchr(data, '\0', size)))
        status = error_set(err, SS_ERR_INPUT, path, "is not UTF-8 text: byte %zu",
                           invalid < size ? invalid : (size_t)((char *)memchr(data, '\0', size) - data));
    for (size_t i = 0, row = 0, end; status == SS_OK && i < size; i = end + 1, row++) {
        const char *line_break = memchr(data + i, '\n', size - i);
        end = line_break ? (size_t)(line_break - data) : size;
        size_t n = end - i;
        if (n && data[i + n - 1] == '\r') n--;
        status = add(to, data + i, n, row, path, err);
    }
    free(data);
    return status;
}

static ss_status transformers5_files_add_merge(json_t *to, const char *line, size_t n, size_t row, const char *path,
                                               ss_error *err) {
    const char *gap = memchr(line, ' ', n);
    if (n >= 8 && memcmp(line, "#version", 8) == 0) return SS_OK;
    if (!gap || memchr(gap + 1, ' ', n - (size_t)(gap + 1 - line)))
        return error_set(err, SS_ERR_INPUT, path, "line %zu: expected two symbols with one space between", row + 1);
    json_t *pair = json_array();
    json_array_append_new(pair, json_stringn(line, (size_t)(gap - line)));
    json_array_append_new(pair, json_stringn(gap + 1, n - (size_t)(gap + 1 - line)));
    json_array_append_new(to, pair);
    return SS_OK;
}

/* A piece a line, its place the id; a later line of the same text wins. */
static ss_status transformers5_files_add_piece(json_t *to, const char *line, size_t n, size_t row, const char *path,
                                               ss_error *err) {
    int32_t cp;
    size_t end = 0;
    (void)err;
    for (size_t i = 0, step; i < n; i += step) {
        step = unicode_next(line + i, n - i, &cp);
        if (!unicode_is_space(cp)) end = i + step;
    }
    char *piece = malloc(end + 1);
    if (!piece) return error_no_memory(err, path, end);
    memcpy(piece, line, end);
    piece[end] = '\0';
    json_object_set_new(to, piece, json_integer((json_int_t)row));
    free(piece);
    return SS_OK;
}

/* Ends the building of a tree: it is handed out, or dropped where memory ran out or something failed. */
static ss_status hand_out(json_t *tree, json_t **out, ss_status status, const char *where, ss_error *err) {
    if (status == SS_OK && (!tree || json_starved())) status = error_no_memory(err, where, 1);
    if (status == SS_OK) *out = tree;
    else json_decref(tree);
    return status;
}

ss_status read_bpe_files(const char *folder, json_t **out, ss_error *err) {
    char *vocab_path = file_join(folder, "vocab.json"), *merges_path = file_join(folder, "merges.txt");
    json_t *vocab = NULL, *merges = NULL, *tree = NULL;
    ss_status status = vocab_path && merges_path ? json_read_file(vocab_path, FILE_LIMIT, &vocab, err)
                                                 : error_no_memory(err, folder, strlen(folder));
    if (status == SS_OK && !json_is_object(vocab))
        status = error_set(err, SS_ERR_INPUT, vocab_path, "is %s; expected an object", json_type_name(vocab));
    json_watch();
    if (status == SS_OK) status = (merges = json_array()) ? SS_OK : error_no_memory(err, folder, 1);
    if (status == SS_OK) status = each_line(merges_path, transformers5_files_add_merge, merges, err);
    if (status == SS_OK) tree = json_pack("{s:O, s:O}", "vocab", vocab, "merges", merges);
    status = hand_out(tree, out, status, folder, err);
    json_decref(vocab);
    json_decref(merges);
    free(vocab_path);
    free(merges_path);
    return status;
}

ss_status read_merges_file(const char *path, json_t **out, ss_error *err) {
    clip_vocabulary v;
    SS_TRY(clip_vocabulary_open_openai(&v, path, CLIP_OPENAI_SPELLING, err));
    json_watch();
    json_t *vocab = json_object(), *merges = json_array(), *tree = NULL;
    for (int id = 0; id < v.size; id++)
        if (v.pieces[id]) json_object_set_new(vocab, v.pieces[id], json_integer(id));
    ss_status status =
        vocab && merges ? each_line(path, transformers5_files_add_merge, merges, err) : error_no_memory(err, path, 1);
    if (status == SS_OK) tree = json_pack("{s:O, s:O}", "vocab", vocab, "merges", merges);
    status = hand_out(tree, out, status, path, err);
    json_decref(vocab);
    json_decref(merges);
    clip_vocabulary_close(&v);
    return status;
}

ss_status read_wordpiece_file(const char *path, json_t **out, ss_error *err) {
    json_watch();
    json_t *vocab = json_object();
    ss_status status =
        vocab ? each_line(path, transformers5_files_add_piece, vocab, err) : error_no_memory(err, path, 1);
    json_t *tree = status == SS_OK ? json_pack("{s:O}", "vocab", vocab) : NULL;
    json_decref(vocab);
    return hand_out(tree, out, status, path, err);
}

/* The normalization table in base64, null where there is none. */
static json_t *coded_table(const spiece_model *m) {
    if (!m->charsmap || m->charsmap_size == 0) return json_null();
    text coded = {0};
    base64_add(&coded, m->charsmap, m->charsmap_size);
    json_t *value = coded.failed ? NULL : json_string(coded.s);
    text_free(&coded);
    return value;
}

static json_t *unigram_tree(const spiece_model *m) {
    json_t *vocab = json_array(), *added = json_array();
    for (int i = 0; i < m->count; i++) {
        const spiece *p = &m->pieces[i];
        json_array_append_new(vocab, json_pack("[s, f]", p->text, (double)p->score));
        if (p->type == SPIECE_CONTROL || p->type == SPIECE_USER_DEFINED) /* AddedTokens of SentencePieceExtractor */
            json_array_append_new(added, json_pack("{s:s, s:b, s:b}", "content", p->text, "special",
                                                   p->type == SPIECE_CONTROL, "normalized", 0));
    }
    return json_pack("{s:o, s:o, s:o}", "vocab", vocab, "added", added, "precompiled_charsmap", coded_table(m));
}

ss_status read_unigram_file(const char *folder, json_t **out, ss_error *err) {
    spiece_model m = {0};
    char *path = file_join(folder, "spiece.model");
    ss_status status = path ? spiece_model_open(&m, path, err) : error_no_memory(err, folder, strlen(folder));
    json_watch();
    json_t *tree = status == SS_OK ? unigram_tree(&m) : NULL;
    status = hand_out(tree, out, status, folder, err);
    spiece_model_close(&m);
    free(path);
    return status;
}
