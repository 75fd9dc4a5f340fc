/* Tokens that stand outside the vocabulary's own rules: specials such as </s>, and those that a folder adds. They are
 * cut out of a text before all other steps. Several files list them, by transformers' rules: added_tokens_decoder in
 * tokenizer_config.json, or else special_tokens_map.json and added_tokens.json. */
#ifndef TEXT_ADDED_TOKENS_H
#define TEXT_ADDED_TOKENS_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

typedef struct added_token {
    char *content;
    char *pattern; /* what is looked for: the content, or its normalized form (T5, normalized tokens) */
    int32_t id;
    int lstrip, rstrip; /* white space before, after belongs to it */
    int normalized;     /* looked for after normalization */
} added_token;

typedef struct added_tokens {
    added_token *at;
    int count;
    size_t capacity;
} added_tokens;

void added_tokens_free(added_tokens *list);

/* Add a token, or replace the flags and the id of the one with this content. `token` may be a string or an object with
 * content, lstrip, rstrip, normalized and single_word (which must be false). */
ss_status added_tokens_put(added_tokens *list, const json_t *token, int32_t id, const char *where, ss_error *err);

/* Index of the token with this content, or -1. */
int added_tokens_find(const added_tokens *list, const char *content);

/* The leftmost, then longest, match of a token (of those with this `normalized`) in s[from..n); -1: none. */
int added_tokens_match(const added_tokens *list, int normalized, const char *s, size_t n, size_t from, size_t *start,
                       size_t *end);

/* The configuration files of a tokenizer folder. */
typedef struct tokenizer_files {
    char *folder, *config_path;
    json_t *config;  /* tokenizer_config.json */
    json_t *special; /* special_tokens_map.json where it counts, else NULL */
    json_t *added;   /* added_tokens.json where it counts, else NULL */
} tokenizer_files;

ss_status tokenizer_files_open(tokenizer_files *f, const char *folder, ss_error *err);
void tokenizer_files_close(tokenizer_files *f);

/* The token (string or object) that plays a role ("pad_token"), or NULL where the files name none. */
const json_t *tokenizer_files_role(const tokenizer_files *f, const char *role);
/* Its content, `by_default` where there is none. */
ss_status tokenizer_files_role_text(const tokenizer_files *f, const char *role, const char *by_default,
                                    const char **out, ss_error *err);

/* Tokens with an id of their own: added_tokens_decoder, added_tokens.json. */
ss_status tokenizer_files_put_numbered(const tokenizer_files *f, added_tokens *list, ss_error *err);

/* The content of a token given as string or object; NULL where it is neither. */
const char *added_token_content(const json_t *token);

#endif
