/* Layers that several networks share; see layers.h. They use operations of the context only, except nn_sinusoids, which
 * makes an input on the host. */
#include "nn/layers.h"

#include <math.h>

tensor nn_like(compute *c, tensor t) { return compute_tensor(c, t.ndim, t.dim); }

tensor nn_like_for(compute *c, tensor t, const nn_linear *reader) {
    return compute_tensor_of(c, compute_input_type(c, &reader->w), t.ndim, t.dim);
}

void nn_linear_into(compute *c, tensor out, tensor x, const nn_linear *l, activation act) {
    op_linear(c, out, x, &l->w, nn_optional(&l->b), act);
}

tensor nn_linear_room(compute *c, tensor x, const nn_linear *l) {
    tensor shape = x;
    shape.dim[x.ndim - 1] = nn_linear_width(l);
    return nn_like(c, shape);
}

tensor nn_linear_room_for(compute *c, tensor x, const nn_linear *l, const nn_linear *reader) {
    tensor shape = x;
    shape.dim[x.ndim - 1] = nn_linear_width(l);
    return compute_input_type(c, &l->w) == TENSOR_BF16 ? nn_like_for(c, shape, reader) : nn_like(c, shape);
}

tensor nn_linear_new(compute *c, tensor x, const nn_linear *l, activation act) {
    tensor out = nn_linear_room(c, x, l);
    nn_linear_into(c, out, x, l, act);
    return out;
}

nn_qkv nn_qkv_new(compute *c, tensor x, tensor from, const nn_linear *q, const nn_linear *k, const nn_linear *v) {
    nn_qkv to = {nn_linear_room(c, x, q), nn_linear_room(c, from, k), nn_linear_room(c, from, v)};
    nn_qkv_into(c, to, x, from, q, k, v);
    return to;
}

void nn_qkv_into(compute *c, nn_qkv out, tensor x, tensor from, const nn_linear *q, const nn_linear *k,
                 const nn_linear *v) {
    const linear_call call[] = {nn_linear_call(out.q, x, q, ACT_NONE), nn_linear_call(out.k, from, k, ACT_NONE),
                                nn_linear_call(out.v, from, v, ACT_NONE)};
    op_linears(c, call, NN_COUNT(call));
}

void nn_linear_add(compute *c, tensor sum, tensor out, tensor x, const nn_linear *l) {
    linear_call call = nn_linear_call(out, x, l, ACT_NONE);
    call.sum = sum;
    op_linears(c, &call, 1);
}

tensor nn_layer_norm_new(compute *c, tensor x, const nn_affine *a, float eps) {
    tensor out = nn_like(c, x);
    op_layer_norm(c, out, x, nn_optional(&a->gamma), nn_optional(&a->beta), eps);
    return out;
}

tensor nn_mlp_new(compute *c, tensor x, const nn_linear *up, const nn_linear *down, activation act) {
    tensor out = nn_linear_room(c, x, down);
    arena_mark mark = arena_get_mark(c->scratch);
    tensor inner = nn_linear_room_for(c, x, up, down);
    nn_linear_into(c, inner, x, up, act);
    nn_linear_into(c, out, inner, down, ACT_NONE);
    arena_release(c->scratch, mark);
    return out;
}

int32_t *nn_scratch_ids(compute *c, int64_t n) {
    if (!compute_ok(c)) return NULL;
    int32_t *ids = compute_host(c, (size_t)n, sizeof *ids);
    return arena_is_counted(ids) ? NULL : ids;
}

void nn_add_positions(compute *c, tensor x, const weight *table) {
    compute_mark mark = compute_get_mark(c);
    int64_t n = x.dim[1], width = x.dim[2];
    int32_t *ids = nn_scratch_ids(c, n);
    tensor rows = compute_2d(c, n, width);
    for (int64_t i = 0; ids && i < n; i++) ids[i] = (int32_t)i;
    op_embed(c, rows, table, ids);
    op_add(c, x, x, tensor_reshape(rows, 3, (int64_t[]){1, n, width}));
    compute_release(c, mark);
}

tensor nn_vit_embed_new(compute *c, tensor pictures, int side, const nn_linear *patch, const weight *class_token,
                        const weight *positions) {
    int64_t batch = pictures.dim[0], width = nn_linear_width(patch), channels = pictures.dim[3];
    int64_t down = pictures.dim[1] / side, across = pictures.dim[2] / side, n = down * across;
    tensor x = compute_3d(c, batch, n + 1, width);
    arena_mark mark = arena_get_mark(c->scratch);
    tensor patches = compute_3d(c, batch, n, channels * side * side);
    op_patchify(c, patches, tensor_slice(tensor_slice(pictures, 1, 0, down * side), 2, 0, across * side), side);
    nn_linear_into(c, tensor_slice(x, 1, 1, n), patches, patch, ACT_NONE);
    tensor first = compute_2d(c, 1, width);
    op_embed(c, first, class_token, (const int32_t[]){0});
    for (int64_t b = 0; b < batch; b++)
        op_copy(c, tensor_slice(tensor_slice(x, 0, b, 1), 1, 0, 1), tensor_reshape(first, 3, (int64_t[]){1, 1, width}));
    nn_add_positions(c, x, positions);
    arena_release(c->scratch, mark);
    return x;
}

void nn_timestep_embedding(float *out, const float *timestep, int64_t n, int64_t width) {
    nn_sinusoids(out, timestep, n, width, 1, 0);
}

void nn_sinusoids(float *out, const float *x, int64_t n, int64_t width, int cosines_first, double shift) {
    int64_t half = width / 2, cosines = cosines_first ? 0 : half, sines = half - cosines;
    const float log_period = -9.210340371976184f; /* -ln 10000 */
    for (int64_t i = 0; i < n; i++, out += width) {
        for (int64_t j = 0; j < half; j++) {
            float angle = x[i] * expf(log_period * (float)j / (float)((double)half - shift));
            out[cosines + j] = cosf(angle);
            out[sines + j] = sinf(angle);
        }
        if (width % 2) out[width - 1] = 0;
    }
}
