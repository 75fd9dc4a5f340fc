/* Cleaning and splitting at spaces, by the rules of BasicTokenizer. */
#include "text/basic_clean.h"

#include "text/unicode.h"

void basic_clean(const char *s, size_t n, text *out) {
    int32_t cp;
    for (size_t i = 0, step; i < n; i += step) {
        step = unicode_next(s + i, n - i, &cp);
        if (cp == ' ' || cp == '\t' || cp == '\n' || cp == '\r' || unicode_is_separator(cp)) text_add(out, " ");
        else if (cp == 0xFFFD || unicode_is_control(cp)) continue;
        else if (unicode_is_ideograph(cp)) {
            text_add(out, " ");
            text_add_n(out, s + i, step);
            text_add(out, " ");
        } else text_add_n(out, s + i, step);
    }
}

size_t basic_next_word(const char *s, size_t n, size_t from, size_t *end) {
    size_t start = n;
    int32_t cp;
    *end = n;
    for (size_t i = from, step; i < n; i += step) {
        step = unicode_next(s + i, n - i, &cp);
        if (!unicode_is_space(cp)) {
            if (start == n) start = i;
        } else if (start < n) {
            *end = i;
            break;
        }
    }
    return start;
}
