/* Unicode through utf8proc; Cased and Case_Ignorable, which utf8proc lacks, through PCRE2. Independent of the locale
 * and of wchar_t. */
#include "text/unicode.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

enum { CAPITAL_I_DOT = 0x130, COMBINING_DOT = 0x307, CAPITAL_SIGMA = 0x3A3, SIGMA = 0x3C3, FINAL_SIGMA = 0x3C2 };

size_t unicode_find_invalid(const char *s, size_t n) {
    for (size_t i = 0; i < n;) {
        utf8proc_int32_t cp;
        utf8proc_ssize_t step = utf8proc_iterate((const utf8proc_uint8_t *)s + i, (utf8proc_ssize_t)(n - i), &cp);
        if (step <= 0) return i;
        i += (size_t)step;
    }
    return n;
}

size_t unicode_next(const char *s, size_t n, int32_t *cp) {
    utf8proc_ssize_t step = utf8proc_iterate((const utf8proc_uint8_t *)s, (utf8proc_ssize_t)n, cp);
    return step > 0 ? (size_t)step : 1;
}

size_t unicode_before(const char *s, size_t i) {
    do i--;
    while (i > 0 && ((unsigned char)s[i] & 0xC0) == 0x80);
    return i;
}

size_t unicode_skip_spaces(const char *s, size_t n, size_t i) {
    int32_t cp;
    while (i < n) {
        size_t step = unicode_next(s + i, n - i, &cp);
        if (!unicode_is_space(cp)) break;
        i += step;
    }
    return i;
}

size_t unicode_spaces_before(const char *s, size_t from, size_t end) {
    size_t start = end;
    int32_t cp;
    for (size_t i = from; i < end;) {
        size_t step = unicode_next(s + i, end - i, &cp);
        if (!unicode_is_space(cp)) start = end;
        else if (start == end) start = i;
        i += step;
    }
    return start;
}

void unicode_append(text *out, int32_t cp) {
    utf8proc_uint8_t bytes[4];
    utf8proc_ssize_t n = utf8proc_encode_char(cp, bytes);
    text_add_n(out, (const char *)bytes, (size_t)n);
}

void unicode_append_upper(text *out, int32_t cp) { unicode_append(out, utf8proc_toupper(cp)); }

void unicode_append_lower(text *out, int32_t cp) {
    if (cp == CAPITAL_I_DOT) { /* the one code point that has two */
        unicode_append(out, 'i');
        unicode_append(out, COMBINING_DOT);
    } else unicode_append(out, utf8proc_tolower(cp));
}

int unicode_is_space(int32_t cp) {
    return (cp >= 9 && cp <= 13) || cp == 0x20 || cp == 0x85 || cp == 0xA0 || cp == 0x1680 ||
           (cp >= 0x2000 && cp <= 0x200A) || cp == 0x2028 || cp == 0x2029 || cp == 0x202F || cp == 0x205F ||
           cp == 0x3000;
}

int unicode_is_control(int32_t cp) {
    switch (utf8proc_category(cp)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN: return 1;
    default: return 0;
    }
}

int unicode_is_separator(int32_t cp) { return utf8proc_category(cp) == UTF8PROC_CATEGORY_ZS; }

int unicode_is_word_sign(int32_t cp) {
    utf8proc_category_t c = utf8proc_category(cp);
    return c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_NO; /* utf8proc orders them L*, M*, N* */
}

int unicode_is_ideograph(int32_t cp) {
    return (cp >= 0x4E00 && cp <= 0x9FFF) || (cp >= 0x3400 && cp <= 0x4DBF) || (cp >= 0x20000 && cp <= 0x2A6DF) ||
           (cp >= 0x2A700 && cp <= 0x2B73F) || (cp >= 0x2B740 && cp <= 0x2B81F) || (cp >= 0x2B820 && cp <= 0x2CEAF) ||
           (cp >= 0xF900 && cp <= 0xFAFF) || (cp >= 0x2F800 && cp <= 0x2FA1F);
}

int unicode_is_mark(int32_t cp) { return utf8proc_category(cp) == UTF8PROC_CATEGORY_MN; }
int unicode_is_digit(int32_t cp) { return utf8proc_category(cp) == UTF8PROC_CATEGORY_ND; }

int unicode_is_punctuation(int32_t cp) {
    utf8proc_category_t c = utf8proc_category(cp);
    return (cp > ' ' && cp < 0x7F && !(c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_NO)) ||
           (c >= UTF8PROC_CATEGORY_PC && c <= UTF8PROC_CATEGORY_PO); /* utf8proc orders P* so */
}

