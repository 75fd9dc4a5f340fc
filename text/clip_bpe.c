/* Encoding with CLIP's BPE: clean the text as transformers does, lower-case it, split it by a regular expression, and
 * merge the bytes of each piece. The order of steps and the oddities are those of the references; lines that look
 * strange do what Python does. Reading of the vocabulary is in clip_vocabulary.c. */
#include "text/clip_bpe.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#include "text/basic_clean.h"
#include "text/clip_vocabulary.h"
#include "text/unicode.h"

struct clip_bpe {
    clip_vocabulary vocabulary;
    unicode_case *cases;
    pcre2_code *pattern;
};

/* self.pat of CLIPTokenizer and of SimpleTokenizer behind the special tokens. White space is the space alone: no other
 * is left in cleaned text, and PCRE2's \s would hold U+180E, which Python's does not. U+0345 is left out of all, as
 * Python's regex does it where case is ignored (its other case is a letter, so the negated set has it not; by itself it
 * is none). */
static const char PATTERN[] = "|'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^ \\x{345}\\p{L}\\p{N}]+";

static ss_status compile_pattern(clip_bpe *c, ss_error *err) {
    text pattern = {0};
    int code;
    PCRE2_SIZE at;
    for (int i = 0; i < 2; i++) text_addf(&pattern, "%s\\Q%s\\E", i ? "|" : "", c->vocabulary.spelling[i]);
    text_add(&pattern, PATTERN);
    if (!pattern.failed)
        c->pattern =
            pcre2_compile((PCRE2_SPTR)pattern.s, pattern.len, PCRE2_UTF | PCRE2_UCP | PCRE2_CASELESS, &code, &at, NULL);
    text_free(&pattern);
    return c->pattern ? SS_OK : error_no_memory(err, "a regular expression", sizeof PATTERN);
}

/* What both flavours need beside the vocabulary; `status` is that of opening it. */
static ss_status clip_bpe_finish(clip_bpe **out, clip_bpe *c, ss_status status, ss_error *err) {
    if (status == SS_OK) status = unicode_case_create(&c->cases, err);
    if (status == SS_OK) status = compile_pattern(c, err);
    if (status == SS_OK) *out = c;
    else clip_bpe_close(c);
    return status;
}

ss_status clip_bpe_open(clip_bpe **out, const tokenizer_files *files, ss_error *err) {
    *out = NULL;
    clip_bpe *c = calloc(1, sizeof *c);
    if (!c) return error_no_memory(err, files->folder, sizeof *c);
    return clip_bpe_finish(out, c, clip_vocabulary_open(&c->vocabulary, files, err), err);
}

ss_status clip_bpe_open_openai(clip_bpe **out, const char *path, int open_clip, ss_error *err) {
    *out = NULL;
    clip_bpe *c = calloc(1, sizeof *c);
    if (!c) return error_no_memory(err, path, sizeof *c);
    ss_status status = clip_vocabulary_open_openai(&c->vocabulary, path,
                                                   open_clip ? CLIP_OPEN_CLIP_SPELLING : CLIP_OPENAI_SPELLING, err);
    return clip_bpe_finish(out, c, status, err);
}

void clip_bpe_close(clip_bpe *c) {
    if (!c) return;
    clip_vocabulary_close(&c->vocabulary);
    unicode_case_free(c->cases);
    pcre2_code_free(c->pattern);
    free(c);
}

/* One piece of the pattern: its bytes as symbols, then merges, lowest rank first, every occurrence from left to right.
 */
typedef struct merge_state {
    int32_t *symbols, *merges; /* merges[i]: rank of the pair (i, i + 1), or INT32_MAX */
    size_t n;
} merge_state;

static int32_t clip_bpe_rank_of(const clip_vocabulary *v, int32_t a, int32_t b) {
    int32_t rank = clip_vocabulary_merge(v, a, b);
    return rank < 0 ? INT32_MAX : rank;
}

static void clip_bpe_merge_all(const clip_vocabulary *v, merge_state *m) {
    for (;;) {
        int32_t best = INT32_MAX;
        for (size_t i = 0; i + 1 < m->n; i++)
            if (m->merges[i] < best) best = m->merges[i];
        if (best == INT32_MAX) return;
        size_t to = 0;
        for (size_t i = 0; i < m->n; to++) {
            /* ranks are distinct, so an equal rank is the same pair; a pair that overlaps one just merged is gone */
            int hit = i + 1 < m->n && m->merges[i] == best;
            m->symbols[to] = hit ? v->merged[best] : m->symbols[i];
            m->merges[to] = hit ? -1 : m->merges[i]; /* -1: to be looked up again */
            if (hit && to > 0) m->merges[to - 1] = -1;
            i += hit ? 2 : 1;
        }
        m->n = to;
        for (size_t i = 0; i + 1 < to; i++)
            if (m->merges[i] < 0) m->merges[i] = clip_bpe_rank_of(v, m->symbols[i], m->symbols[i + 1]);
    }
}

/* Bytes of text that a symbol stands for which does not end a word: each is one character of its name. */
static size_t symbol_bytes(const char *name) {
    size_t n = 0;
    for (; *name; name++) n += ((unsigned char)*name & 0xC0) != 0x80;
    return n;
}

