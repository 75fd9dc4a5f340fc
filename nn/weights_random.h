/* Values of random weights (the recipe is in weights_random.c). Private to nn/. */
#ifndef NN_WEIGHTS_RANDOM_H
#define NN_WEIGHTS_RANDOM_H

#include "nn/weights.h"

/* Values [first, first + n) of a tensor, rounded to `type`. Element i is made from block i of the tensor's stream. */
void weights_random_values(const weight_item *item, uint64_t seed, tensor_type type, int64_t first, int64_t n,
                           char *out);

/* The type in a checkpoint of weights that are `type` in memory. */
checkpoint_dtype weights_dtype(tensor_type type);

#endif
