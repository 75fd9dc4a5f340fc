/* ftfy's fix_encoding. Single-byte encodings are tried in turn: where all of a suspicious text can be written in one
 * and the bytes are UTF-8, that is what it was. Text that ftfy does not change is left as it is; oddities of the
 * reference that change results are reproduced and marked. */
#include "text/scorers/mojibake.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#include "text/scorers/mojibake_tables.h"
#include "text/unicode.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

enum { WINDOWS_1252 = 1 }; /* its place in ENCODINGS */
enum { SUBSTITUTE = 0x1A, REPLACEMENT = 0xFFFD };

/* A_GRAVE_WORD_RE of ftfy/fixes.py: a byte C3 with a space is the word "à", except within some words of Portuguese. */
static const char *const A_GRAVE[] = {"\\xC3 (?! |quele|quela|quilo|s )"};

struct mojibake {
    pcre2_code *badness, *detector, *altered, *lossy, *a_grave;
};

/* NULL: out of memory (the patterns are sound, as every test knows). */
static pcre2_code *mojibake_compile(const char *const *parts, size_t count, uint32_t options) {
    text whole = {0};
    int code;
    PCRE2_SIZE at;
    for (size_t i = 0; i < count; i++) text_add(&whole, parts[i]);
    pcre2_code *p = whole.failed ? NULL : pcre2_compile((PCRE2_SPTR)whole.s, whole.len, options, &code, &at, NULL);
    text_free(&whole);
    return p;
}

ss_status mojibake_create(mojibake **out, ss_error *err) {
    *out = NULL;
    mojibake *m = calloc(1, sizeof *m);
    if (!m) return error_no_memory(err, "mojibake", sizeof *m);
    const struct {
        pcre2_code **code;
        const char *const *parts;
        size_t count;
        uint32_t options;
    } patterns[] = {{&m->badness, BADNESS, COUNT(BADNESS), PCRE2_UTF},
                    {&m->detector, DETECTOR, COUNT(DETECTOR), PCRE2_UTF},
                    {&m->altered, ALTERED_UTF8, COUNT(ALTERED_UTF8), 0},
                    {&m->lossy, LOSSY_UTF8, COUNT(LOSSY_UTF8), 0},
                    {&m->a_grave, A_GRAVE, COUNT(A_GRAVE), 0}};
    for (size_t i = 0; i < COUNT(patterns); i++) {
        *patterns[i].code = mojibake_compile(patterns[i].parts, patterns[i].count, patterns[i].options);
        if (*patterns[i].code) continue;
        mojibake_free(m);
        return error_no_memory(err, "a regular expression", 1);
    }
    *out = m;
    return SS_OK;
}

void mojibake_free(mojibake *m) {
    if (!m) return;
    pcre2_code_free(m->badness);
    pcre2_code_free(m->detector);
    pcre2_code_free(m->altered);
    pcre2_code_free(m->lossy);
    pcre2_code_free(m->a_grave);
    free(m);
}

/* What a substitution puts in the place of a match. */
typedef ss_status replace_match(const void *context, const char *s, size_t n, text *out, ss_error *err);

/* Append `in` with every match of the pattern replaced; with no `replace`, only look. *count: of matches. */
static ss_status substitute(const pcre2_code *pattern, const text *in, replace_match *replace, const void *context,
                            text *out, size_t *count, ss_error *err) {
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    ss_status status = data ? SS_OK : error_no_memory(err, "a match", 1);
    size_t at = 0;
    *count = 0;
    while (status == SS_OK) {
        int found = pcre2_match(pattern, (PCRE2_SPTR)in->s, in->len, at, PCRE2_NO_UTF_CHECK, data, NULL);
        if (found == PCRE2_ERROR_NOMATCH) break;
        if (found < 0) {
            status = found == PCRE2_ERROR_NOMEMORY
                         ? error_no_memory(err, "a match", 1)
                         : error_set(err, SS_ERR_INTERNAL, NULL, "PCRE2 gave up on a prompt (error %d)", found);
            break;
        }
        const PCRE2_SIZE *range = pcre2_get_ovector_pointer(data);
        ++*count;
        if (!replace) break;
        text_add_n(out, in->s + at, range[0] - at);
        at = range[1];
        status = replace(context, in->s + range[0], range[1] - range[0], out, err);
    }
    pcre2_match_data_free(data);
    if (status == SS_OK && replace) {
        text_add_n(out, in->s + at, in->len - at);
        if (out->failed) status = error_no_memory(err, "a prompt", in->len);
    }
    return status;
}

static ss_status mojibake_has(const pcre2_code *pattern, const text *t, int *found, ss_error *err) {
    size_t count;
    SS_TRY(substitute(pattern, t, NULL, NULL, NULL, &count, err));
    *found = count > 0;
    return SS_OK;
}

