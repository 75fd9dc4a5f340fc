/* One row a type: how its settings are read, how it splits a piece. Sequences are flattened. Source:
 * tokenizers/src/pre_tokenizers/ of Hugging Face's tokenizers 0.23. UnicodeScripts is refused: its table of scripts is
 * the package's own. */
#include "text/pre_tokenizer.h"

#include <stdlib.h>
#include <string.h>

#include "text/byte_level.h"
#include "text/crate_unicode.h"
#include "text/pattern.h"
#include "text/step_tree.h"
#include "text/unicode.h"

enum { MAX_STEPS = 64 };

typedef struct step step;

typedef struct kind {
    const char *name;
    ss_status (*read)(step *s, const json_t *tree, const char *where, ss_error *err); /* NULL: no settings */
    ss_status (*split)(const step *s, piece *p, pieces *out, ss_error *err);
} kind;

typedef enum prepend_scheme { PREPEND_ALWAYS, PREPEND_FIRST, PREPEND_NEVER } prepend_scheme;

struct step {
    const kind *kind;
    pattern *pattern; /* Split; ByteLevel's own; Whitespace's own */
    piece_behavior behavior;
    int invert;            /* Split: what lies between matches is the delimiter */
    int prefix_space;      /* ByteLevel */
    char sign[8];          /* Metaspace's replacement, Delimiter's delimiter */
    prepend_scheme scheme; /* Metaspace */
    int divides;           /* Metaspace's split */
    int individual;        /* Digits */
    int64_t length;        /* FixedLength */
};

struct pre_tokenizer {
    step steps[MAX_STEPS];
    int count, byte_level;
    const char *space;
};

static ss_status split_by_spans(const piece *p, pieces *out, spans *found, piece_behavior behavior, ss_status status,
                                ss_error *err) {
    if (status == SS_OK) status = pieces_split(out, p, found, behavior, err);
    spans_free(found);
    return status;
}

static ss_status split_by_test(const piece *p, pieces *out, piece_test *test, const void *data, piece_behavior behavior,
                               ss_error *err) {
    spans found = {0};
    ss_status status = spans_of_test(&found, p->t.s, p->t.len, test, data, err);
    return split_by_spans(p, out, &found, behavior, status, err);
}

static ss_status split_by_pattern(const step *s, const piece *p, pieces *out, piece_behavior behavior, ss_error *err) {
    spans found = {0};
    ss_status status = pattern_find(s->pattern, p->t.s, p->t.len, &found, err);
    for (int i = 0; s->invert && i < found.count; i++) found.at[i].match = !found.at[i].match;
    return split_by_spans(p, out, &found, behavior, status, err);
}

static int is_space(int32_t cp, const void *data) { return (void)data, unicode_is_space(cp); }
static int is_punctuation(int32_t cp, const void *data) { return (void)data, crate_is_punctuation(cp); }
static int is_numeric(int32_t cp, const void *data) { return (void)data, crate_is_numeric(cp); }
static int is_sign(int32_t cp, const void *data) { return cp == *(const int32_t *)data; }

/* ---- reading ---- */

static ss_status read_behavior(step *s, const json_t *tree, const char *by_default, const char *where, ss_error *err) {
    static const char *const NAMES[] = {"Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"};
    const char *name;
    SS_TRY(by_default ? json_get_text_or(tree, "behavior", where, by_default, &name, err)
                      : json_get_text(tree, "behavior", where, &name, err));
    for (int i = 0; i < 5; i++)
        if (strcmp(name, NAMES[i]) == 0) return s->behavior = (piece_behavior)i, SS_OK;
    return error_set(err, SS_ERR_INPUT, where, "has the behavior '%s' in its pre_tokenizer, which is not known", name);
}

static ss_status read_split(step *s, const json_t *tree, const char *where, ss_error *err) {
    SS_TRY(read_behavior(s, tree, NULL, where, err));
    SS_TRY(json_get_bool(tree, "invert", where, &s->invert, err));
    return pattern_read(&s->pattern, tree, where, err);
}

