/* A prompt during the steps of a tokenizer.json: pieces that normalizers rewrite and pre-tokenizers split. Follows
 * NormalizedString and PreTokenizedString of Hugging Face's tokenizers, of whose offsets one fact alone matters to ids:
 * which bytes come from the very start of the prompt (Metaspace's prepend_scheme 'first'). */
#ifndef TEXT_PIECE_H
#define TEXT_PIECE_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "base/text.h"

typedef struct piece {
    text t;        /* what it reads now: valid UTF-8 */
    size_t lead;   /* so many bytes at its start come from what is at offset 0 of the prompt */
    int first;     /* the piece as a whole was cut out at offset 0 */
    int32_t token; /* id of an added token that stands for all of it; -1: text */
} piece;

typedef struct pieces {
    piece *at;
    int count;
    size_t capacity;
} pieces;

void piece_free(piece *p);
void pieces_free(pieces *list);

/* Append a copy of bytes [start, end) of `from`. Nothing is appended where they are none. */
ss_status pieces_add(pieces *list, const piece *from, size_t start, size_t end, int32_t token, ss_error *err);

/* Put `now` in the place of the text, whose first `lead` bytes come from the prompt's start; takes it over. */
ss_status piece_replace(piece *p, text *now, size_t lead, ss_error *err);

/* Contiguous parts of a text, each a match of some pattern or what lies between matches. */
typedef struct span {
    size_t start, end;
    int match;
} span;

typedef struct spans {
    span *at;
    int count;
    size_t capacity;
} spans;

void spans_free(spans *list);
ss_status spans_add(spans *list, size_t start, size_t end, int match, ss_error *err);

/* The parts by a test of single code points: every code point that passes is a match. */
typedef int piece_test(int32_t cp, const void *data);
ss_status spans_of_test(spans *list, const char *s, size_t n, piece_test *test, const void *data, ss_error *err);

/* SplitDelimiterBehavior of the crate. */
typedef enum piece_behavior {
    PIECE_REMOVED,
    PIECE_ISOLATED,
    PIECE_MERGED_WITH_PREVIOUS,
    PIECE_MERGED_WITH_NEXT,
    PIECE_CONTIGUOUS
} piece_behavior;

/* Append the pieces that `from` falls into. `list` is changed. */
ss_status pieces_split(pieces *out, const piece *from, spans *list, piece_behavior behavior, ss_error *err);

#endif