/* Substitute in place. */
static ss_status mojibake_apply(const pcre2_code *pattern, text *t, replace_match *replace, const void *context,
                                ss_error *err) {
    text out = {0};
    size_t count;
    ss_status status = substitute(pattern, t, replace, context, &out, &count, err);
    text *old = status == SS_OK ? t : &out;
    text_free(old);
    if (status == SS_OK) *t = out;
    return status;
}

static ss_status put_a_grave(const void *context, const char *s, size_t n, text *out, ss_error *err) {
    (void)context, (void)s, (void)n, (void)err;
    text_add(out, "\xC3\xA0 ");
    return SS_OK;
}

static ss_status put_byte_a0(const void *context, const char *s, size_t n, text *out, ss_error *err) {
    (void)context, (void)err;
    for (size_t i = 0; i < n; i++) text_add_n(out, s[i] == ' ' ? "\xA0" : s + i, 1);
    return SS_OK;
}

static ss_status put_replacement(const void *context, const char *s, size_t n, text *out, ss_error *err) {
    (void)context, (void)s, (void)n, (void)err;
    text_add(out, "\xEF\xBF\xBD");
    return SS_OK;
}

int32_t mojibake_c1(int32_t cp) { return cp >= 0x80 && cp <= 0x9F ? ENCODINGS[WINDOWS_1252].high[cp - 0x80] : cp; }

/* The byte of a code point, or -1. */
static int mojibake_byte_of(const single_byte *e, int32_t cp) {
    if (cp == (e->sloppy ? REPLACEMENT : SUBSTITUTE)) return SUBSTITUTE;
    if (cp < 0x80) return cp == SUBSTITUTE ? -1 : cp;
    for (int i = 0; i < 128; i++)
        if (e->high[i] == cp) return 0x80 + i;
    return -1;
}

/* The text in the encoding; 0 where it cannot be written so. */
static int mojibake_encode(const single_byte *e, const text *t, text *bytes) {
    for (size_t i = 0; i < t->len;) {
        int32_t cp;
        i += unicode_next(t->s + i, t->len - i, &cp);
        int b = mojibake_byte_of(e, cp);
        if (b < 0) return 0;
        const char byte = (char)b;
        text_add_n(bytes, &byte, 1);
    }
    return 1;
}

/* Whether two bytes stand for U+0000 in Java's UTF-8. The reference looks for the second with an expression in which
 * '$' also matches before a line feed at the end, and then takes the line feed for it. */
static int is_java_nul(const unsigned char *s, size_t n) {
    return n >= 2 && s[0] == 0xC0 && (s[1] == 0x80 || (s[1] == '\n' && n == 2));
}

/* Whether six bytes are a pair of surrogates, each written as three bytes (CESU-8); '$' as above. */
static int is_pair(const unsigned char *s, size_t n) {
    return n >= 6 && s[0] == 0xED && s[1] >= 0xA0 && s[1] <= 0xAF && (s[2] & 0xC0) == 0x80 && s[3] == 0xED &&
           s[4] >= 0xB0 && s[4] <= 0xBF && ((s[5] & 0xC0) == 0x80 || (s[5] == '\n' && n == 6));
}

/* Append bytes that are UTF-8, or its variants ("utf-8-variants" of ftfy/bad_codecs); 0 where they are not. */
static int mojibake_decode(const text *bytes, text *out) {
    const unsigned char *s = (const unsigned char *)bytes->s;
    for (size_t i = 0; i < bytes->len;) {
        const unsigned char *p = s + i;
        size_t left = bytes->len - i;
        if (is_java_nul(p, left)) {
            text_add_n(out, "", 1);
            i += 2;
        } else if (is_pair(p, left)) {
            unicode_append(out, ((p[1] & 0x0F) << 16) + ((p[2] & 0x3F) << 10) + ((p[4] & 0x0F) << 6) + (p[5] & 0x3F) +
                                    0x10000);
            i += 6;
        } else {
            size_t width = *p < 0x80 ? 1 : *p < 0xE0 ? 2 : *p < 0xF0 ? 3 : 4;
            if (width > left || unicode_find_invalid((const char *)p, width) < width) return 0;
            text_add_n(out, (const char *)p, width);
            i += width;
        }
    }
    return 1;
}

