/* Encoding with BERT's WordPiece: cut out special tokens, clean, lower-case, strip accents, split at spaces and
 * punctuation, then take the longest piece that fits, again and again. The order of steps and the oddities are those of
 * the reference. A piece that occurs twice is refused: the reference would give it the later id and count it once. */
#include "text/scorers/bert_wordpiece.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/string_map.h"
#include "base/text.h"
#include "io/content.h"
#include "io/json.h"
#include "text/basic_clean.h"
#include "text/unicode.h"

enum { FILE_LIMIT = 64 << 20, MAX_PIECES = 1 << 22, LONGEST_WORD = 100 /* max_input_chars_per_word */ };

struct bert_wordpiece {
    char *data;          /* the file, its lines terminated */
    const char **pieces; /* [count], into data */
    int count, size;     /* pieces of the file; with the added ones that are not in it */
    string_map ids;      /* piece -> id */
    string_map tails;    /* what follows "##" -> id */
    added_tokens added;  /* special tokens, those of the file among them */
    int32_t unknown, start, end, padding;
    unicode_case *cases;
};

static const char *const ROLES[] = {"unk_token", "sep_token", "pad_token", "cls_token", "mask_token"};
static const char *const SPECIAL[] = {"[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]"};
enum { SPECIAL_COUNT = sizeof SPECIAL / sizeof SPECIAL[0] };

/* load_vocab: a piece a line; \n, \r\n and \r end one, as in Python's text mode. */
static ss_status number_lines(bert_wordpiece *w, size_t n, const char *path, ss_error *err) {
    size_t lines = 1;
    for (size_t i = 0; i < n; i++) lines += w->data[i] == '\n' || w->data[i] == '\r';
    if (lines > MAX_PIECES)
        return error_set(err, SS_ERR_INPUT, path, "has more than %d lines; expected a vocabulary", MAX_PIECES);
    w->pieces = malloc(lines * sizeof *w->pieces);
    if (!w->pieces) return error_no_memory(err, path, lines * sizeof *w->pieces);
    for (size_t i = 0; i < n;) {
        char *piece = w->data + i;
        size_t length = strcspn(piece, "\r\n");
        i += length;
        i += i + 1 < n && w->data[i] == '\r' && w->data[i + 1] == '\n' ? 2 : 1;
        piece[length] = '\0';
        int32_t id = w->count, before = string_map_get(&w->ids, piece, length);
        if (before >= 0)
            return error_set(err, SS_ERR_INPUT, path, "lines %d and %d both hold '%s'", before + 1, id + 1, piece);
        w->pieces[w->count++] = piece;
        SS_TRY(string_map_put(&w->ids, piece, length, id, err));
        if (length > 2 && piece[0] == '#' && piece[1] == '#')
            SS_TRY(string_map_put(&w->tails, piece + 2, length - 2, id, err));
    }
    return SS_OK;
}

static ss_status read_vocabulary(bert_wordpiece *w, const char *path, ss_error *err) {
    size_t n;
    SS_TRY(file_read(path, FILE_LIMIT, &w->data, &n, err));
    SS_TRY(content_check(w->data, n, CONTENT_JSON | CONTENT_EMPTY, "a vocabulary, a piece a line", path, err));
    size_t mark = content_mark(w->data, n);
    if (mark) memmove(w->data, w->data + mark, (n -= mark) + 1);
    if (memchr(w->data, 0, n)) return error_set(err, SS_ERR_INPUT, path, "has a NUL character");
    size_t invalid = unicode_find_invalid(w->data, n);
    if (invalid < n) return error_set(err, SS_ERR_INPUT, path, "is not UTF-8 at byte %zu", invalid);
    SS_TRY(number_lines(w, n, path, err));
    int32_t ids[SPECIAL_COUNT];
    for (int i = 0; i < SPECIAL_COUNT; i++) {
        ids[i] = string_map_get(&w->ids, SPECIAL[i], strlen(SPECIAL[i]));
        if (ids[i] < 0)
            return error_set(err, SS_ERR_INPUT, path, "has no line '%s'; expected a vocabulary of BERT's", SPECIAL[i]);
    }
    w->unknown = ids[0];
    w->end = ids[1];
    w->padding = ids[2];
    w->start = ids[3];
    w->size = w->count;
    return SS_OK;
}

