/* Growing arrays behind struct tokens. */
#include "text/token_builder.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "text/unicode.h"

ss_status token_builder_word(token_builder *b, const char *s, size_t n, ss_error *err) {
    SS_TRY(ARRAY_ROOM(b->out.words, b->word_capacity, b->out.word_count + 1, "tokens", err));
    char *copy = malloc(n + 1);
    if (!copy) return error_no_memory(err, "a word", n + 1);
    memcpy(copy, s, n);
    copy[n] = '\0';
    b->out.words[b->out.word_count++] = copy;
    return SS_OK;
}

ss_status token_builder_lengthen(token_builder *b, const char *s, size_t n, ss_error *err) {
    char **word = &b->out.words[b->out.word_count - 1];
    size_t length = strlen(*word);
    char *longer = array_resize(*word, length + n + 1, 1);
    if (!longer) return error_no_memory(err, "a word", length + n + 1);
    memcpy(longer + length, s, n);
    longer[length + n] = '\0';
    *word = longer;
    return SS_OK;
}

ss_status token_builder_add(token_builder *b, int32_t id, token_class cls, size_t bytes, ss_error *err) {
    SS_TRY(ARRAY_ROOM(b->out.at, b->capacity, b->out.count + 1, "tokens", err));
    b->out.at[b->out.count++] = (token){id, cls, cls == TOKEN_WORD ? b->out.word_count - 1 : -1, (int32_t)bytes};
    return SS_OK;
}

static int is_word_at(const char *s, size_t n) {
    int32_t cp;
    unicode_next(s, n, &cp);
    return unicode_is_word_sign(cp);
}

ss_status token_builder_spaced(token_builder *b, const char *space, int opens, const char *s, size_t n, int32_t id,
                               ss_error *err) {
    size_t sign = strlen(space);
    if (sign && n >= sign && memcmp(s, space, sign) == 0) s += sign, n -= sign;
    const char *word = b->out.word_count ? b->out.words[b->out.word_count - 1] : "";
    size_t length = strlen(word), last = length ? unicode_before(word, length) : 0;
    int joins = !opens && (n == 0 || !length || is_word_at(s, n) == is_word_at(word + last, length - last));
    SS_TRY(joins ? token_builder_lengthen(b, s, n, err) : token_builder_word(b, s, n, err));
    return token_builder_add(b, id, TOKEN_WORD, n, err);
}
