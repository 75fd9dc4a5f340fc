/* One row a type: how its settings are read, how it changes a piece. Sequences are flattened. Source:
 * tokenizers/src/normalizers/ of Hugging Face's tokenizers 0.23. */
#include "text/normalizer.h"

#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "text/byte_level.h"
#include "text/charsmap.h"
#include "text/crate_unicode.h"
#include "text/pattern.h"
#include "text/step_tree.h"
#include "text/unicode.h"

enum { MAX_STEPS = 64 };

typedef struct step step;

typedef struct kind {
    const char *name;
    ss_status (*read)(step *s, const json_t *tree, const char *where, ss_error *err); /* NULL: no settings */
    ss_status (*apply)(const step *s, piece *p, ss_error *err);
} kind;

struct step {
    const kind *kind;
    int clean, ideographs, accents, lower; /* BertNormalizer */
    int left, right;                       /* Strip */
    pattern *pattern;                      /* Replace */
    char *content;                         /* Replace, Prepend */
    unsigned char *table;                  /* Precompiled */
    charsmap charsmap;
};

struct normalizer {
    step steps[MAX_STEPS];
    int count;
};

/* ---- character by character ---- */

/* Appends what becomes of one code point. */
typedef void rewrite(const step *s, int32_t cp, text *out);

static ss_status rewrite_signs(const step *s, piece *p, rewrite *change, ss_error *err) {
    text out = {0};
    size_t lead = 0;
    int32_t cp;
    for (size_t i = 0, n; i < p->t.len; i += n) {
        n = unicode_next(p->t.s + i, p->t.len - i, &cp);
        change(s, cp, &out);
        if (i < p->lead) lead = out.len;
    }
    return piece_replace(p, &out, lead, err);
}

static void lower_sign(const step *s, int32_t cp, text *out) {
    (void)s;
    crate_append_lower(out, cp);
}

static void drop_accent(const step *s, int32_t cp, text *out) {
    (void)s;
    if (!crate_is_combining(cp)) unicode_append(out, cp);
}

static void drop_nonspacing(const step *s, int32_t cp, text *out) {
    (void)s;
    if (!crate_is_nonspacing(cp)) unicode_append(out, cp);
}

static void nmt_sign(const step *s, int32_t cp, text *out) {
    static const int32_t SPACES[] = {0x09, 0x0A, 0x0C, 0x0D, 0x1680, 0x2028, 0x2029, 0x2581, 0xFEFF, 0xFFFD};
    (void)s;
    if ((cp >= 1 && cp <= 8) || cp == 0x0B || (cp >= 0x0E && cp <= 0x1F) || cp == 0x7F || cp == 0x8F || cp == 0x9F)
        return;
    int space = cp >= 0x200B && cp <= 0x200F;
    for (size_t i = 0; i < sizeof SPACES / sizeof SPACES[0]; i++) space |= SPACES[i] == cp;
    unicode_append(out, space ? ' ' : cp);
}

/* clean_text and handle_chinese_chars. */
static void bert_sign(const step *s, int32_t cp, text *out) {
    if (s->clean) {
        if (cp == 0xFFFD || crate_is_control(cp)) return;
        if (unicode_is_space(cp)) cp = ' ';
    }
    int apart = s->ideographs && crate_is_ideograph(cp);
    if (apart) unicode_append(out, ' ');
    unicode_append(out, cp);
    if (apart) unicode_append(out, ' ');
}

static void byte_sign(const step *s, int32_t cp, text *out) {
    text one = {0};
    (void)s;
    unicode_append(&one, cp);
    byte_level_add(out, text_for(&one, out), one.len);
    text_free(&one);
}

static ss_status apply_lower(const step *s, piece *p, ss_error *err) { return rewrite_signs(s, p, lower_sign, err); }
static ss_status apply_accents(const step *s, piece *p, ss_error *err) { return rewrite_signs(s, p, drop_accent, err); }
static ss_status apply_nmt(const step *s, piece *p, ss_error *err) { return rewrite_signs(s, p, nmt_sign, err); }
static ss_status apply_bytes(const step *s, piece *p, ss_error *err) { return rewrite_signs(s, p, byte_sign, err); }

/* ---- normalization forms ---- */

