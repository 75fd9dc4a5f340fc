/* A sentencepiece model file: pieces with their scores, and the normalization table. Read here, from the wire format of
 * its protocol buffer, and not through libsentencepiece: ids must equal those of transformers' T5TokenizerFast, which
 * reads pieces and table itself and encodes otherwise than that library (scores summed in double, normalization by
 * grapheme cluster, no byte fallback). On a model made like T5's the library gives other ids for 15 of 1,889 test
 * strings without special tokens, on one with byte fallback for 1,054 of 1,830. Source:
 * sentencepiece/src/sentencepiece_model.proto. */
#ifndef TEXT_SPIECE_MODEL_H
#define TEXT_SPIECE_MODEL_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

/* SentencePiece.Type; the other values are as good as normal here. */
enum { SPIECE_NORMAL = 1, SPIECE_UNKNOWN = 2, SPIECE_CONTROL = 3, SPIECE_USER_DEFINED = 4 };

typedef struct spiece {
    char *text; /* terminated */
    uint32_t length;
    float score;
    int type;
} spiece;

typedef struct spiece_model {
    spiece *pieces;
    int count;
    size_t capacity;
    int32_t unk_id;
    unsigned char *charsmap; /* precompiled_charsmap; NULL where the model normalizes nothing */
    size_t charsmap_size;
} spiece_model;

/* Only unigram models are taken. */
ss_status spiece_model_open(spiece_model *m, const char *path, ss_error *err);
ss_status spiece_model_read(spiece_model *m, const void *bytes, size_t size, const char *name, ss_error *err);

/* Append a piece that the file does not have (an extra id). */
ss_status spiece_model_append(spiece_model *m, const char *piece, float score, int type, const char *where,
                              ss_error *err);
void spiece_model_close(spiece_model *m);

#endif
