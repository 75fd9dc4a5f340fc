/* The tiny models of the tests, Stable Diffusion 3 ("tiny-sd3"), XL ("tiny-sdxl"), 1.5 and 2.1 ("tiny-sd15",
 * "tiny-sd21"): every part of a real one, random weights, some milliseconds a step. Their configs are tests/data/tiny-*
 * (tests/generators/sampler_pipeline*.py), their tokenizers those of tests/data/text. */
#ifndef SUPPORT_TINY_MODEL_H
#define SUPPORT_TINY_MODEL_H

#include "base/error.h"

/* Write the model to folder `target`, which is made. `data`: the folder tests/data. */
ss_status tiny_model_make(const char *data, const char *kind, const char *target, ss_error *err);

/* Replace the first `from` in a config of the model by `to`; a NULL `from` puts the file back. */
ss_status tiny_model_edit(const char *data, const char *kind, const char *target, const char *name, const char *from,
                          const char *to, ss_error *err);

/* Remove what tiny_model_make made; other files stay, and the folder then too. */
void tiny_model_remove(const char *target);

#endif
