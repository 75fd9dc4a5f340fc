/* See wellformed.h. */
#include "wellformed.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { DEPTH = 64, NAME = 16 };

static char problem[256];

static const char *wrong(const char *what, const char *at) {
    snprintf(problem, sizeof problem, "%s near: %.120s", what, at);
    return problem;
}

static int is_void(const char *name) {
    static const char *const VOID[] = {"meta", "img", "br"};
    for (int i = 0; i < 3; i++)
        if (strcmp(name, VOID[i]) == 0) return 1;
    return 0;
}

/* The attributes of a tag up to its '>': NULL, or the end in *end; *closed for "/>". */
static const char *read_attributes(const char *s, const char **end, int *closed) {
    *closed = 0;
    for (;;) {
        while (*s == ' ' || *s == '\n') s++;
        if (*s == '>' || (*s == '/' && s[1] == '>')) {
            *closed = *s == '/';
            *end = s + 1 + *closed;
            return NULL;
        }
        const char *name = s;
        while (isalnum((unsigned char)*s) || *s == '-') s++;
        if (s == name) return wrong("a tag with a strange character", s);
        if (*s != '=') continue;
        if (s[1] != '"') return wrong("an attribute without quotes", name);
        s += 2;
        while (*s && *s != '"' && *s != '<') s++;
        if (*s != '"') return wrong("an attribute that does not end", name);
        s++;
    }
}

const char *find_malformed(const char *html) {
    char stack[DEPTH][NAME];
    int depth = 0, closed;
    for (const char *s = html; *s;) {
        if (*s == '>') return wrong("a bare '>'", s);
        if (*s == '&') {
            size_t n = strspn(s + 1, "#0123456789abcdefghijklmnopqrstuvwxyz");
            if (n == 0 || s[n + 1] != ';') return wrong("a bare '&'", s);
        }
        if (*s != '<') {
            s++;
            continue;
        }
        if (s[1] == '!') {
            while (*s && *s != '>') s++;
            s += *s == '>';
            continue;
        }
        int closing = s[1] == '/';
        char name[NAME];
        size_t n = strspn(s + 1 + closing, "abcdefghijklmnopqrstuvwxyz0123456789");
        if (n == 0 || n >= NAME) return wrong("a bare '<'", s);
        memcpy(name, s + 1 + closing, n);
        name[n] = '\0';
        const char *bad = read_attributes(s + 1 + closing + n, &s, &closed);
        if (bad) return bad;
        if (closing) {
            if (depth == 0 || strcmp(stack[depth - 1], name) != 0) return wrong("a tag closed that is not open", s - n);
            depth--;
        } else if (!closed && !is_void(name)) {
            if (depth == DEPTH) return wrong("too deep", s);
            memcpy(stack[depth++], name, n + 1);
            if (strcmp(name, "style") == 0) s = strstr(s, "</style>") ? strstr(s, "</style>") : s;
            if (strcmp(name, "script") == 0) { /* raw text up to its end, in which no comment may begin */
                const char *end = strstr(s, "</script>"), *comment = strstr(s, "<!--");
                if (!end || (comment && comment < end)) return wrong("a script that does not end", s);
                s = end;
            }
        }
    }
    return depth ? wrong("a tag left open", stack[depth - 1]) : NULL;
}

int has_bad_number(const char *html) {
    return strstr(html, "\"nan") || strstr(html, "\"-nan") || strstr(html, "\"inf") || strstr(html, "\"-inf") ||
           strstr(html, ">nan") || strstr(html, ">-nan") || strstr(html, ">inf") || strstr(html, ">-inf");
}