static ss_status add_normalized(text *out, const char *s, size_t n, utf8proc_option_t form, ss_error *err) {
    utf8proc_uint8_t *mapped = NULL;
    if (n == 0) return SS_OK;
    utf8proc_ssize_t length =
        utf8proc_map((const utf8proc_uint8_t *)s, (utf8proc_ssize_t)n, &mapped, UTF8PROC_STABLE | form);
    if (length < 0) {
        free(mapped);
        if (length == UTF8PROC_ERROR_NOMEM) return error_no_memory(err, "normalization", n);
        return error_set(err, SS_ERR_INTERNAL, NULL, "utf8proc: %s", utf8proc_errmsg(length));
    }
    text_add_n(out, (const char *)mapped, (size_t)length);
    free(mapped);
    return SS_OK;
}

ss_status unicode_add_nfc(text *out, const char *s, size_t n, ss_error *err) {
    return add_normalized(out, s, n, UTF8PROC_COMPOSE, err);
}

ss_status unicode_add_nfd(text *out, const char *s, size_t n, ss_error *err) {
    return add_normalized(out, s, n, UTF8PROC_DECOMPOSE, err);
}

ss_status unicode_add_nfkc(text *out, const char *s, size_t n, ss_error *err) {
    return add_normalized(out, s, n, UTF8PROC_COMPOSE | UTF8PROC_COMPAT, err);
}

ss_status unicode_add_nfkd(text *out, const char *s, size_t n, ss_error *err) {
    return add_normalized(out, s, n, UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT, err);
}

struct unicode_case {
    pcre2_code *cased, *ignorable;
};

/* *code: why not, where NULL. */
static pcre2_code *unicode_compile(const char *pattern, int *code) {
    PCRE2_SIZE at;
    return pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_UCP | PCRE2_ANCHORED, code, &at,
                         NULL);
}

ss_status unicode_case_create(unicode_case **out, ss_error *err) {
    unicode_case *c = calloc(1, sizeof *c);
    *out = NULL;
    if (!c) return error_no_memory(err, "case tables", sizeof *c);
    /* names in lower case: PCRE2 10.42 folds them with tolower(), which leaves an I alone in a Turkish locale */
    int code = 0;
    c->cased = unicode_compile("\\p{cased}", &code);
    if (c->cased) c->ignorable = unicode_compile("\\p{ci}", &code);
    if (c->cased && c->ignorable) {
        *out = c;
        return SS_OK;
    }
    unicode_case_free(c);
    if (code == PCRE2_ERROR_HEAP_FAILED) return error_no_memory(err, "case tables", 1);
    return error_set(err, SS_ERR_RESOURCE, NULL, "PCRE2 knows no property Cased; version 10.40 or newer is needed");
}

void unicode_case_free(unicode_case *c) {
    if (!c) return;
    pcre2_code_free(c->cased);
    pcre2_code_free(c->ignorable);
    free(c);
}

/* Whether the one code point at s has the property; out of memory fails `out`. */
static int unicode_has(const pcre2_code *property, const char *s, size_t n, text *out) {
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    int found =
        data ? pcre2_match(property, (PCRE2_SPTR)s, n, 0, PCRE2_NO_UTF_CHECK, data, NULL) : PCRE2_ERROR_NOMEMORY;
    if (found == PCRE2_ERROR_NOMEMORY) out->failed = 1;
    pcre2_match_data_free(data);
    return found >= 0;
}

/* handle_capital_sigma of CPython's Objects/unicodeobject.c: final where the nearest character before that is not
 * case-ignorable is cased, and the nearest after is not. */
static int is_final_sigma(const char *s, size_t n, size_t i, size_t after, const unicode_case *c, text *out) {
    size_t j = i;
    int cased = 0;
    while (j > 0) {
        j = unicode_before(s, j);
        if (unicode_has(c->ignorable, s + j, n - j, out)) continue;
        cased = unicode_has(c->cased, s + j, n - j, out);
        break;
    }
    if (!cased) return 0;
    for (j = after; j < n;) {
        int32_t cp;
        if (!unicode_has(c->ignorable, s + j, n - j, out)) return !unicode_has(c->cased, s + j, n - j, out);
        j += unicode_next(s + j, n - j, &cp);
    }
    return 1;
}

void unicode_add_lower(text *out, const char *s, size_t n, const unicode_case *c) {
    for (size_t i = 0; i < n;) {
        int32_t cp;
        size_t after = i + unicode_next(s + i, n - i, &cp);
        if (cp == CAPITAL_SIGMA) {
            unicode_append(out, is_final_sigma(s, n, i, after, c, out) ? FINAL_SIGMA : SIGMA);
        } else unicode_append_lower(out, cp);
        i = after;
    }
}

size_t unicode_grapheme(const char *s, size_t n) {
    int32_t before, cp, state = 0;
    size_t i = unicode_next(s, n, &before);
    while (i < n) {
        size_t step = unicode_next(s + i, n - i, &cp);
        if (utf8proc_grapheme_break_stateful(before, cp, &state)) break;
        before = cp;
        i += step;
    }
    return i;
}
