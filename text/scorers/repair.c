/* ftfy's fix_text around its fix_encoding (text/scorers/mojibake.h). The input must be valid UTF-8; surrogates, which
 * the reference also repairs, cannot occur then. */
#include "text/scorers/repair.h"

#include <stdlib.h>
#include <string.h>

#include "text/scorers/html.h"
#include "text/scorers/mojibake.h"
#include "text/unicode.h"

struct repair {
    mojibake *encodings;
};

ss_status repair_create(repair **out, ss_error *err) {
    *out = NULL;
    repair *r = calloc(1, sizeof *r);
    if (!r) return error_no_memory(err, "text repair", sizeof *r);
    ss_status status = mojibake_create(&r->encodings, err);
    if (status == SS_OK) *out = r;
    else free(r);
    return status;
}

void repair_free(repair *r) {
    if (!r) return;
    mojibake_free(r->encodings);
    free(r);
}

static int is_letter_or_digit(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* str.upper() of what an entity stands for; the characters that grow by it are ligatures. */
static void add_upper(text *out, const char *s, size_t n) {
    static const struct {
        int32_t sign;
        const char *upper;
    } GROWING[] = {{0xDF, "SS"},   {0x149, "\xCA\xBCN"}, {0xFB00, "FF"}, {0xFB01, "FI"},
                   {0xFB02, "FL"}, {0xFB03, "FFI"},      {0xFB04, "FFL"}};
    for (size_t i = 0; i < n;) {
        int32_t cp;
        size_t k = 0;
        i += unicode_next(s + i, n - i, &cp);
        while (k < sizeof GROWING / sizeof GROWING[0] && GROWING[k].sign != cp) k++;
        if (k < sizeof GROWING / sizeof GROWING[0]) text_add(out, GROWING[k].upper);
        else unicode_append_upper(out, cp);
    }
}

/* An entity's name in capitals (&NTILDE;), where the name in small letters is one and no start of it already means
 * something without a semicolon (&LTIMES;): the capital letter. _build_html_entities of ftfy/chardata.py. */
static int add_capital_entity(text *out, const char *name, size_t n) {
    enum { LONGEST = 24 };
    char lower[LONGEST];
    text none = {0};
    int ambiguous = n > LONGEST;
    for (size_t i = 0; i < n && !ambiguous; i++) {
        ambiguous = name[i] >= 'a' && name[i] <= 'z';
        lower[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] - 'A' + 'a' : name[i]);
    }
    for (size_t k = 2; k < n && !ambiguous; k++) ambiguous = html_add_entity(&none, name, k, 1);
    int found = !ambiguous && html_add_entity(&none, lower, n, 0);
    if (found) add_upper(out, none.s, none.len);
    text_free(&none);
    return found;
}

/* _unescape_fixup: s is "&name;" or "&#number;". */
static void add_entity(text *out, const char *s, size_t n) {
    if (s[1] != '#') {
        if (!html_add_entity(out, s + 1, n - 2, 0) && !add_capital_entity(out, s + 1, n - 2)) text_add_n(out, s, n);
        return;
    }
    text plain = {0};
    html_unescape(&plain, s, n);
    int whole = !plain.len || !memchr(plain.s, ';', plain.len);
    text_add_n(out, whole ? plain.s : s, whole ? plain.len : n);
    out->failed |= plain.failed;
    text_free(&plain);
}

/* ftfy.fixes.unescape_html: references that end with a semicolon. */
static void unescape(const text *in, text *out) {
    enum { LONGEST = 24 };
    for (size_t i = 0; i < in->len;) {
        const char *found = memchr(in->s + i, '&', in->len - i);
        size_t at = found ? (size_t)(found - in->s) : in->len, start = at + 1, end;
        text_add_n(out, in->s + i, at - i);
        if (!found) break;
        if (start < in->len && in->s[start] == '#') start++;
        for (end = start; end < in->len && is_letter_or_digit(in->s[end]);) end++;
        int is_entity = end > start && end - start <= LONGEST && end < in->len && in->s[end] == ';';
        size_t n = is_entity ? end + 1 - at : 1;
        if (is_entity) add_entity(out, in->s + at, n);
        else text_add_n(out, in->s + at, n);
        i = at + n;
    }
}

