/* CLIP's vocabulary in the form that encoding needs: strings become symbols (small numbers), merges become a map from
 * pairs of symbols to ranks. */
#ifndef TEXT_CLIP_VOCABULARY_H
#define TEXT_CLIP_VOCABULARY_H

#include "text/added_tokens.h"
#include "text/string_map.h"

typedef struct clip_vocabulary {
    char **names; /* [symbol_count] text of a symbol, owned */
    int32_t *ids; /* [symbol_count] its token id: an added token's, the vocabulary's, or that of unk */
    int symbol_count, symbol_capacity;
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
} clip_vocabulary;

ss_status clip_vocabulary_open(clip_vocabulary *v, const tokenizer_files *files, ss_error *err);
void clip_vocabulary_close(clip_vocabulary *v);

/* Rank of the pair, or -1. */
int32_t clip_vocabulary_merge(const clip_vocabulary *v, int32_t left, int32_t right);

/* The id of <|startoftext|> or <|endoftext|> where s is one of them exactly (the reference's cache, never merged),
 * else -1. */
int32_t clip_vocabulary_whole(const clip_vocabulary *v, const char *s, size_t n);

#endif
