/* See notices.h. Nothing here prints. */
#include "base/notices.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/text.h"

/* Bytes of the UTF-8 character at `c`, 0 where there is none (RFC 3629). */
static int character(const unsigned char *c) {
    int n = *c < 0x80 ? 1 : *c >= 0xC2 && *c < 0xE0 ? 2 : *c >= 0xE0 && *c < 0xF0 ? 3 : *c >= 0xF0 && *c < 0xF5 ? 4 : 0;
    for (int i = 1; i < n; i++)
        if ((c[i] & 0xC0) != 0x80) return 0;
    int overlong = (*c == 0xE0 && c[1] < 0xA0) || (*c == 0xF0 && c[1] < 0x90);
    int beyond = (*c == 0xED && c[1] >= 0xA0) || (*c == 0xF4 && c[1] >= 0x90);
    return overlong || beyond ? 0 : n;
}

/* One line stays one line of UTF-8, and a terminal takes no orders from a file's name. Control characters of C0 are
 * single bytes; those of C1 are 0xC2 and a byte below 0xA0. */
static void clean(char *s) {
    for (unsigned char *c = (unsigned char *)s; *c;) {
        int n = character(c);
        if (n == 0 || (n == 1 && (*c < 0x20 || *c == 0x7F))) *c = '?';
        else if (c[0] == 0xC2 && c[1] < 0xA0) c[0] = c[1] = '?';
        c += n > 1 ? n : 1;
    }
}

ss_status notices_add_text(notices *list, text *line, ss_error *err) {
    ss_status status = line->failed ? error_no_memory(err, "a notice", line->len) : SS_OK;
    int known = !list || !line->s;
    if (status == SS_OK && !known) {
        clean(line->s);
        for (int i = 0; i < list->n && !known; i++) known = strcmp(list->line[i], line->s) == 0;
    }
    if (status == SS_OK && !known)
        status = ARRAY_ROOM(list->line, list->capacity, list->n + 1, "a list of notices", err);
    if (status == SS_OK && !known) {
        list->line[list->n++] = line->s;
        *line = (text){0};
    }
    text_free(line);
    return status;
}

ss_status notices_add(notices *list, ss_error *err, const char *fmt, ...) {
    text line = {0};
    va_list args, again;
    if (!list) return SS_OK;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    char *formatted = n < 0 ? NULL : malloc((size_t)n + 1);
    if (formatted) vsnprintf(formatted, (size_t)n + 1, fmt, again);
    va_end(again);
    va_end(args);
    if (!formatted) return error_no_memory(err, "a notice", n < 0 ? 0 : (size_t)n + 1);
    text_add_n(&line, formatted, (size_t)n);
    free(formatted);
    return notices_add_text(list, &line, err);
}

ss_status notices_add_all(notices *list, const notices *other, ss_error *err) {
    for (int i = 0; i < other->n; i++) SS_TRY(notices_add(list, err, "%s", other->line[i]));
    return SS_OK;
}

void notices_free(notices *list) {
    for (int i = 0; i < list->n; i++) free(list->line[i]);
    free(list->line);
    *list = (notices){0};
}