static ss_status read_byte_level(step *s, const json_t *tree, const char *where, ss_error *err) {
    int by_pattern;
    SS_TRY(json_get_bool(tree, "add_prefix_space", where, &s->prefix_space, err));
    SS_TRY(json_get_bool_or(tree, "use_regex", where, 1, &by_pattern, err));
    return by_pattern
               ? pattern_compile(&s->pattern,
                                 "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
                                 PATTERN_ONIGURUMA, where, err)
               : SS_OK;
}

/* A member that is one code point. */
static ss_status read_sign(step *s, const json_t *tree, const char *name, const char *where, ss_error *err) {
    const char *sign;
    int32_t cp;
    SS_TRY(json_get_text(tree, name, where, &sign, err));
    size_t n = strlen(sign);
    if (n == 0 || n >= sizeof s->sign || unicode_next(sign, n, &cp) != n)
        return error_set(err, SS_ERR_INPUT, where, "has %s '%s' in its pre_tokenizer; expected one character", name,
                         sign);
    memcpy(s->sign, sign, n + 1);
    return SS_OK;
}

static ss_status pre_tokenizer_read_metaspace(step *s, const json_t *tree, const char *where, ss_error *err) {
    static const char *const SCHEMES[] = {"always", "first", "never"};
    const char *scheme;
    int add;
    SS_TRY(read_sign(s, tree, "replacement", where, err));
    SS_TRY(json_get_bool_or(tree, "add_prefix_space", where, 1, &add, err));
    SS_TRY(json_get_bool_or(tree, "split", where, 1, &s->divides, err));
    SS_TRY(json_get_text_or(tree, "prepend_scheme", where, "always", &scheme, err));
    for (int i = 0; i < 3; i++)
        if (strcmp(scheme, SCHEMES[i]) == 0) {
            s->scheme = (prepend_scheme)i;
            if (add || s->scheme == PREPEND_NEVER) return SS_OK;
            return error_set(err, SS_ERR_INPUT, where,
                             "has a Metaspace with prepend_scheme '%s' and add_prefix_space false", scheme);
        }
    return error_set(err, SS_ERR_INPUT, where, "has prepend_scheme '%s'; expected always, first or never", scheme);
}

static ss_status read_delimiter(step *s, const json_t *tree, const char *where, ss_error *err) {
    return read_sign(s, tree, "delimiter", where, err);
}

static ss_status read_punctuation(step *s, const json_t *tree, const char *where, ss_error *err) {
    return read_behavior(s, tree, "Isolated", where, err);
}

static ss_status read_digits(step *s, const json_t *tree, const char *where, ss_error *err) {
    return json_get_bool(tree, "individual_digits", where, &s->individual, err);
}

static ss_status pre_tokenizer_read_length(step *s, const json_t *tree, const char *where, ss_error *err) {
    SS_TRY(json_get_int_or(tree, "length", where, 5, &s->length, err));
    if (s->length >= 1) return SS_OK;
    return error_set(err, SS_ERR_INPUT, where, "has a FixedLength of %lld; expected at least 1", (long long)s->length);
}

static ss_status read_whitespace(step *s, const json_t *tree, const char *where, ss_error *err) {
    (void)tree;
    s->invert = 1;
    return pattern_compile(&s->pattern, "\\w+|[^\\w\\s]+", PATTERN_RUST, where, err);
}

static ss_status read_scripts(step *s, const json_t *tree, const char *where, ss_error *err) {
    (void)s, (void)tree;
    return error_set(err, SS_ERR_INPUT, where,
                     "has a pre_tokenizer of the type 'UnicodeScripts', which is not supported");
}

/* ---- splitting ---- */

static ss_status split_split(const step *s, piece *p, pieces *out, ss_error *err) {
    return split_by_pattern(s, p, out, s->behavior, err);
}

