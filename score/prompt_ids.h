/* A prompt as a scorer's text network reads it. */
#ifndef SCORE_PROMPT_IDS_H
#define SCORE_PROMPT_IDS_H

#include "model/network.h"
#include "text/tokenizer.h"

/* Exactly `n` token ids of the prompt, cut or padded as the tokenizer does it; *used: those that are not padding (NULL
 * = not asked). That prompts are cut for the network `m` is a notice of `c`, one line however many there are. */
ss_status prompt_ids(compute *c, const model *m, const tokenizer *words, const char *prompt, int n, int32_t *ids,
                     int32_t *used, ss_error *err);

#endif