/* A special token: the vocabulary's id, or a new one at the end. */
static ss_status bert_wordpiece_add_special(bert_wordpiece *w, const json_t *item, const char *where, ss_error *err) {
    const char *content = added_token_content(item);
    if (content && added_tokens_find(&w->added, content) >= 0) return SS_OK;
    int32_t id = content ? string_map_get(&w->ids, content, strlen(content)) : -1;
    SS_TRY(added_tokens_put(&w->added, item, id < 0 ? w->size : id, where, err));
    if (id < 0 && content && *content) w->size++;
    return SS_OK;
}

static ss_status bert_wordpiece_add_named(bert_wordpiece *w, const char *content, const char *where, ss_error *err) {
    json_watch();
    json_t *item = json_string(content);
    if (json_starved()) return error_no_memory(err, where, strlen(content));
    if (!item) return error_set(err, SS_ERR_INPUT, where, "an added token is not UTF-8");
    ss_status status = bert_wordpiece_add_special(w, item, where, err);
    json_decref(item);
    return status;
}

static ss_status bert_wordpiece_open_file(bert_wordpiece *w, const char *path, const char *const *added, int n_added,
                                          ss_error *err) {
    SS_TRY(unicode_case_create(&w->cases, err));
    SS_TRY(read_vocabulary(w, path, err));
    for (int i = 0; i < SPECIAL_COUNT; i++) SS_TRY(bert_wordpiece_add_named(w, SPECIAL[i], path, err));
    for (int i = 0; i < n_added; i++) SS_TRY(bert_wordpiece_add_named(w, added[i], path, err));
    return SS_OK;
}

ss_status bert_wordpiece_open(bert_wordpiece **out, const char *vocab_path, const char *const *added, int n_added,
                              ss_error *err) {
    *out = NULL;
    bert_wordpiece *w = calloc(1, sizeof *w);
    if (!w) return error_no_memory(err, vocab_path, sizeof *w);
    ss_status status = bert_wordpiece_open_file(w, vocab_path, added, n_added, err);
    if (status == SS_OK) *out = w;
    else bert_wordpiece_close(w);
    return status;
}

/* Settings that must be as in bert-base-uncased. */
static ss_status bert_wordpiece_check_settings(const tokenizer_files *f, ss_error *err) {
    static const char *const SWITCHES[] = {"do_lower_case", "do_basic_tokenize", "tokenize_chinese_chars",
                                           "strip_accents"};
    for (size_t i = 0; i < sizeof SWITCHES / sizeof SWITCHES[0]; i++) {
        const json_t *value = json_object_get(f->config, SWITCHES[i]);
        if (value && !json_is_null(value) && !json_is_true(value))
            return error_set(err, SS_ERR_INPUT, f->config_path,
                             "sets %s otherwise than true; only uncased BERT is supported", SWITCHES[i]);
    }
    const json_t *never = json_object_get(f->config, "never_split");
    if (never && !json_is_null(never))
        return error_set(err, SS_ERR_INPUT, f->config_path, "sets never_split, which is not supported");
    for (int i = 0; i < SPECIAL_COUNT; i++) {
        const char *content;
        SS_TRY(tokenizer_files_role_text(f, ROLES[i], SPECIAL[i], &content, err));
        if (strcmp(content, SPECIAL[i]) != 0)
            return error_set(err, SS_ERR_INPUT, f->config_path, "has %s '%s'; only '%s' is supported", ROLES[i],
                             content, SPECIAL[i]);
    }
    return SS_OK;
}

