/* Text without the locale: growing strings, numbers, names. UTF-8 throughout. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

/* A growing string. Zero-initialise; `s` is terminated and never NULL after the first append; free with
 * text_free. Out of memory sets `failed` and later appends do nothing: check once, at the end. */
typedef struct text {
    char *s;
    size_t len, cap;
    int failed;
} text;

void text_add(text *t, const char *s);
void text_add_n(text *t, const char *s, size_t n);
void text_addf(text *t, const char *fmt, ...) BASE_PRINTF(2, 3); /* no floating point here: text_add_double */
void text_add_double(text *t, double x, int digits);             /* %.{digits}g with '.' in every locale */
void text_add_fixed(text *t, double x, int decimals);            /* %.{decimals}f with '.' in every locale */
void text_add_json(text *t, const char *s);                      /* quoted and escaped as a JSON string */
void text_add_html(text *t, const char *s);                      /* & < > " ' escaped */
void text_free(text *t);

/* 'a quotation', of a longer string than `most` bytes its beginning, cut between two characters: 'a quo'... (12 bytes)
 */
void text_add_quote(text *t, const char *s, size_t most);
/* What a temporary text holds, "" where nothing was appended, for an append to `out`. Where `t` has failed, `out` fails
 * too: use this in the place of t->s, so that memory that ran out leaves no hole. */
const char *text_for(const text *t, text *out);

/* 1,234,567 */
void text_add_grouped(text *t, int64_t n);

/* Whole of `s` as a number, locale-free; 0 on success, -1 where `s` is not one (or out of range). */
int text_to_double(const char *s, double *out);
int text_to_int(const char *s, int64_t *out);
/* Two whole numbers, "512x768"; of one alone, "512", both. */
int text_to_pair(const char *s, int64_t *first, int64_t *second);

/* Copy of `s` (malloc) or NULL. */
char *text_copy(const char *s);

int text_ends_with(const char *s, const char *end);

/* ASCII-only case folding and comparison; other bytes are left alone. */
int text_equal_fold(const char *a, const char *b);

/* Levenshtein distance with transposition of neighbours; strings over 63 bytes count as far (>= 64). */
int text_distance(const char *a, const char *b);

/* The entry of names[0..n) nearest to `word` where it is near enough to suggest (distance <= 1 + length / 4),
 * else NULL. */
const char *text_nearest(const char *word, const char *const *names, int n);

#endif
