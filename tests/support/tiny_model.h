/* The tiny Stable Diffusion 3 of the tests: every part of a real one, random weights, some milliseconds a step. Its
 * configs are tests/data/tiny-sd3 (tests/generators/sampler_pipeline.py), its tokenizers those of tests/data/text. */
#ifndef SUPPORT_TINY_MODEL_H
#define SUPPORT_TINY_MODEL_H

#include "base/error.h"

/* Write the model to folder `target`, which is made. `data`: the folder tests/data. */
ss_status tiny_model_make(const char *data, const char *target, ss_error *err);

/* Remove what tiny_model_make made; other files stay, and the folder then too. */
void tiny_model_remove(const char *target);

#endif