static void add_uncurled(text *out, int32_t cp) {
    if (cp == 0x2BC || (cp >= 0x2018 && cp <= 0x201B)) cp = '\'';
    if (cp >= 0x201C && cp <= 0x201F) cp = '"';
    unicode_append(out, cp);
}

/* Full- and half-width forms by their compatibility mapping (WIDTH_MAP), the ideographic space, then quotes. */
static ss_status add_narrow(text *out, int32_t cp, ss_error *err) {
    text sign = {0}, mapped = {0};
    if (cp == 0x3000) cp = ' ';
    if (cp < 0xFF01 || cp > 0xFFEF) return add_uncurled(out, cp), SS_OK;
    unicode_append(&sign, cp);
    ss_status status =
        sign.failed ? error_no_memory(err, "a prompt", 4) : unicode_add_nfkc(&mapped, sign.s, sign.len, err);
    for (size_t i = 0; status == SS_OK && i < mapped.len;) {
        i += unicode_next(mapped.s + i, mapped.len - i, &cp);
        add_uncurled(out, cp);
    }
    out->failed |= mapped.failed;
    text_free(&sign);
    text_free(&mapped);
    return status;
}

/* fix_c1_controls, fix_latin_ligatures, fix_character_width and uncurl_quotes: each maps single code points, so one
 * pass does all four. */
static ss_status map_signs(const text *in, text *out, ss_error *err) {
    static const struct {
        int32_t sign, parts[3];
    } LIGATURES[] = {
        {0x132, {'I', 'J'}},    {0x133, {'i', 'j'}},   {0x149, {0x2BC, 'n'}},     {0x1C4, {'D', 0x17D}},
        {0x1C5, {'D', 0x17E}},  {0x1C6, {'d', 0x17E}}, {0x1C7, {'L', 'J'}},       {0x1C8, {'L', 'j'}},
        {0x1C9, {'l', 'j'}},    {0x1CA, {'N', 'J'}},   {0x1CB, {'N', 'j'}},       {0x1CC, {'n', 'j'}},
        {0x1F1, {'D', 'Z'}},    {0x1F2, {'D', 'z'}},   {0x1F3, {'d', 'z'}},       {0xFB00, {'f', 'f'}},
        {0xFB01, {'f', 'i'}},   {0xFB02, {'f', 'l'}},  {0xFB03, {'f', 'f', 'i'}}, {0xFB04, {'f', 'f', 'l'}},
        {0xFB05, {0x17F, 't'}}, {0xFB06, {'s', 't'}}};
    for (size_t i = 0; i < in->len;) {
        int32_t cp;
        size_t k = 0;
        i += unicode_next(in->s + i, in->len - i, &cp);
        if (cp < 0x80) {
            unicode_append(out, cp);
            continue;
        }
        cp = mojibake_c1(cp);
        while (k < sizeof LIGATURES / sizeof LIGATURES[0] && LIGATURES[k].sign != cp) k++;
        if (k == sizeof LIGATURES / sizeof LIGATURES[0]) SS_TRY(add_narrow(out, cp, err));
        else
            for (int part = 0; part < 3 && LIGATURES[k].parts[part]; part++)
                SS_TRY(add_narrow(out, LIGATURES[k].parts[part], err));
    }
    return SS_OK;
}

/* Length of a terminal escape at s, such as ESC [ 3 1 m; 0 where there is none. */
static size_t escape_at(const char *s, size_t n) {
    if (n < 3 || s[0] != 0x1B || s[1] != '[') return 0;
    for (size_t i = 2; i < n;) {
        int32_t cp;
        size_t step = unicode_next(s + i, n - i, &cp);
        if ((cp >= 'a' && cp <= 'z') || (cp >= 'A' && cp <= 'Z')) return i + 1;
        if (cp != ';' && !unicode_is_digit(cp)) return 0;
        i += step;
    }
    return 0;
}

