/* Which tokens transformers 5 adds to a tokenizer, and in what order: a token that the vocabulary lacks gets the next
 * id. */
#ifndef TEXT_TRANSFORMERS5_TOKENS_H
#define TEXT_TRANSFORMERS5_TOKENS_H

#include <stddef.h>
#include "text/json_tokenizer.h"
#include "text/transformers5_files.h"

/* A token as the constructors have it: a string, or an AddedToken with flags. */
typedef struct planned_token {
    char *role;    /* "pad_token", NULL: none */
    char *content; /* owned */
    int is_text;   /* a string: special, not normalized */
    added_request flags;
    int64_t id; /* numbered tokens: they are added in this order */
    int order;  /* of reading them */
} planned_token;

typedef struct planned_tokens {
    planned_token *at;
    int count;
    size_t capacity;
} planned_tokens;

typedef struct token_plan {
    planned_tokens numbered;   /* added_tokens_decoder, or what stands for it */
    planned_tokens roles;      /* special tokens by their names */
    planned_tokens extra;      /* extra_special_tokens */
    int has_extra;             /* extra_special_tokens was given, if only as an empty list */
    planned_tokens additional; /* additional_special_tokens, where that name reached the constructor */
    int has_additional;
    const char *where;       /* tokenizer_config.json */
    const char *const *more; /* [n_more] special tokens that are added last, one call each */
    int n_more;
} token_plan;

/* `defaults`: {role, content} pairs of the class, ended by NULL. */
ss_status token_plan_read(token_plan *p, const tokenizer_folder *f, const char *const (*defaults)[2], ss_error *err);
void token_plan_free(token_plan *p);

/* The content of a role; an input error where it has none. */
ss_status token_plan_role(const token_plan *p, const char *role, const char **content, ss_error *err);

/* "<extra_id_7>" */
void token_plan_sentinel(char name[32], int i);
/* What T5Tokenizer makes of its extra ids. `added`: the AddedTokens of a spiece.model, else NULL. */
ss_status token_plan_sentinels(token_plan *p, const json_t *added, int extra_ids, ss_error *err);

/* Add the tokens of a tokenizer.json that is taken whole. */
ss_status token_plan_add_own(token_plan *p, json_tokenizer *t, const json_t *list, ss_error *err);
/* Add those of the plan. */
ss_status token_plan_add(const token_plan *p, json_tokenizer *t, ss_error *err);

#endif
