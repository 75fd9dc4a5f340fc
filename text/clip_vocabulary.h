/* CLIP's vocabulary in the form that encoding needs: strings become symbols (small numbers), merges become a map from
 * pairs of symbols to ranks. */
#ifndef TEXT_CLIP_VOCABULARY_H
#define TEXT_CLIP_VOCABULARY_H

#include <stddef.h>
#include "base/string_map.h"
#include "text/added_tokens.h"

typedef struct clip_vocabulary {
    char **names; /* [symbol_count] text of a symbol, owned */
    int32_t *ids; /* [symbol_count] its token id: an added token's, the vocabulary's, or that of unk */
    int symbol_count;
    size_t symbol_capacity;
    string_map symbols;    /* name -> symbol */
    int32_t bytes[2][256]; /* symbol of a byte; [1]: as the last of a word, with </w> */
    uint64_t *pairs;       /* [merge_count] left symbol << 32 | right symbol; keys of `merges` */
    int32_t *merged;       /* [merge_count] symbol that merge gives */
    string_map merges;     /* pair -> rank, the index into merged */
    int merge_count;
    added_tokens added;
    const char **pieces; /* [size] text by id; NULL = a hole. Points into names or added */
    int size;
    int32_t start, end, padding;
    const char *spelling[2]; /* of start and end in a prompt, static */
    int32_t spelt[2];        /* the ids that these spellings get */
} clip_vocabulary;

/* The spellings of the special tokens: in openai/CLIP and transformers, and in open_clip and hpsv2. */
extern const char *const CLIP_OPENAI_SPELLING[2], *const CLIP_OPEN_CLIP_SPELLING[2];

ss_status clip_vocabulary_open(clip_vocabulary *v, const tokenizer_files *files, ss_error *err);

/* The vocabulary as OpenAI's SimpleTokenizer derives it from the file of merges alone (bytes, bytes that end a word,
 * merges, start, end), or, where `path` is a folder, from its vocab.json and merges.txt. Padding is id 0. */
ss_status clip_vocabulary_open_openai(clip_vocabulary *v, const char *path, const char *const spelling[2],
                                      ss_error *err);

void clip_vocabulary_close(clip_vocabulary *v);

/* Rank of the pair, or -1. */
int32_t clip_vocabulary_merge(const clip_vocabulary *v, int32_t left, int32_t right);

/* The id of the start or end token where s is its spelling exactly (the reference's cache, never merged), else -1. */
int32_t clip_vocabulary_whole(const clip_vocabulary *v, const char *s, size_t n);

#endif