static ss_status apply_form(piece *p, crate_form form, ss_error *err) {
    text out = {0}, first = {0};
    int32_t cp;
    ss_status status = crate_add_normalized(&out, p->t.s, p->t.len, form, err);
    size_t n = p->t.len ? unicode_next(p->t.s, p->t.len, &cp) : 0;
    if (status == SS_OK) status = crate_add_normalized(&first, p->t.s, n < p->lead ? p->lead : n, form, err);
    if (status == SS_OK && first.failed) out.failed = 1;
    size_t lead = p->lead ? first.len : 0;
    text_free(&first);
    if (status == SS_OK) return piece_replace(p, &out, lead, err);
    text_free(&out);
    return status;
}

static ss_status apply_nfc(const step *s, piece *p, ss_error *err) { return (void)s, apply_form(p, CRATE_NFC, err); }
static ss_status apply_nfd(const step *s, piece *p, ss_error *err) { return (void)s, apply_form(p, CRATE_NFD, err); }
static ss_status apply_nfkc(const step *s, piece *p, ss_error *err) { return (void)s, apply_form(p, CRATE_NFKC, err); }
static ss_status apply_nfkd(const step *s, piece *p, ss_error *err) { return (void)s, apply_form(p, CRATE_NFKD, err); }

static ss_status read_bert(step *s, const json_t *tree, const char *where, ss_error *err) {
    SS_TRY(json_get_bool(tree, "clean_text", where, &s->clean, err));
    SS_TRY(json_get_bool(tree, "handle_chinese_chars", where, &s->ideographs, err));
    SS_TRY(json_get_bool(tree, "lowercase", where, &s->lower, err));
    return json_get_bool_or(tree, "strip_accents", where, s->lower, &s->accents, err);
}

static ss_status apply_bert(const step *s, piece *p, ss_error *err) {
    SS_TRY(rewrite_signs(s, p, bert_sign, err));
    if (s->accents) {
        SS_TRY(apply_form(p, CRATE_NFD, err));
        SS_TRY(rewrite_signs(s, p, drop_nonspacing, err));
    }
    return s->lower ? rewrite_signs(s, p, lower_sign, err) : SS_OK;
}

/* ---- the others ---- */

static ss_status read_strip(step *s, const json_t *tree, const char *where, ss_error *err) {
    SS_TRY(json_get_bool(tree, "strip_left", where, &s->left, err));
    return json_get_bool(tree, "strip_right", where, &s->right, err);
}

static ss_status apply_strip(const step *s, piece *p, ss_error *err) {
    size_t start = p->t.len, end = 0;
    int32_t cp;
    for (size_t i = 0, n; i < p->t.len; i += n) {
        n = unicode_next(p->t.s + i, p->t.len - i, &cp);
        if (unicode_is_space(cp)) continue;
        if (start > i) start = i;
        end = i + n;
    }
    if (!s->left) start = 0;
    if (!s->right) end = p->t.len;
    text out = {0};
    if (end > start) text_add_n(&out, p->t.s + start, end - start);
    return piece_replace(p, &out, p->lead > start ? p->lead - start : 0, err);
}

static ss_status normalizer_read_replace(step *s, const json_t *tree, const char *where, ss_error *err) {
    const char *content;
    SS_TRY(json_get_text(tree, "content", where, &content, err));
    s->content = text_copy(content);
    if (!s->content) return error_no_memory(err, where, strlen(content));
    return pattern_read(&s->pattern, tree, where, err);
}

/* What is put in has the place of the last character that goes. */
static ss_status apply_replace(const step *s, piece *p, ss_error *err) {
    spans found = {0};
    text out = {0};
    size_t lead = 0;
    ss_status status = pattern_find(s->pattern, p->t.s, p->t.len, &found, err);
    for (int i = 0; status == SS_OK && i < found.count; i++) {
        const span *f = &found.at[i];
        size_t covered = p->lead < f->end ? p->lead : f->end; /* of the prompt's start */
        if (f->match) text_add(&out, s->content);
        else text_add_n(&out, p->t.s + f->start, f->end - f->start);
        if (f->match && f->end <= p->lead) lead = out.len;
        else if (!f->match && covered > f->start) lead = out.len - (f->end - covered);
    }
    spans_free(&found);
    if (status == SS_OK) return piece_replace(p, &out, lead, err);
    text_free(&out);
    return status;
}

static ss_status read_prepend(step *s, const json_t *tree, const char *where, ss_error *err) {
    const char *content;
    SS_TRY(json_get_text(tree, "prepend", where, &content, err));
    s->content = text_copy(content);
    return s->content ? SS_OK : error_no_memory(err, where, strlen(content));
}

