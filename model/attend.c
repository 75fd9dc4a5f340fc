/* What networks share around attention; see attend.h. */
#include "model/attend.h"

#include <math.h>

void attend(compute *c, tensor out, tensor q, tensor k, tensor v, int64_t heads, int causal) {
    attn_call call = {.block = -1, .kind = ATTN_SELF};
    call.args.q = tensor_split_last(q, heads);
    call.args.k = tensor_split_last(k, heads);
    call.args.v = tensor_split_last(v, heads);
    call.args.out = tensor_split_last(out, heads);
    call.args.scale = 1.0f / sqrtf((float)(q.dim[q.ndim - 1] / heads));
    call.args.causal = causal;
    attn_forward(c, &call);
}

attn_gram *attend_gram(binder *b, const weight *w, int64_t width, int64_t head_dim) {
    attn_gram *g = binder_array(b, 1, sizeof *g);
    float *values = binder_array(b, width * head_dim, sizeof *values);
    if (!g || !values) return NULL;
    *g = (attn_gram){.w = w, .values = values};
    return g;
}