/* Numbered tokens, then roles, then additional special tokens, as PreTrainedTokenizer.__init__ adds them. */
static ss_status add_configured(bert_wordpiece *w, const tokenizer_files *f, ss_error *err) {
    static const char *const MORE[] = {"bos_token", "eos_token"};
    added_tokens numbered = {0};
    ss_status status = tokenizer_files_put_numbered(f, &numbered, err);
    for (int i = 0; status == SS_OK && i < numbered.count; i++) {
        const char *content = numbered.at[i].content;
        int32_t id = numbered.at[i].id, own = string_map_get(&w->ids, content, strlen(content));
        int known = added_tokens_find(&w->added, content);
        int32_t expected = known >= 0 ? w->added.at[known].id : own >= 0 ? own : w->size;
        if (id == expected) status = bert_wordpiece_add_named(w, content, f->config_path, err);
        else
            status = error_set(err, SS_ERR_INPUT, f->config_path, "'%s' has id %d; its place in the vocabulary is %d",
                               content, id, expected);
    }
    added_tokens_free(&numbered);
    SS_TRY(status);
    for (size_t i = 0; i < sizeof MORE / sizeof MORE[0]; i++) {
        const json_t *item = tokenizer_files_role(f, MORE[i]);
        if (item) SS_TRY(bert_wordpiece_add_special(w, item, f->config_path, err));
    }
    const json_t *more = tokenizer_files_role(f, "additional_special_tokens");
    for (size_t i = 0; i < json_array_size(more); i++)
        SS_TRY(bert_wordpiece_add_special(w, json_array_get(more, i), f->config_path, err));
    return SS_OK;
}

ss_status bert_wordpiece_open_folder(bert_wordpiece **out, const tokenizer_files *files, ss_error *err) {
    *out = NULL;
    SS_TRY(bert_wordpiece_check_settings(files, err));
    char *path = file_join(files->folder, "vocab.txt");
    ss_status status = path ? bert_wordpiece_open(out, path, NULL, 0, err)
                            : error_no_memory(err, files->folder, strlen(files->folder));
    free(path);
    if (status == SS_OK) status = add_configured(*out, files, err);
    if (status != SS_OK) {
        bert_wordpiece_close(*out);
        *out = NULL;
    }
    return status;
}

void bert_wordpiece_close(bert_wordpiece *w) {
    if (!w) return;
    string_map_free(&w->ids);
    string_map_free(&w->tails);
    added_tokens_free(&w->added);
    unicode_case_free(w->cases);
    free(w->pieces);
    free(w->data);
    free(w);
}

/* WordpieceTokenizer.tokenize of one word: the longest piece first, or [UNK] for all of it. */
static ss_status encode_word(const bert_wordpiece *w, const char *s, size_t n, token_builder *b, ss_error *err) {
    int32_t ids[LONGEST_WORD], cp;
    size_t starts[LONGEST_WORD + 1], bytes[LONGEST_WORD], signs = 0;
    int count = 0;
    SS_TRY(token_builder_word(b, s, n, err));
    for (size_t i = 0; i < n && signs <= LONGEST_WORD; i += unicode_next(s + i, n - i, &cp)) {
        if (signs < LONGEST_WORD) starts[signs] = i;
        signs++;
    }
    if (signs > LONGEST_WORD) return token_builder_add(b, w->unknown, TOKEN_WORD, n, err);
    starts[signs] = n;
    for (size_t from = 0, to; from < signs; from = to) {
        int32_t id = -1;
        for (to = signs; to > from; to--) {
            id = string_map_get(from ? &w->tails : &w->ids, s + starts[from], starts[to] - starts[from]);
            if (id >= 0) break;
        }
        if (id < 0) return token_builder_add(b, w->unknown, TOKEN_WORD, n, err);
        bytes[count] = starts[to] - starts[from];
        ids[count++] = id;
    }
    for (int i = 0; i < count; i++) SS_TRY(token_builder_add(b, ids[i], TOKEN_WORD, bytes[i], err));
    return SS_OK;
}

/* _run_split_on_punc. */
static ss_status bert_wordpiece_split_punctuation(const bert_wordpiece *w, const char *s, size_t n, token_builder *b,
                                                  ss_error *err) {
    size_t word = 0;
    int32_t cp;
    for (size_t i = 0, step; i < n; i += step) {
        step = unicode_next(s + i, n - i, &cp);
        if (!unicode_is_punctuation(cp)) continue;
        if (i > word) SS_TRY(encode_word(w, s + word, i - word, b, err));
        SS_TRY(encode_word(w, s + i, step, b, err));
        word = i + step;
    }
    return word < n ? encode_word(w, s + word, n - word, b, err) : SS_OK;
}

/* BasicTokenizer.tokenize of one run without spaces: lower(), _run_strip_accents, punctuation. A special token that
 * cleaning has put together is left whole (never_split). */
