/* The little of Unicode that the tokenizers need, in the words of the reference they copy. Strings are valid UTF-8
 * unless said otherwise. Independent of the locale. Data: utf8proc (Unicode 14 or 15), PCRE2 for two properties. */
#ifndef TEXT_UNICODE_H
#define TEXT_UNICODE_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "base/text.h"

/* Offset of the first byte that is not part of a valid UTF-8 sequence, or n where all of it is valid. */
size_t unicode_find_invalid(const char *s, size_t n);

/* Decode the code point at s (n > 0 bytes follow); returns its length in bytes. */
size_t unicode_next(const char *s, size_t n, int32_t *cp);

/* Where the code point begins that ends at byte i > 0. */
size_t unicode_before(const char *s, size_t i);

/* The byte behind the white space that begins at i; where the white space that ends at `end` begins, not before `from`.
 * White space: unicode_is_space. */
size_t unicode_skip_spaces(const char *s, size_t n, size_t i);
size_t unicode_spaces_before(const char *s, size_t from, size_t end);

void unicode_append(text *out, int32_t cp);
void unicode_append_upper(text *out, int32_t cp); /* its capital, where that is one code point */
void unicode_append_lower(text *out, int32_t cp); /* its small letter by itself: no final sigma */

int unicode_is_space(int32_t cp);       /* White_Space, Rust's char::is_whitespace */
int unicode_is_control(int32_t cp);     /* category C*, unassigned included */
int unicode_is_separator(int32_t cp);   /* category Zs */
int unicode_is_word_sign(int32_t cp);   /* category L*, M* or N* */
int unicode_is_ideograph(int32_t cp);   /* BasicTokenizer._is_chinese_char of transformers */
int unicode_is_mark(int32_t cp);        /* category Mn */
int unicode_is_digit(int32_t cp);       /* category Nd, \d of Python */
int unicode_is_punctuation(int32_t cp); /* category P*, or an ASCII symbol: _is_punctuation of transformers */

/* Append s in Normalization Form C, D, KC or KD. */
ss_status unicode_add_nfc(text *out, const char *s, size_t n, ss_error *err);
ss_status unicode_add_nfd(text *out, const char *s, size_t n, ss_error *err);
ss_status unicode_add_nfkc(text *out, const char *s, size_t n, ss_error *err);
ss_status unicode_add_nfkd(text *out, const char *s, size_t n, ss_error *err);

/* Two compiled patterns for Python's rule of the final sigma. */
typedef struct unicode_case unicode_case;
ss_status unicode_case_create(unicode_case **out, ss_error *err);
void unicode_case_free(unicode_case *c); /* NULL is allowed */

/* Append s as Python's str.lower() gives it. */
void unicode_add_lower(text *out, const char *s, size_t n, const unicode_case *c);

/* End of the extended grapheme cluster that begins at s. */
size_t unicode_grapheme(const char *s, size_t n);

#endif
