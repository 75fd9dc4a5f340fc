/* Attention that nobody studies (text encoders, scorers): heads split, attn/ called, heads merged. */
#ifndef MODEL_ATTEND_H
#define MODEL_ATTEND_H

#include "tensor/compute.h"

/* softmax(q k^T / sqrt(d)) v by head, before any output projection: q, out [B, Nq, D]; k, v [B, Nk, D]; d = D / heads.
 * With `causal`, key j > query i is left out. */
void attend(compute *c, tensor out, tensor q, tensor k, tensor v, int64_t heads, int causal);

#endif
