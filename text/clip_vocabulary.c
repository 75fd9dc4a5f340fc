/* Reading vocab.json, merges.txt and the special tokens of a CLIP tokenizer folder, or the merges alone. An id or a
 * line that the reference would read differently is refused. */
#include "text/clip_vocabulary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/file.h"
#include "base/text.h"
#include "io/gzip.h"
#include "io/json.h"
#include "text/unicode.h"

enum {
    FILE_LIMIT = 64 << 20,
    MAX_ID = 1 << 24,
    MAX_MERGES = 49152 - 256 - 2
}; /* the slice in CLIPTokenizer.__init__ */

static const char START[] = "<|startoftext|>", END[] = "<|endoftext|>";
const char *const CLIP_OPENAI_SPELLING[2] = {START, END};
const char *const CLIP_OPEN_CLIP_SPELLING[2] = {"<start_of_text>", "<end_of_text>"};

/* The symbol called s, made if need be. */
static ss_status intern(clip_vocabulary *v, const char *s, size_t n, int32_t *symbol, ss_error *err) {
    *symbol = string_map_get(&v->symbols, s, n);
    if (*symbol >= 0) return SS_OK;
    size_t capacity = v->symbol_capacity;
    SS_TRY(ARRAY_ROOM(v->names, capacity, v->symbol_count + 1, "a vocabulary", err));
    SS_TRY(ARRAY_ROOM(v->ids, v->symbol_capacity, v->symbol_count + 1, "a vocabulary", err));
    char *name = malloc(n + 1);
    if (!name) return error_no_memory(err, "a vocabulary", n + 1);
    memcpy(name, s, n);
    name[n] = '\0';
    *symbol = v->symbol_count++;
    v->names[*symbol] = name;
    v->ids[*symbol] = -1;
    return string_map_put(&v->symbols, name, n, *symbol, err);
}

