/* `inspect --check`: check every value of a model's files. */
#ifndef CLI_INSPECT_CHECK_H
#define CLI_INSPECT_CHECK_H

#include "cli/command.h"

/* Read every tensor of every component (of a pipeline's folder, a component's, or one checkpoint) and print how many
 * values are not finite, by tensor. Any: an error that counts the tensors. `variant` as in checkpoint_open_folder. */
ss_status inspect_check(const invocation *in, const char *path, const char *variant, ss_error *err);

#endif