static ss_status encode_run(const bert_wordpiece *w, const char *s, size_t n, token_builder *b, ss_error *err) {
    text lower = {0}, apart = {0}, plain = {0};
    for (int i = 0; i < w->added.count; i++)
        if (strlen(w->added.at[i].content) == n && memcmp(w->added.at[i].content, s, n) == 0)
            return encode_word(w, s, n, b, err);
    unicode_add_lower(&lower, s, n, w->cases);
    ss_status status = unicode_add_nfd(&apart, lower.s, lower.len, err);
    for (size_t i = 0, step; i < apart.len; i += step) {
        int32_t cp;
        step = unicode_next(apart.s + i, apart.len - i, &cp);
        if (!unicode_is_mark(cp)) text_add_n(&plain, apart.s + i, step);
    }
    if (status == SS_OK && (lower.failed || apart.failed || plain.failed)) status = error_no_memory(err, "a prompt", n);
    if (status == SS_OK && plain.len) status = bert_wordpiece_split_punctuation(w, plain.s, plain.len, b, err);
    text_free(&lower);
    text_free(&apart);
    text_free(&plain);
    return status;
}

/* BertTokenizer._tokenize. */
static ss_status bert_wordpiece_encode_segment(const bert_wordpiece *w, const char *s, size_t n, token_builder *b,
                                               ss_error *err) {
    text cleaned = {0}, normal = {0};
    basic_clean(s, n, &cleaned);
    ss_status status = unicode_add_nfc(&normal, cleaned.s, cleaned.len, err);
    if (status == SS_OK && (cleaned.failed || normal.failed)) status = error_no_memory(err, "a prompt", n);
    for (size_t i = 0, end; status == SS_OK && (i = basic_next_word(normal.s, normal.len, i, &end)) < normal.len;
         i = end)
        status = encode_run(w, normal.s + i, end - i, b, err);
    text_free(&cleaned);
    text_free(&normal);
    return status;
}

/* The first step of PreTrainedTokenizer.tokenize: lower() of every character by itself, special tokens kept. */
static void lower_between_special(const bert_wordpiece *w, const char *s, size_t n, text *out) {
    int32_t cp;
    for (size_t i = 0; i < n;) {
        size_t start = n, end = n;
        if (added_tokens_match(&w->added, 0, s, n, i, &start, &end) < 0) start = n;
        while (i < start) {
            size_t step = unicode_next(s + i, start - i, &cp);
            unicode_add_lower(out, s + i, step, w->cases);
            i += step;
        }
        text_add_n(out, s + start, end - start);
        i = end;
    }
}

ss_status bert_wordpiece_encode(const bert_wordpiece *w, const char *s, size_t n, token_builder *b, ss_error *err) {
    text lower = {0};
    size_t from = 0, start, end;
    lower_between_special(w, s, n, &lower);
    ss_status status = lower.failed ? error_no_memory(err, "a prompt", n) : SS_OK;
    while (status == SS_OK && from < lower.len) {
        int k = added_tokens_match(&w->added, 0, lower.s, lower.len, from, &start, &end);
        if (k < 0) start = end = lower.len;
        if (start > from) status = bert_wordpiece_encode_segment(w, lower.s + from, start - from, b, err);
        if (status == SS_OK && k >= 0) status = token_builder_word(b, lower.s + start, end - start, err);
        if (status == SS_OK && k >= 0) status = token_builder_add(b, w->added.at[k].id, TOKEN_WORD, end - start, err);
        from = end;
    }
    text_free(&lower);
    return status;
}

int32_t bert_wordpiece_start_id(const bert_wordpiece *w) { return w->start; }
int32_t bert_wordpiece_end_id(const bert_wordpiece *w) { return w->end; }
int32_t bert_wordpiece_padding_id(const bert_wordpiece *w) { return w->padding; }
int bert_wordpiece_size(const bert_wordpiece *w) { return w->size; }

const char *bert_wordpiece_piece(const bert_wordpiece *w, int32_t id) {
    if (id >= 0 && id < w->count) return w->pieces[id];
    for (int i = 0; i < w->added.count; i++)
        if (w->added.at[i].id == id) return w->added.at[i].content;
    return NULL;
}
