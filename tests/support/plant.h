/* Planted sinks: an attention call with one more key, virtual, whose share p of every row is given. The call without it
 * is what masking must restore. A plant is made beside a call, from outside: the product has no code for it. */
#ifndef SUPPORT_PLANT_H
#define SUPPORT_PLANT_H

#include "attn/run.h"

typedef struct plant {
    double p;           /* share of every query row, in (0, 1) */
    int position;       /* index of the new key, 0 .. N_k; keys from there on move up */
    int head;           /* the one head that has it; -1 = every head. Elsewhere its score is -1e4: no weight at all */
    const float *value; /* [H, d]; NULL = zeros */
} plant;

/* The call of one batch item with the new key: q and out are the caller's, k = 0 and bias = lse_i + logit(p) make its
 * score. The segment at `position` is one longer. */
typedef struct planted_call {
    attn_call call;
    attn_item item;
    attn_batch batch;
    attn_segment query_segments[ATTN_MAX_SEGMENTS], key_segments[ATTN_MAX_SEGMENTS];
    float *k, *v, *bias;
    uint8_t *key_class; /* the new key's is KEY_PADDING */
} planted_call;

/* Attends without the key first (for lse), so `out` holds that output until the planted call is made. A call without a
 * batch is a call of one item that nobody studies. */
void plant_make(planted_call *out, compute *c, const attn_call *call, int item, const plant *p);
void plant_free(planted_call *call);

/* attn_forward with the key planted in every item of the batch that has a run. `forward`: attn_forward itself. */
void plant_forward(compute *c, const attn_call *call, const plant *p,
                   void (*forward)(compute *c, const attn_call *call));

#endif
