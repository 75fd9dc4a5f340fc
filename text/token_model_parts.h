/* What the models of token_model.c share with it. */
#ifndef TEXT_TOKEN_MODEL_PARTS_H
#define TEXT_TOKEN_MODEL_PARTS_H

#include "text/token_model.h"

typedef struct bpe_rules {
    uint64_t *pairs;  /* [count] left id << 32 | right id: keys of `ranks` */
    int32_t *merged;  /* [count] id that the merge gives */
    string_map ranks; /* pair -> the index, lower first */
    int count;
    int32_t unknown; /* -1: none in the vocabulary */
    int has_unknown; /* unk_token is set */
    int fuse_unknown, byte_fallback, ignore_merges;
    char *prefix, *suffix; /* continuing_subword_prefix, end_of_word_suffix; "" where there is none */
} bpe_rules;

typedef struct unigram_rules {
    double *scores; /* [count of the vocabulary] */
    double unknown_score;
    int32_t unknown; /* -1: none */
    int byte_fallback;
} unigram_rules;

typedef struct wordpiece_rules {
    int32_t unknown; /* -1: not in the vocabulary */
    char *prefix;    /* continuing_subword_prefix */
    int64_t longest; /* max_input_chars_per_word, in code points */
    int whole;       /* WordLevel: a piece is a word or unknown */
} wordpiece_rules;

struct token_model {
    const struct model_kind *kind;
    const char *where; /* for messages */
    char *where_owned;
    model_vocabulary vocabulary;
    bpe_rules bpe;
    unigram_rules unigram;
    wordpiece_rules wordpiece;
};

typedef struct model_kind {
    const char *name;
    ss_status (*read)(token_model *m, const json_t *tree, ss_error *err);
    ss_status (*encode)(const token_model *m, const char *s, size_t n, model_tokens *out, ss_error *err);
} model_kind;

ss_status bpe_read(token_model *m, const json_t *tree, ss_error *err);
ss_status bpe_encode(const token_model *m, const char *s, size_t n, model_tokens *out, ss_error *err);
ss_status unigram_read(token_model *m, const json_t *tree, ss_error *err);
ss_status unigram_encode(const token_model *m, const char *s, size_t n, model_tokens *out, ss_error *err);
ss_status wordpiece_read(token_model *m, const json_t *tree, ss_error *err);
ss_status wordlevel_read(token_model *m, const json_t *tree, ss_error *err);
ss_status wordpiece_encode(const token_model *m, const char *s, size_t n, model_tokens *out, ss_error *err);

/* A vocabulary given as an object of text -> id. */
ss_status model_read_vocabulary(token_model *m, const json_t *tree, ss_error *err);
ss_status model_add_text(token_model *m, const char *s, int64_t id, ss_error *err);

/* A text member that may be null, copied: "" where it is. */
ss_status model_copy_text(const token_model *m, const json_t *tree, const char *name, const char *by_default,
                          char **out, ss_error *err);

/* A character that no token stands for, in a vocabulary without an unknown token. */
ss_status model_no_unknown(const token_model *m, ss_error *err);

#endif