/* CONTROL_CHARS of ftfy/chardata.py. */
static int is_removed(int32_t cp) {
    return cp <= 8 || cp == 0xB || (cp >= 0xE && cp <= 0x1F) || cp == 0x7F || (cp >= 0x206A && cp <= 0x206F) ||
           cp == 0xFEFF || (cp >= 0xFFF9 && cp <= 0xFFFC);
}

/* fix_line_breaks, remove_terminal_escapes, remove_control_chars. */
static void clean_controls(const text *in, text *out) {
    for (size_t i = 0; i < in->len;) {
        int32_t cp;
        size_t plain = 0;
        while (i + plain < in->len && in->s[i + plain] >= ' ' && in->s[i + plain] <= '~') plain++;
        text_add_n(out, in->s + i, plain);
        i += plain;
        if (i == in->len) break;
        size_t escape = escape_at(in->s + i, in->len - i);
        size_t step = unicode_next(in->s + i, in->len - i, &cp);
        i += escape ? escape : step;
        if (escape || is_removed(cp)) continue;
        if (cp == '\r' && i < in->len && in->s[i] == '\n') continue;
        if (cp == '\r' || cp == 0x2028 || cp == 0x2029 || cp == 0x85) cp = '\n';
        unicode_append(out, cp);
    }
}

static int repair_is_ascii(const text *t) {
    for (size_t i = 0; i < t->len; i++)
        if ((unsigned char)t->s[i] >= 0x80) return 0;
    return 1;
}

/* One round of fix_and_explain; replaces t. ASCII, which most prompts are and nested entities are through many rounds,
 * has nothing for the steps that are left out. */
static ss_status repair_once(const repair *r, int unescapes, text *t, ss_error *err) {
    text next = {0}, mapped = {0}, cleaned = {0}, normal = {0};
    if (unescapes) unescape(t, &next);
    else text_add_n(&next, t->s, t->len);
    ss_status status = next.failed ? error_no_memory(err, "a prompt", t->len) : SS_OK;
    if (status == SS_OK && repair_is_ascii(&next)) {
        clean_controls(&next, &normal);
    } else if (status == SS_OK) {
        status = mojibake_fix(r->encodings, &next, err);
        if (status == SS_OK) status = map_signs(&next, &mapped, err);
        if (status == SS_OK) clean_controls(&mapped, &cleaned);
        if (status == SS_OK) status = unicode_add_nfc(&normal, cleaned.s, cleaned.len, err);
    }
    if (status == SS_OK && (mapped.failed || cleaned.failed || normal.failed))
        status = error_no_memory(err, "a prompt", t->len);
    text *dropped = status == SS_OK ? t : &normal;
    text_free(dropped);
    if (status == SS_OK) *t = normal;
    text_free(&next);
    text_free(&mapped);
    text_free(&cleaned);
    return status;
}

/* fix_and_explain: rounds until one changes nothing. */
static ss_status repair_line(const repair *r, int unescapes, const char *s, size_t n, text *out, ss_error *err) {
    text t = {0}, before = {0};
    text_add_n(&t, s, n);
    ss_status status = t.failed ? error_no_memory(err, "a prompt", n) : SS_OK;
    for (int changed = 1; status == SS_OK && changed && t.len;) {
        before.len = 0;
        text_add_n(&before, t.s, t.len);
        status = before.failed ? error_no_memory(err, "a prompt", t.len) : repair_once(r, unescapes, &t, err);
        changed = status == SS_OK && t.s && before.s && (t.len != before.len || memcmp(t.s, before.s, t.len) != 0);
    }
    if (status == SS_OK) text_add_n(out, t.s ? t.s : "", t.len);
    text_free(&before);
    text_free(&t);
    return status;
}

ss_status repair_add(const repair *r, const char *s, size_t n, text *out, ss_error *err) {
    int unescapes = 1; /* "<" is taken for HTML: entities stay from the line on that has one */
    for (size_t i = 0, end; i < n; i = end) {
        const char *found = memchr(s + i, '\n', n - i);
        end = found ? (size_t)(found - s) + 1 : n;
        if (memchr(s + i, '<', end - i)) unescapes = 0;
        SS_TRY(repair_line(r, unescapes, s + i, end - i, out, err));
    }
    return out->failed ? error_no_memory(err, "a prompt", n) : SS_OK;
}
