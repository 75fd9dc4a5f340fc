/* Token ids of prompts for scorers, and a word about those that are too long. */
#include "score/prompt_ids.h"

ss_status prompt_ids(compute *c, const model *m, const tokenizer *words, const char *prompt, int n, int32_t *ids,
                     int32_t *used, ss_error *err) {
    tokens found = {0};
    ss_status status = tokenizer_encode(words, prompt, n, &found, err);
    if (status != SS_OK) return status;
    for (int i = 0; i < n; i++) ids[i] = found.at[i].id;
    if (used) *used = found.used;
    if (found.untruncated > n)
        status =
            notices_add(&c->notices, err,
                        "%s: reads %d tokens of a prompt, and some prompts are longer: scores do not see their ends",
                        m->files ? checkpoint_path(m->files) : m->folder, n);
    tokens_free(&found);
    return status;
}
