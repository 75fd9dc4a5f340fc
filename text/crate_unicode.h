/* Code points as Hugging Face's tokenizers takes them, whose tables are of other versions of Unicode than utf8proc's
 * (docs/FORMATS.md). */
#ifndef TEXT_CRATE_UNICODE_H
#define TEXT_CRATE_UNICODE_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "base/text.h"

int crate_is_control(int32_t cp);     /* BertNormalizer drops it */
int crate_is_punctuation(int32_t cp); /* Punctuation, BertPreTokenizer */
int crate_is_nonspacing(int32_t cp);  /* an accent to BertNormalizer */
int crate_is_combining(int32_t cp);   /* an accent to StripAccents */
int crate_is_numeric(int32_t cp);     /* Digits */
int crate_is_ideograph(int32_t cp);   /* BertNormalizer puts spaces around it */

void crate_append_lower(text *out, int32_t cp);

typedef enum crate_form { CRATE_NFC, CRATE_NFD, CRATE_NFKC, CRATE_NFKD } crate_form;
/* Append s in that normalization form. */
ss_status crate_add_normalized(text *out, const char *s, size_t n, crate_form form, ss_error *err);

#endif