static ss_status apply_prepend(const step *s, piece *p, ss_error *err) {
    text out = {0};
    if (p->t.len == 0) return SS_OK;
    text_add(&out, s->content);
    size_t lead = p->lead ? p->lead + out.len : 0;
    text_add_n(&out, p->t.s, p->t.len);
    return piece_replace(p, &out, lead, err);
}

static ss_status read_precompiled(step *s, const json_t *tree, const char *where, ss_error *err) {
    const char *coded;
    SS_TRY(json_get_text(tree, "precompiled_charsmap", where, &coded, err));
    size_t n = strlen(coded), size;
    if (n % 4 || n == 0)
        return error_set(err, SS_ERR_INPUT, where, "has a precompiled_charsmap of %zu characters; expected base64", n);
    s->table = malloc(n / 4 * 3 + 1);
    if (!s->table) return error_no_memory(err, where, n);
    if (base64_read(coded, n, s->table, &size) != 0)
        return error_set(err, SS_ERR_INPUT, where, "has a precompiled_charsmap that is not base64");
    return charsmap_read(&s->charsmap, s->table, size, where, err);
}

static ss_status apply_precompiled(const step *s, piece *p, ss_error *err) {
    text out = {0}, first = {0};
    size_t cluster = p->lead ? unicode_grapheme(p->t.s, p->t.len) : 0;
    charsmap_add(&s->charsmap, p->t.s, p->t.len, &out);
    charsmap_add(&s->charsmap, p->t.s, cluster < p->lead ? cluster : p->lead, &first);
    if (first.failed) out.failed = 1;
    size_t lead = first.len;
    text_free(&first);
    return piece_replace(p, &out, lead, err);
}

static const kind KINDS[] = {{"NFC", NULL, apply_nfc},
                             {"NFD", NULL, apply_nfd},
                             {"NFKC", NULL, apply_nfkc},
                             {"NFKD", NULL, apply_nfkd},
                             {"Lowercase", NULL, apply_lower},
                             {"StripAccents", NULL, apply_accents},
                             {"Nmt", NULL, apply_nmt},
                             {"ByteLevel", NULL, apply_bytes},
                             {"BertNormalizer", read_bert, apply_bert},
                             {"Strip", read_strip, apply_strip},
                             {"Replace", normalizer_read_replace, apply_replace},
                             {"Prepend", read_prepend, apply_prepend},
                             {"Precompiled", read_precompiled, apply_precompiled}};
enum { KIND_COUNT = sizeof KINDS / sizeof KINDS[0] };

static const step_part PART = {"normalizer", "normalizers"};

/* `user`: the normalizer; NULL: types are looked at alone. */
static ss_status normalizer_read_step(void *user, const char *type, const json_t *tree, const char *where,
                                      ss_error *err) {
    normalizer *n = user;
    int i = 0;
    while (i < KIND_COUNT && strcmp(KINDS[i].name, type) != 0) i++;
    if (i == KIND_COUNT) return step_tree_unknown(&PART, type, where, err);
    if (!n) return SS_OK;
    if (n->count == MAX_STEPS) return error_set(err, SS_ERR_INPUT, where, "has more than %d normalizers", MAX_STEPS);
    step *s = &n->steps[n->count++];
    *s = (step){.kind = &KINDS[i]};
    return s->kind->read ? s->kind->read(s, tree, where, err) : SS_OK;
}

ss_status normalizer_read(normalizer **out, const json_t *tree, const char *where, ss_error *err) {
    *out = NULL;
    normalizer *n = calloc(1, sizeof *n);
    if (!n) return error_no_memory(err, where, sizeof *n);
    ss_status status = step_tree_walk(&PART, tree, where, normalizer_read_step, n, err);
    if (status == SS_OK) *out = n;
    else normalizer_free(n);
    return status;
}

ss_status normalizer_check_types(const json_t *tree, const char *where, ss_error *err) {
    return step_tree_walk(&PART, tree, where, normalizer_read_step, NULL, err);
}

void normalizer_free(normalizer *n) {
    if (!n) return;
    for (int i = 0; i < n->count; i++) {
        pattern_free(n->steps[i].pattern);
        free(n->steps[i].content);
        free(n->steps[i].table);
    }
    free(n);
}

ss_status normalizer_apply(const normalizer *n, piece *p, ss_error *err) {
    for (int i = 0; i < n->count && p->t.len; i++) SS_TRY(n->steps[i].kind->apply(&n->steps[i], p, err));
    return SS_OK;
}
