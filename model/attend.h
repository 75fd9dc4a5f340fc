/* What networks share around attention: that of networks that are not studied (text encoders, scorers): heads split,
 * attn/ called, heads merged; and what a studied call says of its output projection. */
#ifndef MODEL_ATTEND_H
#define MODEL_ATTEND_H

#include "attn/attn.h"
#include "nn/weights.h"

/* softmax(q k^T / sqrt(d)) v by head, before any output projection: q, out [B, Nq, D]; k, v [B, Nk, D]; d = D / heads.
 * With `causal`, key j > query i is left out. */
void attend(compute *c, tensor out, tensor q, tensor k, tensor v, int64_t heads, int causal);

/* For attn_call.output_gram: nothing is computed yet. `w`, [O, width], keeps its place; owned by the weight set, NULL
 * where there is no memory. */
attn_gram *attend_gram(binder *b, const weight *w, int64_t width, int64_t head_dim);

#endif