static ss_status prepend(piece *p, const char *sign, ss_error *err) {
    text now = {0};
    text_add(&now, sign);
    size_t lead = p->lead ? p->lead + now.len : 0;
    text_add_n(&now, p->t.s, p->t.len);
    return piece_replace(p, &now, lead, err);
}

/* Splits by GPT-2's pattern, then writes bytes as characters. */
static ss_status split_byte_level(const step *s, piece *p, pieces *out, ss_error *err) {
    int from = out->count;
    if (s->prefix_space && *p->t.s != ' ') SS_TRY(prepend(p, " ", err));
    SS_TRY(s->pattern ? split_by_pattern(s, p, out, PIECE_ISOLATED, err) : pieces_add(out, p, 0, p->t.len, -1, err));
    for (int i = from; i < out->count; i++) {
        piece *one = &out->at[i];
        text signs = {0}, lead = {0};
        byte_level_add(&signs, one->t.s, one->t.len);
        byte_level_add(&lead, one->t.s, one->lead);
        if (lead.failed) signs.failed = 1;
        size_t n = lead.len;
        text_free(&lead);
        SS_TRY(piece_replace(one, &signs, n, err));
    }
    return SS_OK;
}

static ss_status split_metaspace(const step *s, piece *p, pieces *out, ss_error *err) {
    text now = {0};
    size_t lead = 0;
    int32_t sign;
    for (size_t i = 0; i < p->t.len; i++) {
        if (p->t.s[i] == ' ') text_add(&now, s->sign);
        else text_add_n(&now, p->t.s + i, 1);
        if (i < p->lead) lead = now.len;
    }
    SS_TRY(piece_replace(p, &now, lead, err));
    int wanted = s->scheme == PREPEND_ALWAYS || (s->scheme == PREPEND_FIRST && p->first);
    if (wanted && strncmp(p->t.s, s->sign, strlen(s->sign)) != 0) SS_TRY(prepend(p, s->sign, err));
    if (!s->divides) return pieces_add(out, p, 0, p->t.len, -1, err);
    unicode_next(s->sign, strlen(s->sign), &sign);
    return split_by_test(p, out, is_sign, &sign, PIECE_MERGED_WITH_NEXT, err);
}

static ss_status split_delimiter(const step *s, piece *p, pieces *out, ss_error *err) {
    int32_t sign;
    unicode_next(s->sign, strlen(s->sign), &sign);
    return split_by_test(p, out, is_sign, &sign, PIECE_REMOVED, err);
}

static ss_status split_spaces(const step *s, piece *p, pieces *out, ss_error *err) {
    (void)s;
    return split_by_test(p, out, is_space, NULL, PIECE_REMOVED, err);
}

static ss_status split_whitespace(const step *s, piece *p, pieces *out, ss_error *err) {
    return split_by_pattern(s, p, out, PIECE_REMOVED, err);
}

static ss_status pre_tokenizer_split_punctuation(const step *s, piece *p, pieces *out, ss_error *err) {
    return split_by_test(p, out, is_punctuation, NULL, s->behavior, err);
}

static ss_status split_digits(const step *s, piece *p, pieces *out, ss_error *err) {
    return split_by_test(p, out, is_numeric, NULL, s->individual ? PIECE_ISOLATED : PIECE_CONTIGUOUS, err);
}

static ss_status split_bert(const step *s, piece *p, pieces *out, ss_error *err) {
    pieces words = {0};
    ss_status status = split_spaces(s, p, &words, err);
    for (int i = 0; status == SS_OK && i < words.count; i++)
        status = split_by_test(&words.at[i], out, is_punctuation, NULL, PIECE_ISOLATED, err);
    pieces_free(&words);
    return status;
}

static ss_status split_length(const step *s, piece *p, pieces *out, ss_error *err) {
    size_t from = 0;
    int64_t signs = 0;
    int32_t cp;
    for (size_t i = 0; i < p->t.len;) {
        i += unicode_next(p->t.s + i, p->t.len - i, &cp);
        if (++signs < s->length && i < p->t.len) continue;
        SS_TRY(pieces_add(out, p, from, i, -1, err));
        from = i;
        signs = 0;
    }
    return SS_OK;
}

