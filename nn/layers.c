/* Layers that several networks share; see layers.h. Written in operations of the context alone; the one exception,
 * nn_timestep_embedding, makes an input on the host. */
#include "nn/layers.h"

#include <math.h>

tensor nn_like(compute *c, tensor t) { return compute_tensor(c, t.ndim, t.dim); }

void nn_linear_into(compute *c, tensor out, tensor x, const nn_linear *l, activation act) {
    op_linear(c, out, x, &l->w, nn_optional(&l->b), act);
}

tensor nn_linear_new(compute *c, tensor x, const nn_linear *l, activation act) {
    tensor shape = x;
    shape.dim[x.ndim - 1] = nn_linear_width(l);
    tensor out = nn_like(c, shape);
    nn_linear_into(c, out, x, l, act);
    return out;
}

tensor nn_layer_norm_new(compute *c, tensor x, const nn_affine *a, float eps) {
    tensor out = nn_like(c, x);
    op_layer_norm(c, out, x, nn_optional(&a->gamma), nn_optional(&a->beta), eps);
    return out;
}

tensor nn_mlp_new(compute *c, tensor x, const nn_linear *up, const nn_linear *down, activation act) {
    tensor shape = x;
    shape.dim[x.ndim - 1] = nn_linear_width(down);
    tensor out = nn_like(c, shape);
    arena_mark mark = arena_get_mark(c->scratch);
    tensor inner = nn_linear_new(c, x, up, act);
    nn_linear_into(c, out, inner, down, ACT_NONE);
    arena_release(c->scratch, mark);
    return out;
}

void nn_timestep_embedding(float *out, const float *timestep, int64_t n, int64_t width) {
    int64_t half = width / 2;
    const float log_period = -9.210340371976184f; /* -ln 10000 */
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < half; j++) {
            float angle = timestep[i] * expf(log_period * (float)j / (float)half);
            out[i * width + j] = cosf(angle);
            out[i * width + half + j] = sinf(angle);
        }
}