static int is_printable(int byte) {
    return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

/* bytes_to_unicode: printable Latin-1 stands for itself, the other bytes for U+0100 and up, in order. */
static ss_status intern_bytes(clip_vocabulary *v, ss_error *err) {
    int32_t next = 0x100;
    for (int i = 0; i < 256; i++) {
        text s = {0};
        unicode_append(&s, is_printable(i) ? i : next++);
        size_t n = s.len;
        text_add(&s, "</w>");
        ss_status status = s.failed ? error_no_memory(err, "a vocabulary", 8) : intern(v, s.s, n, &v->bytes[0][i], err);
        if (status == SS_OK) status = intern(v, s.s, s.len, &v->bytes[1][i], err);
        text_free(&s);
        SS_TRY(status);
    }
    return SS_OK;
}

static ss_status clip_vocabulary_add_entries(clip_vocabulary *v, json_t *vocab, const char *path, ss_error *err) {
    const char *piece;
    json_t *id;
    int32_t symbol;
    if (!json_is_object(vocab))
        return error_set(err, SS_ERR_INPUT, path, "is %s; expected an object of pieces and ids", json_type_name(vocab));
    json_object_foreach(vocab, piece, id) {
        json_int_t value = json_integer_value(id);
        if (!json_is_integer(id) || value < 0 || value >= MAX_ID)
            return error_set(err, SS_ERR_INPUT, path, "'%s' has %s for its id; expected an integer in 0 .. %d", piece,
                             json_is_integer(id) ? "one out of range" : json_type_name(id), MAX_ID - 1);
        SS_TRY(intern(v, piece, strlen(piece), &symbol, err));
        v->ids[symbol] = (int32_t)value;
    }
    return SS_OK;
}

static ss_status read_vocab(clip_vocabulary *v, const char *folder, ss_error *err) {
    json_t *vocab = NULL;
    char *path = file_join(folder, "vocab.json");
    ss_status status =
        path ? json_read_file(path, FILE_LIMIT, &vocab, err) : error_no_memory(err, folder, strlen(folder));
    if (status == SS_OK) status = clip_vocabulary_add_entries(v, vocab, path, err);
    json_decref(vocab);
    free(path);
    return status;
}

/* One line of merges.txt: two symbols with a space between. */
static ss_status clip_vocabulary_add_merge(clip_vocabulary *v, const char *line, size_t n, const char *where,
                                           ss_error *err) {
    const char *space = memchr(line, ' ', n), *right = space ? space + 1 : NULL;
    size_t left_n = space ? (size_t)(space - line) : 0, right_n = space ? n - left_n - 1 : 0;
    int32_t a, b, merged;
    if (left_n == 0 || right_n == 0 || memchr(right, ' ', right_n))
        return error_set(err, SS_ERR_INPUT, where, "expected two symbols with one space between");
    SS_TRY(intern(v, line, left_n, &a, err));
    SS_TRY(intern(v, right, right_n, &b, err));
    text joined = {0};
    text_add_n(&joined, line, left_n);
    text_add_n(&joined, right, right_n);
    ss_status status = joined.failed ? error_no_memory(err, where, n) : intern(v, joined.s, joined.len, &merged, err);
    text_free(&joined);
    SS_TRY(status);
    int32_t rank = v->merge_count++;
    v->pairs[rank] = (uint64_t)(uint32_t)a << 32 | (uint32_t)b;
    v->merged[rank] = merged;
    return string_map_put(&v->merges, (const char *)&v->pairs[rank], 8, rank,
                          err); /* of a pair given twice the last rank counts */
}

/* Python's read().strip().split("\n")[1:...] in text mode, where \r\n and \r end a line too. */
static ss_status add_merges(clip_vocabulary *v, const char *s, size_t n, const char *path, ss_error *err) {
    char where[512];
    int line = 1;
    size_t i = strspn(s, " \t\r\n\v\f");
    while (n > i && strchr(" \t\r\n\v\f", s[n - 1])) n--;
    for (size_t k = 0; k < i; k++) line += s[k] == '\n';
    for (int first = 1; i < n && v->merge_count < MAX_MERGES; line++, first = 0) {
        size_t length = strcspn(s + i, "\r\n");
        if (length > n - i) length = n - i;
        snprintf(where, sizeof where, "%s:%d", path, line);
        if (!first) SS_TRY(clip_vocabulary_add_merge(v, s + i, length, where, err));
        i += length;
        i += i + 1 < n && s[i] == '\r' && s[i + 1] == '\n' ? 2 : 1;
    }
    return SS_OK;
}

static ss_status clip_vocabulary_read_merges(clip_vocabulary *v, const char *path, ss_error *err) {
    char *data = NULL;
    size_t n = 0;
    ss_status status = gzip_read(path, FILE_LIMIT, &data, &n, err);
    if (status == SS_OK && memchr(data, 0, n)) status = error_set(err, SS_ERR_INPUT, path, "has a NUL character");
    if (status == SS_OK && unicode_find_invalid(data, n) < n)
        status = error_set(err, SS_ERR_INPUT, path, "is not UTF-8 at byte %zu", unicode_find_invalid(data, n));
    v->pairs = malloc(MAX_MERGES * sizeof *v->pairs);
    v->merged = malloc(MAX_MERGES * sizeof *v->merged);
    if (status == SS_OK && (!v->pairs || !v->merged))
        status = error_no_memory(err, path, MAX_MERGES * sizeof *v->pairs);
    if (status == SS_OK) status = add_merges(v, data, n, path, err);
    free(data);
    return status;
}

static ss_status read_merges_of(clip_vocabulary *v, const char *folder, ss_error *err) {
    char *path = file_join(folder, "merges.txt");
    ss_status status = path ? clip_vocabulary_read_merges(v, path, err) : error_no_memory(err, folder, strlen(folder));
    free(path);
    return status;
}

int32_t clip_vocabulary_merge(const clip_vocabulary *v, int32_t left, int32_t right) {
    const uint64_t pair = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    return string_map_get(&v->merges, (const char *)&pair, sizeof pair);
}

static int32_t vocab_id(const clip_vocabulary *v, const char *piece) {
    int32_t symbol = string_map_get(&v->symbols, piece, strlen(piece));
    return symbol < 0 ? -1 : v->ids[symbol];
}

int32_t clip_vocabulary_whole(const clip_vocabulary *v, const char *s, size_t n) {
    for (int i = 0; i < 2; i++)
        if (strlen(v->spelling[i]) == n && memcmp(v->spelling[i], s, n) == 0) return v->spelt[i];
    return -1;
}

/* How many names get_vocab() has: the vocabulary's and those added tokens that are not in it. */
static int32_t count_names(const clip_vocabulary *v) {
    int32_t n = 0;
    for (int i = 0; i < v->symbol_count; i++) n += v->ids[i] >= 0;
    for (int i = 0; i < v->added.count; i++) n += vocab_id(v, v->added.at[i].content) < 0;
    return n;
}

/* Special tokens that have no number of their own yet take the vocabulary's id, or a new one at the end. */
static ss_status clip_vocabulary_add_roles(clip_vocabulary *v, const tokenizer_files *f, ss_error *err) {
    static const struct {
        const char *role, *by_default;
    } ROLES[] = {{"bos_token", START}, {"eos_token", END}, {"unk_token", END}, {"sep_token", ""},
                 {"pad_token", END},   {"cls_token", ""},  {"mask_token", ""}};
    int32_t next = count_names(v);
    for (size_t i = 0; i < sizeof ROLES / sizeof ROLES[0]; i++) {
        const json_t *token = tokenizer_files_role(f, ROLES[i].role);
        const char *content;
        SS_TRY(tokenizer_files_role_text(f, ROLES[i].role, ROLES[i].by_default, &content, err));
        if (added_tokens_find(&v->added, content) >= 0) continue;
        int32_t id = vocab_id(v, content);
        json_t *plain = token ? NULL : json_string(content);
        ss_status status =
            token || plain ? added_tokens_put(&v->added, token ? token : plain, id < 0 ? next : id, f->config_path, err)
                           : error_no_memory(err, f->config_path, strlen(content));
        json_decref(plain);
        SS_TRY(status);
        if (id < 0 && *content) next++;
    }
    const json_t *more = tokenizer_files_role(f, "additional_special_tokens");
    for (size_t i = 0; i < json_array_size(more); i++) {
        const json_t *token = json_array_get(more, i);
        const char *content = added_token_content(token);
        if (content && added_tokens_find(&v->added, content) >= 0) continue;
        int32_t id = content ? vocab_id(v, content) : -1;
        SS_TRY(added_tokens_put(&v->added, token, id < 0 ? next++ : id, f->config_path, err));
    }
    return SS_OK;
}

static ss_status role_id(const clip_vocabulary *v, const tokenizer_files *f, const char *role, const char *by_default,
                         int32_t *id, ss_error *err) {
    const char *content;
    SS_TRY(tokenizer_files_role_text(f, role, by_default, &content, err));
    int i = added_tokens_find(&v->added, content);
    if (i < 0) return error_set(err, SS_ERR_INPUT, f->config_path, "'%s' is empty; expected a token", role);
    *id = v->added.at[i].id;
    return SS_OK;
}

/* Ids become the places of an array; a symbol without one gets that of unk (-1: that is an error). */
static ss_status list_pieces(clip_vocabulary *v, int32_t unknown_id, const char *where, ss_error *err) {
    for (int i = 0; i < v->symbol_count; i++)
        if (v->ids[i] >= v->size) v->size = v->ids[i] + 1;
    v->pieces = calloc((size_t)v->size, sizeof *v->pieces);
    if (!v->pieces) return error_no_memory(err, where, (size_t)v->size * sizeof *v->pieces);
    for (int i = 0; i < v->symbol_count; i++) {
        if (v->ids[i] < 0) {
            if (unknown_id < 0)
                return error_set(err, SS_ERR_INPUT, where, "has no id for '%s', which a merge speaks of", v->names[i]);
            v->ids[i] = unknown_id;
            continue;
        }
        const char **piece = &v->pieces[v->ids[i]];
        if (*piece)
            return error_set(err, SS_ERR_INPUT, where, "id %d belongs to '%s' and to '%s'", v->ids[i], *piece,
                             v->names[i]);
        *piece = v->names[i];
    }
    return SS_OK;
}

/* Added tokens before the vocabulary before unk, as _convert_token_to_id_with_added_voc looks them up. */
static ss_status resolve_ids(clip_vocabulary *v, const tokenizer_files *f, ss_error *err) {
    const char *unknown;
    SS_TRY(tokenizer_files_role_text(f, "unk_token", END, &unknown, err));
    int32_t unknown_id = vocab_id(v, unknown);
    if (unknown_id < 0)
        return error_set(err, SS_ERR_INPUT, f->folder, "the unk_token '%s' is not in vocab.json", unknown);
    int32_t symbol;
    SS_TRY(intern(v, START, sizeof START - 1, &symbol, err));
    SS_TRY(intern(v, END, sizeof END - 1, &symbol, err));
    for (int i = 0; i < v->added.count; i++) {
        SS_TRY(intern(v, v->added.at[i].content, strlen(v->added.at[i].content), &symbol, err));
        v->ids[symbol] = v->added.at[i].id;
    }
    SS_TRY(list_pieces(v, unknown_id, f->folder, err));
    for (int i = 0; i < 2; i++) v->spelt[i] = vocab_id(v, v->spelling[i]);
    return SS_OK;
}

static ss_status clip_vocabulary_read_all(clip_vocabulary *v, const tokenizer_files *f, ss_error *err) {
    SS_TRY(intern_bytes(v, err));
    SS_TRY(read_vocab(v, f->folder, err));
    SS_TRY(read_merges_of(v, f->folder, err));
    SS_TRY(tokenizer_files_put_numbered(f, &v->added, err));
    SS_TRY(clip_vocabulary_add_roles(v, f, err));
    for (int i = 0; i < v->added.count; i++) {
        v->added.at[i].normalized = 0; /* the slow tokenizer looks for all of them in the raw text */
        if (v->added.at[i].id >= MAX_ID)
            return error_set(err, SS_ERR_INPUT, f->config_path,
                             "the added token '%s' has id %d; at most %d is expected", v->added.at[i].content,
                             v->added.at[i].id, MAX_ID - 1);
    }
    SS_TRY(resolve_ids(v, f, err));
    SS_TRY(role_id(v, f, "bos_token", START, &v->start, err));
    SS_TRY(role_id(v, f, "eos_token", END, &v->end, err));
    return role_id(v, f, "pad_token", END, &v->padding, err);
}

ss_status clip_vocabulary_open(clip_vocabulary *v, const tokenizer_files *files, ss_error *err) {
    *v = (clip_vocabulary){.spelling = {START, END}};
    ss_status status = clip_vocabulary_read_all(v, files, err);
    if (status != SS_OK) clip_vocabulary_close(v);
    return status;
}

/* vocab = bytes in the order of bytes_to_unicode, the same with </w>, merges, the two special tokens. A name that comes
 * twice has the later id, as in the reference's dict(zip(vocab, range(len(vocab)))). */
static ss_status number_symbols(clip_vocabulary *v, const char *path, ss_error *err) {
    int32_t next = 0, special[2];
    for (int ends_word = 0; ends_word < 2; ends_word++)
        for (int printable = 1; printable >= 0; printable--)
            for (int byte = 0; byte < 256; byte++)
                if (is_printable(byte) == printable) v->ids[v->bytes[ends_word][byte]] = next++;
    for (int i = 0; i < v->merge_count; i++) v->ids[v->merged[i]] = next++;
    for (int i = 0; i < 2; i++) {
        SS_TRY(intern(v, v->spelling[i], strlen(v->spelling[i]), &special[i], err));
        v->ids[special[i]] = next++;
    }
    return list_pieces(v, -1, path, err);
}

/* The id of a special token in a vocab.json: by its name there, or as the package spells it. */
static ss_status special_id(const clip_vocabulary *v, const char *folder, int i, int32_t *id, ss_error *err) {
    *id = vocab_id(v, CLIP_OPENAI_SPELLING[i]);
    if (*id < 0) *id = vocab_id(v, v->spelling[i]);
    if (*id >= 0) return SS_OK;
    return error_set(err, SS_ERR_INPUT, folder, "vocab.json has neither '%s' nor '%s'", CLIP_OPENAI_SPELLING[i],
                     v->spelling[i]);
}

static ss_status read_openai(clip_vocabulary *v, const char *path, ss_error *err) {
    SS_TRY(intern_bytes(v, err));
    if (file_is_folder(path)) {
        SS_TRY(read_vocab(v, path, err));
        SS_TRY(read_merges_of(v, path, err));
        SS_TRY(special_id(v, path, 0, &v->start, err));
        SS_TRY(special_id(v, path, 1, &v->end, err));
        SS_TRY(list_pieces(v, -1, path, err));
    } else {
        SS_TRY(clip_vocabulary_read_merges(v, path, err));
        if (v->merge_count == 0) return error_set(err, SS_ERR_INPUT, path, "has no merges after its first line");
        SS_TRY(number_symbols(v, path, err));
        v->start = vocab_id(v, v->spelling[0]);
        v->end = vocab_id(v, v->spelling[1]);
    }
    v->spelt[0] = v->start;
    v->spelt[1] = v->end;
    v->padding = 0;
    return SS_OK;
}

ss_status clip_vocabulary_open_openai(clip_vocabulary *v, const char *path, const char *const spelling[2],
                                      ss_error *err) {
    *v = (clip_vocabulary){.spelling = {spelling[0], spelling[1]}};
    ss_status status = read_openai(v, path, err);
    if (status != SS_OK) clip_vocabulary_close(v);
    return status;
}

void clip_vocabulary_close(clip_vocabulary *v) {
    for (int i = 0; i < v->symbol_count; i++) free(v->names[i]);
    free(v->names);
    free(v->ids);
    free(v->pairs);
    free(v->merged);
    free(v->pieces);
    string_map_free(&v->symbols);
    string_map_free(&v->merges);
    added_tokens_free(&v->added);
    *v = (clip_vocabulary){0};
}
