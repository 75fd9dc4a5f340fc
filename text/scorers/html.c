/* html.unescape. The table is in html_entities.h. What Python does not decode is left as it is. */
#include "text/scorers/html.h"

#include <string.h>

#include "text/scorers/html_entities.h"
#include "text/unicode.h"

enum { LONGEST_NAME = 32, LONGEST_BARE = 6 }; /* code points of the pattern's name; bytes of a name without semicolon */

static const html_entity *html_find(const char *name, size_t n) {
    size_t low = 0, high = sizeof HTML_ENTITIES / sizeof HTML_ENTITIES[0];
    while (low < high) {
        size_t middle = (low + high) / 2;
        const html_entity *e = &HTML_ENTITIES[middle];
        int order = strncmp(name, e->name, n);
        if (order == 0 && e->name[n]) order = -1; /* a proper start of the entry sorts before it */
        if (order == 0) return e;
        if (order < 0) high = middle;
        else low = middle + 1;
    }
    return NULL;
}

int html_add_entity(text *out, const char *name, size_t n, int bare) {
    const html_entity *e = memchr(name, 0, n) ? NULL : html_find(name, n);
    if (!e || (bare && !e->bare)) return 0;
    unicode_append(out, (int32_t)e->first);
    if (e->second) unicode_append(out, (int32_t)e->second);
    return 1;
}

/* _invalid_charrefs of 0x80 .. 0x9F: what windows-1252 has there. */
static const uint16_t WINDOWS_1252[32] = {0x20AC, 0x81,   0x201A, 0x192,  0x201E, 0x2026, 0x2020, 0x2021,
                                          0x2C6,  0x2030, 0x160,  0x2039, 0x152,  0x8D,   0x17D,  0x8F,
                                          0x90,   0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014,
                                          0x2DC,  0x2122, 0x161,  0x203A, 0x153,  0x9D,   0x17E,  0x178};

static void html_add_number(text *out, uint32_t x) {
    if (x >= 0x80 && x <= 0x9F) x = WINDOWS_1252[x - 0x80];
    else if (x == 0 || (x >= 0xD800 && x <= 0xDFFF) || x > 0x10FFFF) x = 0xFFFD;
    else if ((x < 0x20 && x != '\t' && x != '\n' && x != '\f' && x != '\r') || x == 0x7F ||
             (x >= 0xFDD0 && x <= 0xFDEF) || (x & 0xFFFE) == 0xFFFE)
        return;
    unicode_append(out, (int32_t)x);
}

static int digit(char c, uint32_t base) {
    if (c >= '0' && c <= '9') return c - '0';
    if (base == 10) return -1;
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* "#123;" at s; returns its length, 0 where there is none. */
static size_t html_add_numbered(text *out, const char *s, size_t n) {
    uint32_t base = n > 1 && (s[1] == 'x' || s[1] == 'X') ? 16 : 10, x = 0;
    size_t start = base == 16 ? 2 : 1, i = start;
    for (; i < n && digit(s[i], base) >= 0; i++) {
        x = x * base + (uint32_t)digit(s[i], base);
        if (x > 0x110000) x = 0x110000; /* stays too large, and fits */
    }
    if (i == start) return 0;
    html_add_number(out, x);
    return i < n && s[i] == ';' ? i + 1 : i;
}

/* "amp;" at s, the characters that the pattern takes for a name; returns its length, 0 where there is none. */
static size_t html_add_named(text *out, const char *s, size_t n) {
    size_t i = 0;
    for (int signs = 0; i < n && signs < LONGEST_NAME && !memchr("\t\n\f <&#;", s[i], 8); signs++) {
        int32_t cp;
        i += unicode_next(s + i, n - i, &cp);
    }
    if (i == 0) return 0;
    int closed = i < n && s[i] == ';';
    size_t whole = i + (closed ? 1 : 0);
    if (html_add_entity(out, s, i, !closed)) return whole;
    for (size_t k = whole - 1 < LONGEST_BARE ? whole - 1 : LONGEST_BARE; k > 1; k--) {
        if (!html_add_entity(out, s, k, 1)) continue;
        text_add_n(out, s + k, whole - k);
        return whole;
    }
    text_add(out, "&");
    text_add_n(out, s, whole);
    return whole;
}

void html_unescape(text *out, const char *s, size_t n) {
    for (size_t i = 0; i < n;) {
        const char *found = memchr(s + i, '&', n - i);
        size_t plain = found ? (size_t)(found - s) - i : n - i;
        text_add_n(out, s + i, plain);
        i += plain;
        if (i == n) break;
        i++;
        size_t length = i < n && s[i] == '#' ? html_add_numbered(out, s + i, n - i) : html_add_named(out, s + i, n - i);
        if (length == 0) text_add(out, "&");
        i += length;
    }
}
