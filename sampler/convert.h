/* A single file (model/original.h) as a folder in diffusers' form. */
#ifndef SAMPLER_CONVERT_H
#define SAMPLER_CONVERT_H

#include "sampler/pipeline.h"

/* Write every component that the file holds or `parts` names into `folder`, which is made; values are those of the
 * file, bit for bit, but for weights that a LoRA of `parts` is added to. T5 and its tokenizer are left out, with a
 * notice, where they are missing. A component is checked against its config before a byte of it is written.
 * model_index.json is written last: a folder without it is incomplete. `progress` (or NULL) is called before each
 * component with its name. */
ss_status convert_single(const char *path, const model_parts *parts, const char *folder, notices *list,
                         void (*progress)(void *user, const char *component), void *user, ss_error *err);

#endif
