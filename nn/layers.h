/* Layers that several networks share, with the rows that bind them. A layer allocates its result from the context's
 * scratch unless it is given one. */
#ifndef NN_LAYERS_H
#define NN_LAYERS_H

#include "nn/weights.h"

/* torch.nn.Linear, or a convolution, with or without bias: a bias whose rows were not visited is left out. */
typedef struct nn_linear {
    weight w, b;
} nn_linear;

/* Scale and shift of a normalisation. */
typedef struct nn_affine {
    weight gamma, beta;
} nn_affine;

/* Rows of a member that is an nn_linear or nn_affine. Shapes: "O I" of the weight; `o` alone is the bias's. */
#define NN_LINEAR_NO_BIAS_ROW(type, member, name, o, i)                                                                \
    { offsetof(type, member.w), WEIGHT_LINEAR, name ".weight", o " " i }
#define NN_LINEAR_ROWS(type, member, name, o, i)                                                                       \
    NN_LINEAR_NO_BIAS_ROW(type, member, name, o, i), { offsetof(type, member.b), WEIGHT_VECTOR, name ".bias", o }
#define NN_CONV_ROWS(type, member, name, o, i, k)                                                                      \
    {offsetof(type, member.w), WEIGHT_CONV, name ".weight", o " " i " " k " " k}, {                                    \
        offsetof(type, member.b), WEIGHT_VECTOR, name ".bias", o                                                       \
    }
#define NN_AFFINE_ROWS(type, member, name, d)                                                                          \
    {offsetof(type, member.gamma), WEIGHT_VECTOR, name ".weight", d}, {                                                \
        offsetof(type, member.beta), WEIGHT_VECTOR, name ".bias", d                                                    \
    }

#define NN_COUNT(rows) ((int)(sizeof(rows) / sizeof((rows)[0])))

/* The weight, or NULL where none was bound. */
static inline const weight *nn_optional(const weight *w) { return tensor_is_none(w->source) ? NULL : w; }

/* Outputs of a linear layer. */
static inline int64_t nn_linear_width(const nn_linear *l) { return l->w.source.dim[0]; }

/* act(x W^T + b) into `out` (may be strided), or into new scratch of x's shape with the layer's width. */
void nn_linear_into(compute *c, tensor out, tensor x, const nn_linear *l, activation act);
tensor nn_linear_new(compute *c, tensor x, const nn_linear *l, activation act);

/* nn_linear_into as one of several of op_linears. */
static inline linear_call nn_linear_call(tensor out, tensor x, const nn_linear *l, activation act) {
    return (linear_call){.out = out, .x = x, .w = &l->w, .bias = nn_optional(&l->b), .act = act};
}

/* Output of a linear layer: new scratch of x's shape with the layer's width. */
tensor nn_linear_room(compute *c, tensor x, const nn_linear *l);

/* The same for what layer `reader` alone reads: in its type (compute_input_type) where layer l can write that. */
tensor nn_linear_room_for(compute *c, tensor x, const nn_linear *l, const nn_linear *reader);

/* Queries of x, keys and values of `from` (x itself in self-attention), each in new scratch, or into `out`. */
typedef struct nn_qkv {
    tensor q, k, v;
} nn_qkv;
nn_qkv nn_qkv_new(compute *c, tensor x, tensor from, const nn_linear *q, const nn_linear *k, const nn_linear *v);
void nn_qkv_into(compute *c, nn_qkv out, tensor x, tensor from, const nn_linear *q, const nn_linear *k,
                 const nn_linear *v);

/* sum += x W^T + b; the product alone stays in `out`. */
void nn_linear_add(compute *c, tensor sum, tensor out, tensor x, const nn_linear *l);

/* Layer norm with affine part into new scratch. */
tensor nn_layer_norm_new(compute *c, tensor x, const nn_affine *a, float eps);

/* Two linear layers with an activation between: [.., I] -> [.., O], the inner activations released. */
tensor nn_mlp_new(compute *c, tensor x, const nn_linear *up, const nn_linear *down, activation act);

/* x[b, :] += the table's rows 0 .. N - 1, for x [B, N, D]. */
void nn_add_positions(compute *c, tensor x, const weight *table);

/* The input of a ViT: a class token, then the patches of images [B, H, W, C] in reading order through `patch` (a
 * convolution without padding leaves out surplus pixels), positions added. [B, 1 + n, D] in new scratch. */
tensor nn_vit_embed_new(compute *c, tensor pictures, int side, const nn_linear *patch, const weight *class_token,
                        const weight *positions);

/* Scratch for `n` integers; NULL where memory ran out (then the context has failed), and where scratch is only
 * counted. */
int32_t *nn_scratch_ids(compute *c, int64_t n);

/* New scratch of the shape of `t`; or for what layer `reader` alone reads, or several of its kind, in its type. */
tensor nn_like(compute *c, tensor t);
tensor nn_like_for(compute *c, tensor t, const nn_linear *reader);

/* Sinusoidal embedding of n timesteps on the host, [n, width]: cosines first, then sines, as diffusers' Timesteps with
 * flip_sin_to_cos and downscale_freq_shift 0; width is even. In float32 as there (embeddings.py,
 * get_timestep_embedding). */
void nn_timestep_embedding(float *out, const float *timestep, int64_t n, int64_t width);

/* The same of any n numbers with flip_sin_to_cos (cosines_first; else the sines are) and downscale_freq_shift, which is
 * below width / 2. An odd width ends with a 0. */
void nn_sinusoids(float *out, const float *x, int64_t n, int64_t width, int cosines_first, double shift);

#endif