static const kind KINDS[] = {{"BertPreTokenizer", NULL, split_bert},
                             {"ByteLevel", read_byte_level, split_byte_level},
                             {"CharDelimiterSplit", read_delimiter, split_delimiter},
                             {"Delimiter", read_delimiter, split_delimiter},
                             {"Metaspace", pre_tokenizer_read_metaspace, split_metaspace},
                             {"Whitespace", read_whitespace, split_whitespace},
                             {"WhitespaceSplit", NULL, split_spaces},
                             {"Split", read_split, split_split},
                             {"Punctuation", read_punctuation, pre_tokenizer_split_punctuation},
                             {"Digits", read_digits, split_digits},
                             {"FixedLength", pre_tokenizer_read_length, split_length},
                             {"UnicodeScripts", read_scripts, NULL}};
enum { KIND_COUNT = sizeof KINDS / sizeof KINDS[0] };

static const step_part PART = {"pre_tokenizer", "pretokenizers"};

/* `user`: the pre_tokenizer; NULL: types are looked at alone. */
static ss_status pre_tokenizer_read_step(void *user, const char *type, const json_t *tree, const char *where,
                                         ss_error *err) {
    pre_tokenizer *p = user;
    int i = 0;
    while (i < KIND_COUNT && strcmp(KINDS[i].name, type) != 0) i++;
    if (i == KIND_COUNT) return step_tree_unknown(&PART, type, where, err);
    if (!p) return SS_OK;
    if (p->count == MAX_STEPS) return error_set(err, SS_ERR_INPUT, where, "has more than %d pre_tokenizers", MAX_STEPS);
    step *s = &p->steps[p->count++];
    *s = (step){.kind = &KINDS[i]};
    if (s->kind->read) SS_TRY(s->kind->read(s, tree, where, err));
    if (s->kind->split == split_byte_level) p->byte_level = 1;
    if (s->kind->split == split_metaspace) p->space = s->sign;
    return SS_OK;
}

ss_status pre_tokenizer_read(pre_tokenizer **out, const json_t *tree, const char *where, ss_error *err) {
    *out = NULL;
    pre_tokenizer *p = calloc(1, sizeof *p);
    if (!p) return error_no_memory(err, where, sizeof *p);
    p->space = "";
    ss_status status = step_tree_walk(&PART, tree, where, pre_tokenizer_read_step, p, err);
    if (status == SS_OK) *out = p;
    else pre_tokenizer_free(p);
    return status;
}

ss_status pre_tokenizer_check_types(const json_t *tree, const char *where, ss_error *err) {
    return step_tree_walk(&PART, tree, where, pre_tokenizer_read_step, NULL, err);
}

void pre_tokenizer_free(pre_tokenizer *p) {
    if (!p) return;
    for (int i = 0; i < p->count; i++) pattern_free(p->steps[i].pattern);
    free(p);
}

int pre_tokenizer_is_byte_level(const pre_tokenizer *p) { return p->byte_level; }
const char *pre_tokenizer_space(const pre_tokenizer *p) { return p->space; }

static ss_status apply_step(const step *s, pieces *list, ss_error *err) {
    pieces next = {0};
    ss_status status = SS_OK;
    for (int i = 0; status == SS_OK && i < list->count; i++) {
        piece *p = &list->at[i];
        status = p->token < 0 ? s->kind->split(s, p, &next, err) : pieces_add(&next, p, 0, p->t.len, p->token, err);
    }
    pieces_free(list);
    *list = next;
    return status;
}

ss_status pre_tokenizer_apply(const pre_tokenizer *p, pieces *list, ss_error *err) {
    for (int i = 0; i < p->count; i++) SS_TRY(apply_step(&p->steps[i], list, err));
    return SS_OK;
}
