/* Rules of diffusers and transformers that changed: what was right when a store was made may be the older one. A run's
 * are in its manifest (store/manifest.c); a store without an entry was made under the older rule. To add one: a
 * member of the enum and an option in PIPELINE_RULE_OPTIONS, whose words are today's rule and then the older one. */
#ifndef SAMPLER_RULES_H
#define SAMPLER_RULES_H

#include <stdint.h>

#include "base/option.h"
#include "base/text.h"
#include "io/json.h"

typedef enum pipeline_rule { RULE_T5_ZEROS, RULE_TOKENIZER, PIPELINE_RULE_COUNT } pipeline_rule;

enum { RULE_TODAY, RULE_OLDER };

/* The word of each rule, and whether the user named it. Where not, the rule in the model's own rules.json applies, else
 * today's. Zeros: none was named. */
typedef struct pipeline_rules {
    uint8_t word[PIPELINE_RULE_COUNT];
    uint8_t asked[PIPELINE_RULE_COUNT];
} pipeline_rules;

/* Its words are those of tokenizer_rules_name, in their order. */
#define TOKENIZER_RULE_OPTION                                                                                          \
    {                                                                                                                  \
        "tokenizer", OPTION_WORD, "transformers-5|transformers-4", 0, 0, "transformers-5",                             \
            "whose token ids: what transformers 5 makes of a tokenizer's files, or what transformers 4 made of them"   \
    }

/* The options, for tables of flags and of study keys. */
#define PIPELINE_RULE_OPTIONS                                                                                          \
    {"t5-zeros",                                                                                                       \
     OPTION_WORD,                                                                                                      \
     "max-text-tokens|clip",                                                                                           \
     0,                                                                                                                \
     0,                                                                                                                \
     "max-text-tokens",                                                                                                \
     "zeros in the place of T5's tokens in SD3 without T5: as many as max-text-tokens (256), or as CLIP has "          \
     "tokens (77), as diffusers had it up to 0.35"},                                                                   \
        TOKENIZER_RULE_OPTION
extern const option PIPELINE_RULES[]; /* in the order of the enum; ended by {0} */

/* What a store without entries was made under. */
pipeline_rules pipeline_rules_older(void);

/* {"t5-zeros": "max-text-tokens"}; NULL when memory runs out. */
json_t *pipeline_rules_write(const pipeline_rules *r);

/* `json` NULL, and what it has no entry for: the older rule. A word that is none of an option's is an error at `where`.
 */
ss_status pipeline_rules_read(const json_t *json, const char *where, pipeline_rules *out, ss_error *err);

/* The word of one rule, from a flag or a key: asked for where it was given. */
void pipeline_rules_ask(pipeline_rules *r, pipeline_rule rule, const option_value *given);

/* Set the rules that the user did not name to those that FOLDER/rules.json names, an object as pipeline_rules_write's;
 * a folder without the file changes nothing. A key that is no rule, or a word that is none of its words, is an
 * error. */
ss_status pipeline_rules_take_folder(pipeline_rules *r, const char *folder, ss_error *err);

/* Append ", t5-zeros: clip" for each rule that is not today's and was asked for. */
void pipeline_rules_add_words(const pipeline_rules *r, text *out);

#endif
