/* Text helpers. Number formatting corrects the locale's decimal sign itself, so results are the same in every
 * locale. */
#include "base/text.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

static int reserve(text *t, size_t extra) {
    if (t->failed) return 0;
    if (extra > SIZE_MAX / 2 - t->len) return t->failed = 1, 0;
    if (t->len + extra + 1 <= t->cap) return 1;
    size_t cap = t->cap ? t->cap : 64;
    while (cap < t->len + extra + 1) cap *= 2;
    char *s = array_resize(t->s, cap, 1);
    if (!s) return t->failed = 1, 0;
    t->s = s;
    t->cap = cap;
    return 1;
}

void text_add_n(text *t, const char *s, size_t n) {
    if (!reserve(t, n)) return;
    memcpy(t->s + t->len, s, n);
    t->len += n;
    t->s[t->len] = '\0';
}

void text_add(text *t, const char *s) { text_add_n(t, s, strlen(s)); }

void text_addf(text *t, const char *fmt, ...) {
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (n < 0) t->failed = 1;
    else if (reserve(t, (size_t)n)) {
        vsnprintf(t->s + t->len, (size_t)n + 1, fmt, again);
        t->len += (size_t)n;
    }
    va_end(again);
}

/* Append a printf-formatted number; the locale's decimal sign becomes '.'. */
static void add_number(text *t, const char *fmt, int precision, double x) {
    char buf[400];
    if (!isfinite(x)) {
        text_add(t, isnan(x) ? "nan" : x > 0 ? "inf" : "-inf");
        return;
    }
    snprintf(buf, sizeof buf, fmt, precision, x);
    const char *sign = localeconv()->decimal_point, *at = *sign ? strstr(buf, sign) : NULL;
    if (!at) {
        text_add(t, buf);
        return;
    }
    text_add_n(t, buf, (size_t)(at - buf));
    text_add(t, ".");
    text_add(t, at + strlen(sign));
}

void text_add_quote(text *t, const char *s, size_t most) {
    size_t n = strlen(s), shown = n > most ? most : n;
    while (shown > 0 && shown < n && ((unsigned char)s[shown] & 0xC0) == 0x80) shown--;
    text_add(t, "'");
    text_add_n(t, s, shown);
    text_add(t, "'");
    if (shown < n) text_addf(t, "... (%zu bytes)", n);
}

void text_add_double(text *t, double x, int digits) { add_number(t, "%.*g", digits, x); }
void text_add_fixed(text *t, double x, int decimals) { add_number(t, "%.*f", decimals, x); }

void text_add_json(text *t, const char *s) {
    text_add(t, "\"");
    for (; *s; s++) {
        unsigned char ch = (unsigned char)*s;
        if (ch == '"' || ch == '\\') text_addf(t, "\\%c", ch);
        else if (ch == '\n') text_add(t, "\\n");
        else if (ch == '\t') text_add(t, "\\t");
        else if (ch < 0x20) text_addf(t, "\\u%04x", ch);
        else text_add_n(t, s, 1);
    }
    text_add(t, "\"");
}

void text_add_html(text *t, const char *s) {
    for (; *s; s++) switch (*s) {
        case '&': text_add(t, "&amp;"); break;
        case '<': text_add(t, "&lt;"); break;
        case '>': text_add(t, "&gt;"); break;
        case '"': text_add(t, "&quot;"); break;
        case '\'': text_add(t, "&#39;"); break;
        default: text_add_n(t, s, 1);
        }
}

void text_free(text *t) {
    free(t->s);
    *t = (text){0};
}

const char *text_for(const text *t, text *out) {
    if (t->failed) out->failed = 1;
    return t->s && !t->failed ? t->s : "";
}

void text_add_grouped(text *t, int64_t n) {
    char digits[32];
    int len = snprintf(digits, sizeof digits, "%lld", (long long)n);
    for (int i = 0; i < len; i++) {
        text_add_n(t, digits + i, 1);
        int left = len - 1 - i;
        if (left > 0 && left % 3 == 0 && digits[i] != '-') text_add(t, ",");
    }
}

int text_to_double(const char *s, double *out) {
    const char *sign = localeconv()->decimal_point;
    char buf[128];
    size_t n = strlen(s), extra = strlen(sign);
    if (n == 0 || n + extra >= sizeof buf || strspn(s, "+-.0123456789eE") != n) return -1;
    const char *dot = strchr(s, '.');
    if (dot) {
        size_t head = (size_t)(dot - s);
        memcpy(buf, s, head);
        memcpy(buf + head, sign, extra);
        memcpy(buf + head + extra, dot + 1, n - head);
    } else {
        memcpy(buf, s, n + 1);
    }
    char *end;
    errno = 0;
    double x = strtod(buf, &end);
    if (*end || end == buf || isinf(x)) return -1;
    *out = x;
    return 0;
}

int text_to_int(const char *s, int64_t *out) {
    size_t n = strlen(s), sign = (*s == '-' || *s == '+');
    if (n == sign || strspn(s + sign, "0123456789") != n - sign) return -1;
    errno = 0;
    long long x = strtoll(s, NULL, 10);
    if (errno) return -1;
    *out = x;
    return 0;
}

int text_to_pair(const char *s, int64_t *first, int64_t *second) {
    char head[24]; /* as long as any number that fits */
    size_t n = strcspn(s, "x");
    if (n >= sizeof head) return -1;
    memcpy(head, s, n);
    head[n] = '\0';
    if (text_to_int(head, first) != 0) return -1;
    if (s[n]) return text_to_int(s + n + 1, second);
    *second = *first;
    return 0;
}

int text_ends_with(const char *s, const char *end) {
    size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

char *text_copy(const char *s) {
    size_t n = strlen(s) + 1;
    char *copy = malloc(n);
    return copy ? memcpy(copy, s, n) : NULL;
}

static int text_fold(unsigned char ch) { return ch >= 'A' && ch <= 'Z' ? ch + 32 : ch; }

int text_equal_fold(const char *a, const char *b) {
    for (; *a && text_fold((unsigned char)*a) == text_fold((unsigned char)*b); a++, b++) {}
    return text_fold((unsigned char)*a) == text_fold((unsigned char)*b);
}

static int min2(int a, int b) { return a < b ? a : b; }

int text_distance(const char *a, const char *b) {
    enum { MAX = 63 };
    int na = (int)strnlen(a, MAX + 1), nb = (int)strnlen(b, MAX + 1);
    if (na > MAX || nb > MAX) return MAX + 1;
    int row[3][MAX + 1]; /* two rows back, one row back, this row */
    for (int j = 0; j <= nb; j++) row[1][j] = j;
    for (int i = 1; i <= na; i++) {
        row[2][0] = i;
        for (int j = 1; j <= nb; j++) {
            int best = min2(row[1][j - 1] + (a[i - 1] != b[j - 1]), min2(row[1][j], row[2][j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) best = min2(best, row[0][j - 2] + 1);
            row[2][j] = best;
        }
        memcpy(row[0], row[1], sizeof row[0]);
        memcpy(row[1], row[2], sizeof row[1]);
    }
    return row[1][nb];
}

const char *text_nearest(const char *word, const char *const *names, int n) {
    const char *best = NULL;
    int limit = 1 + (int)strnlen(word, 64) / 4, best_distance = limit + 1;
    for (int i = 0; i < n; i++) {
        int d = text_distance(word, names[i]);
        if (d < best_distance) best_distance = d, best = names[i];
    }
    return best;
}