static ss_status encode_piece(const clip_vocabulary *v, const char *s, size_t n, token_builder *b, ss_error *err) {
    SS_TRY(token_builder_word(b, s, n, err));
    int32_t whole = clip_vocabulary_whole(v, s, n);
    if (whole >= 0) return token_builder_add(b, whole, TOKEN_WORD, n, err);
    merge_state m = {.n = n, .symbols = malloc(n * sizeof(int32_t)), .merges = malloc(n * sizeof(int32_t))};
    ss_status status = m.symbols && m.merges ? SS_OK : error_no_memory(err, "a word", 2 * n * sizeof(int32_t));
    if (status == SS_OK) {
        for (size_t i = 0; i < n; i++) m.symbols[i] = v->bytes[i + 1 == n][(unsigned char)s[i]];
        m.merges[n - 1] = INT32_MAX;
        for (size_t i = 0; i + 1 < n; i++) m.merges[i] = clip_bpe_rank_of(v, m.symbols[i], m.symbols[i + 1]);
        clip_bpe_merge_all(v, &m);
    }
    for (size_t i = 0, left = n; status == SS_OK && i < m.n; i++) {
        size_t bytes = i + 1 < m.n ? symbol_bytes(v->names[m.symbols[i]]) : left;
        status = token_builder_add(b, v->ids[m.symbols[i]], TOKEN_WORD, bytes, err);
        left -= bytes;
    }
    free(m.symbols);
    free(m.merges);
    return status;
}

/* whitespace_tokenize, lower() of each word (its rule of the final sigma sees the word alone), joined by spaces. */
static void split_and_lower(const char *s, size_t n, const unicode_case *cases, text *out) {
    for (size_t i = 0, end; (i = basic_next_word(s, n, i, &end)) < n; i = end) {
        if (out->len) text_add(out, " ");
        unicode_add_lower(out, s + i, end - i, cases);
    }
}

/* re.findall over the cleaned text. */
static ss_status encode_pieces(const clip_bpe *c, const char *s, size_t n, token_builder *b, ss_error *err) {
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    if (!data) return error_no_memory(err, "a match", 1);
    ss_status status = SS_OK;
    for (size_t at = 0; status == SS_OK;) {
        int found = pcre2_match(c->pattern, (PCRE2_SPTR)s, n, at, PCRE2_NO_UTF_CHECK, data, NULL);
        if (found == PCRE2_ERROR_NOMATCH) break;
        if (found < 0) {
            status = found == PCRE2_ERROR_NOMEMORY
                         ? error_no_memory(err, "a match", 1)
                         : error_set(err, SS_ERR_INTERNAL, NULL, "PCRE2 gave up on a prompt (error %d)", found);
            break;
        }
        const PCRE2_SIZE *range = pcre2_get_ovector_pointer(data);
        status = encode_piece(&c->vocabulary, s + range[0], range[1] - range[0], b, err);
        at = range[1];
    }
    pcre2_match_data_free(data);
    return status;
}

/* CLIPTokenizer._tokenize. */
static ss_status clip_bpe_encode_segment(const clip_bpe *c, const char *s, size_t n, token_builder *b, ss_error *err) {
    text cleaned = {0}, normal = {0}, lower = {0};
    basic_clean(s, n, &cleaned);
    ss_status status = unicode_add_nfc(&normal, cleaned.s, cleaned.len, err);
    if (status == SS_OK) split_and_lower(normal.s, normal.len, c->cases, &lower);
    if (status == SS_OK && (cleaned.failed || normal.failed || lower.failed))
        status = error_no_memory(err, "a prompt", n);
    if (status == SS_OK && lower.len) status = encode_pieces(c, lower.s, lower.len, b, err);
    text_free(&cleaned);
    text_free(&normal);
    text_free(&lower);
    return status;
}

/* PreTrainedTokenizer.tokenize. lstrip and rstrip of an added token need no code: white space only separates here. */
ss_status clip_bpe_encode(const clip_bpe *c, const char *s, size_t n, token_builder *b, ss_error *err) {
    const added_tokens *added = &c->vocabulary.added;
    size_t from = 0, start, end;
    while (from < n) {
        int k = added_tokens_match(added, 0, s, n, from, &start, &end);
        if (k < 0) break;
        SS_TRY(clip_bpe_encode_segment(c, s + from, start - from, b, err));
        SS_TRY(token_builder_word(b, s + start, end - start, err));
        SS_TRY(token_builder_add(b, added->at[k].id, TOKEN_WORD, end - start, err));
        from = end;
    }
    return clip_bpe_encode_segment(c, s + from, n - from, b, err);
}

ss_status clip_bpe_encode_cleaned(const clip_bpe *c, const char *s, size_t n, token_builder *b, ss_error *err) {
    text lower = {0};
    unicode_add_lower(&lower, s, n, c->cases);
    ss_status status = lower.failed ? error_no_memory(err, "a prompt", n) : SS_OK;
    if (status == SS_OK && lower.len) status = encode_pieces(c, lower.s, lower.len, b, err);
    text_free(&lower);
    return status;
}

int32_t clip_bpe_start_id(const clip_bpe *c) { return c->vocabulary.start; }
int32_t clip_bpe_end_id(const clip_bpe *c) { return c->vocabulary.end; }
int32_t clip_bpe_padding_id(const clip_bpe *c) { return c->vocabulary.padding; }
int clip_bpe_size(const clip_bpe *c) { return c->vocabulary.size; }

const char *clip_bpe_piece(const clip_bpe *c, int32_t id) {
    return id >= 0 && id < c->vocabulary.size ? c->vocabulary.pieces[id] : NULL;
}
