/* The positive control: a prompt with one of its attributes swapped. */
#ifndef STUDY_SWAP_H
#define STUDY_SWAP_H

#include "score/geneval.h"

/* Prompt `i` with one colour (or, where it names none, one object) that its metadata lists replaced by another one of
 * the file's, drawn from the stream (seed, "swap-attribute", i). *out is malloc'ed. Errors where there is no metadata,
 * or none of its words stands in the prompt. `where` names the prompts file. */
ss_status swap_attribute(const geneval_prompts *prompts, int i, uint64_t seed, const char *where, char **out,
                         ss_error *err);

#endif
