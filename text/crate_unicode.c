/* See crate_unicode.h. */
#include "text/crate_unicode.h"

#include "text/tokenizers_unicode.h"
#include "text/unicode.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static int is_in(const code_range *table, size_t n, int32_t cp) {
    size_t low = 0;
    while (n > low) {
        size_t middle = low + (n - low) / 2;
        if (cp > table[middle].last) low = middle + 1;
        else if (cp < table[middle].first) n = middle;
        else return 1;
    }
    return 0;
}

int crate_is_control(int32_t cp) { return is_in(TOKENIZERS_OTHER, COUNT(TOKENIZERS_OTHER), cp); }
int crate_is_punctuation(int32_t cp) { return is_in(TOKENIZERS_PUNCTUATION, COUNT(TOKENIZERS_PUNCTUATION), cp); }
int crate_is_nonspacing(int32_t cp) { return is_in(TOKENIZERS_NONSPACING, COUNT(TOKENIZERS_NONSPACING), cp); }
int crate_is_combining(int32_t cp) { return is_in(TOKENIZERS_COMBINING, COUNT(TOKENIZERS_COMBINING), cp); }
int crate_is_numeric(int32_t cp) { return is_in(TOKENIZERS_NUMERIC, COUNT(TOKENIZERS_NUMERIC), cp); }

/* normalizers/bert.rs; it has 2B920 where transformers has 2B820. */
int crate_is_ideograph(int32_t cp) { return unicode_is_ideograph(cp) && !(cp >= 0x2B820 && cp < 0x2B920); }

void crate_append_lower(text *out, int32_t cp) {
    for (size_t i = 0; cp >= 0x1C89 && i < COUNT(TOKENIZERS_LOWER); i++)
        if (TOKENIZERS_LOWER[i][0] == cp) {
            unicode_append(out, TOKENIZERS_LOWER[i][1]);
            return;
        }
    unicode_append_lower(out, cp);
}

ss_status crate_add_normalized(text *out, const char *s, size_t n, crate_form form, ss_error *err) {
    static ss_status (*const FORMS[])(text *, const char *, size_t, ss_error *) = {unicode_add_nfc, unicode_add_nfd,
                                                                                   unicode_add_nfkc, unicode_add_nfkd};
    size_t from = 0;
    int32_t cp;
    if (n == 0) return SS_OK; /* s may be NULL then */
    for (size_t i = 0, step; i < n; i += step) {
        step = unicode_next(s + i, n - i, &cp);
        if (cp < 0x300 || !is_in(TOKENIZERS_BARRIER, COUNT(TOKENIZERS_BARRIER), cp)) continue;
        SS_TRY(FORMS[form](out, s + from, i - from, err));
        text_add_n(out, s + i, step);
        from = i + step;
    }
    return FORMS[form](out, s + from, n - from, err);
}