/* One encoding of the first plan: *fits where the text can be written in it, *fixed where that gave UTF-8. */
static ss_status try_encoding(const mojibake *m, const single_byte *e, text *t, int *fits, int *fixed, ss_error *err) {
    text bytes = {0}, out = {0};
    int altered = 0;
    ss_status status = SS_OK;
    *fixed = 0;
    *fits = mojibake_encode(e, t, &bytes);
    if (!*fits) goto done;
    if (bytes.failed) SS_TRY_GOTO(error_no_memory(err, "a prompt", t->len), done);
    if (strcmp(e->name, "macroman") != 0) SS_TRY_GOTO(mojibake_has(m->altered, &bytes, &altered, err), done);
    if (altered) {
        SS_TRY_GOTO(mojibake_apply(m->a_grave, &bytes, put_a_grave, NULL, err), done);
        SS_TRY_GOTO(mojibake_apply(m->altered, &bytes, put_byte_a0, NULL, err), done);
    }
    if (e->sloppy) SS_TRY_GOTO(mojibake_apply(m->lossy, &bytes, put_replacement, NULL, err), done);
    *fixed = mojibake_decode(&bytes, &out);
    if (out.failed) SS_TRY_GOTO(error_no_memory(err, "a prompt", t->len), done);
    if (*fixed) {
        text old = *t;
        *t = out;
        out = old;
    }
done:
    text_free(&bytes);
    text_free(&out);
    return status;
}

static size_t count_signs(const char *s, size_t n) {
    size_t count = 0;
    for (size_t i = 0; i < n; i++) count += ((unsigned char)s[i] & 0xC0) != 0x80;
    return count;
}

/* What decode_inconsistent_utf8 needs: the patterns, and how long the text is that it works on. */
typedef struct whole_text {
    const mojibake *m;
    size_t signs;
} whole_text;

/* fix_embedded_mojibake: a run is fixed by itself, unless it is all there is (that would go on for ever). The depth of
 * the recursion is logarithmic: a run is fixed as a whole to at most half its length, or not at all. */
static ss_status put_fixed(const void *context, const char *s, size_t n, text *out, ss_error *err) {
    const whole_text *whole = context;
    text part = {0};
    int bad = 0;
    text_add_n(&part, s, n);
    ss_status status = part.failed ? error_no_memory(err, "a prompt", n) : SS_OK;
    if (status == SS_OK && count_signs(s, n) < whole->signs) status = mojibake_has(whole->m->badness, &part, &bad, err);
    if (status == SS_OK && bad) status = mojibake_fix(whole->m, &part, err);
    if (status == SS_OK) text_add_n(out, part.s, part.len);
    text_free(&part);
    return status;
}

/* Latin-1 that was meant for windows-1252, where that encoding has no hole: control codes become its characters. Where
 * it has, the reference goes on to fix_c1_controls, which leaves the holes: the same result in one pass. */
static ss_status replace_controls(text *t, ss_error *err) {
    text out = {0};
    for (size_t i = 0; i < t->len;) {
        int32_t cp;
        i += unicode_next(t->s + i, t->len - i, &cp);
        unicode_append(&out, mojibake_c1(cp));
    }
    if (out.failed) {
        text_free(&out);
        return error_no_memory(err, "a prompt", t->len);
    }
    text_free(t);
    *t = out;
    return SS_OK;
}

static int is_same(const text *a, const char *s, size_t n) { return a->len == n && memcmp(a->s, s, n) == 0; }

/* _fix_encoding_one_step_and_explain. */
static ss_status fix_once(const mojibake *m, text *t, ss_error *err) {
    int bad, fits, fixed, ascii = 1;
    for (size_t i = 0; i < t->len; i++) ascii &= (unsigned char)t->s[i] < 0x80;
    if (ascii) return SS_OK;
    SS_TRY(mojibake_has(m->badness, t, &bad, err));
    if (!bad) return SS_OK;
    for (size_t i = 0; i < COUNT(ENCODINGS); i++) {
        SS_TRY(try_encoding(m, &ENCODINGS[i], t, &fits, &fixed, err));
        if (fixed) return SS_OK;
    }
    text before = {0};
    text_add_n(&before, t->s, t->len);
    const whole_text whole = {m, count_signs(t->s, t->len)};
    ss_status status = before.failed ? error_no_memory(err, "a prompt", t->len) : SS_OK;
    if (status == SS_OK) status = mojibake_apply(m->detector, t, put_fixed, &whole, err);
    if (status == SS_OK && is_same(t, before.s, before.len)) status = replace_controls(t, err);
    text_free(&before);
    return status;
}

ss_status mojibake_fix(const mojibake *m, text *t, ss_error *err) {
    ss_status status = SS_OK;
    for (int changed = t->len > 0; status == SS_OK && changed;) {
        text before = {0};
        text_add_n(&before, t->s, t->len);
        status = before.failed ? error_no_memory(err, "a prompt", t->len) : fix_once(m, t, err);
        changed = status == SS_OK && !is_same(t, before.s, before.len);
        text_free(&before);
    }
    return status;
}
