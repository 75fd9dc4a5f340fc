/* The compute context and its operations: everything a network's forward pass is written in.
 *
 * Errors are sticky: once an operation fails (out of scratch memory, the stop flag, a library error), the
 * context remembers the first error and every later operation does nothing; a forward pass is written as plain
 * straight code and its caller looks once, with compute_status. Shapes that do not fit are defects of sinkscope
 * (files are checked at load) and are reported as SS_ERR_INTERNAL naming the operation and both shapes.
 *
 * Layout: token sequences are [B, N, D]; images are [B, H, W, C] (channels last); attention operands are
 * [B, N, H, d] views. Any operand may be a strided view with a contiguous last dimension. `out` of an operation by
 * elements or of a norm may be the very same view as an input; any other overlap is a defect.
 *
 * Determinism: a result's bits depend on its own row (token, pixel tile) and on the layer, never on the number of
 * threads nor on what else is in the batch. */
#ifndef TENSOR_COMPUTE_H
#define TENSOR_COMPUTE_H

#include <signal.h>
#include "base/arena.h"
#include "base/option.h"
#include "base/error.h"
#include "base/notices.h"
#include "base/philox.h"
#include "base/thread_pool.h"
#include "tensor/tensor.h"

typedef struct backend backend; /* backend.h */

/* Where taps go: `name` is the reference implementation's module path ("transformer_blocks.3.attn"). */
typedef struct tap_sink {
    void (*take)(void *user, const char *name, tensor t);
    void *user;
} tap_sink;

/* How the packed weights of linear layers and convolutions are kept. No bit of a result depends on it: every F16 and
 * BF16 value is a float32 value, and sums are float32 sums either way. */
typedef enum weight_storage {
    STORAGE_FILE,   /* in 16 bits where the checkpoint has them in 16 bits: half the memory */
    STORAGE_FLOAT32 /* always as float32 */
} weight_storage;

typedef struct compute {
    const backend *be;
    void *state;            /* the backend's own */
    weight_storage storage; /* set before the first weight is packed or asked about; STORAGE_FILE at first */
    /* The memory of a pass. The first two lie where the backend computes: the host hands them to operations and never
     * looks inside. Arrays of the host are in the others. */
    arena *scratch;                    /* activations, and results that are read at once */
    arena *kept;                       /* results that are read at the end of the pass */
    arena *host;                       /* what operations are told, and what was read */
    arena *notes;                      /* the same until the end of the pass */
    int threads;                       /* >= 1 */
    thread_pool *pool;                 /* of so many threads; NULL: a backend that computes no values */
    const volatile sig_atomic_t *stop; /* polled at every operation; NULL = never */
    double deadline; /* clock_seconds from which on operations fail (SS_ERR_INTERRUPTED); 0 = never. For measuring the
                        beginning of long work. */
    const tap_sink *tap; /* NULL = none */
    const void *tap_of;  /* the network (model/) that is computed now, where it says so; NULL = it does not */
    ss_error error;      /* the first failure */
    double flops;        /* multiply-adds x 2 of linear, conv2d and attention so far (also on the dry backend) */
    size_t packed_bytes, packed_peak; /* of weights that are packed now; the most so far (also on the dry backend) */
    struct profile *profile;          /* profile.h; NULL = none */
    notices notices;                  /* what was found on the way that a user should read; owned */
} compute;

/* The backends, for tables of what there is. */
extern const int COMPUTE_BACKEND_COUNT;
const entry *compute_backend(int i);

/* `name`: that of a row of them, or of the tests' own (backend.h); an unknown one is SS_ERR_INPUT. threads 0 =
 * thread_default_count(). At most scratch_limit bytes of scratch are in use at once (0 = no limit); it is taken as it
 * is needed (base/arena.h). */
ss_status compute_create(compute **out, const char *name, int threads, size_t scratch_limit, ss_error *err);
void compute_destroy(compute *c);

/* 0: the backend computes shapes alone, no values. */
int compute_has_values(const compute *c);

/* SS_OK, or the first error since creation or the last call, copied to *err and cleared from the context. */
ss_status compute_status(compute *c, ss_error *err);
/* Record a failure as an operation would (the first one stays). */
void compute_fail(compute *c, const ss_error *err);
static inline int compute_ok(const compute *c) { return c->error.code == SS_OK; }

/* One line for the manifest: what decides the bits of this context's results. */
void compute_numeric_class(const compute *c, char *out, size_t size);

/* Marks of all four. What was taken after a mark is there until the mark is released. */
typedef struct compute_mark {
    arena_mark scratch, kept, host, notes;
} compute_mark;
compute_mark compute_get_mark(const compute *c);
void compute_release(compute *c, compute_mark mark);

/* Their sums: the most in use at once since the last compute_reset_peak, at most that; what may be in memory. */
size_t compute_peak(const compute *c);
void compute_reset_peak(compute *c);
size_t compute_touched(const compute *c);
/* What comes next needs what `dry` needed (arena_reserve). */
void compute_reserve(compute *c, const compute *dry);
void compute_trim(compute *c); /* arena_trim */

/* `n` elements of c->host, or NULL and the context's error. */
void *compute_host(compute *c, size_t n, size_t size);

/* Scratch. A tensor from here lives until the enclosing mark is released (arena_get_mark, arena_release). */
tensor compute_tensor(compute *c, int ndim, const int64_t *dim); /* F32, contiguous, not initialised */
tensor compute_tensor_of(compute *c, tensor_type type, int ndim, const int64_t *dim); /* the same of a type */
tensor compute_kept(compute *c, tensor_type type, int ndim, const int64_t *dim);      /* of c->kept */
tensor compute_1d(compute *c, int64_t d0);
tensor compute_2d(compute *c, int64_t d0, int64_t d1);
tensor compute_3d(compute *c, int64_t d0, int64_t d1, int64_t d2);
tensor compute_4d(compute *c, int64_t d0, int64_t d1, int64_t d2, int64_t d3);

/* To and from host memory: contiguous float32 in the tensor's own order. */
void op_upload(compute *c, tensor out, const float *host);
void op_download(compute *c, float *host, tensor x);

/* What the host reads. All that was asked of the backend before is done then; reading is the only time when the host
 * waits for it, so that what is read together costs one wait. */
typedef struct host_read {
    tensor from;        /* contiguous, of any type */
    const void *values; /* [elements of from], NULL until it is read */
} host_read;

/* Those of the n that have a tensor and were not read. Where the host sees the backend's memory, `values` is that of
 * the tensor; else a copy in `memory`, which is c->host or c->notes: there as long as both are. 0: the context has an
 * error.
 */
int op_read(compute *c, arena *memory, host_read *const *list, int n);

/* A weight as the backend keeps it. `source` is what a checkpoint has (any type); `packed` is in the backend's format,
 * made once by weight_pack and freed by weight_free. Values of the source that are not in memory are read by `values`
 * into scratch while the weight is packed, and by rows where a table is looked up; so the checkpoint must outlive it.
 * weight_packed_bytes may be asked before packing. */
typedef enum weight_kind {
    WEIGHT_VECTOR,     /* bias, norm scale: [D], converted to float32 */
    WEIGHT_TABLE,      /* embedding: [V, D], rows are looked up; never packed */
    WEIGHT_LINEAR,     /* [O, I], torch.nn.Linear */
    WEIGHT_CONV,       /* [O, I, kh, kw], torch.nn.Conv2d */
    WEIGHT_TRANSPOSED, /* [I, O] of a file: for nn/weights.h alone, which makes a WEIGHT_LINEAR of it */
} weight_kind;

/* What is kept of a weight, and what is computed with it. All but the first give other results. */
typedef enum weight_form {
    FORM_STORED, /* every number of the file, in the type of the context's storage */
    /* Of linear layers: 8 bits, a quarter of float32's memory. Each output has the scale max |w| / 127, and its weights
     * are whole multiples of it, -127 to 127, rounded to the nearest. */
    FORM_INT8,
    /* Of linear layers and convolutions: bfloat16 (rounded to the nearest), and so is every input as it is read. Their
     * products are exact in float32, and are summed in float32: of inputs 2 i and 2 i + 1 the second first, which is
     * the instruction VDPBF16PS. Every instruction set gives the bits of those that have it (apart from numbers below
     * 1.2e-38, which it takes for 0); but for amx, which sums in the order of its own (kernel.h, kernel_tiles). */
    FORM_BF16,
} weight_form;
extern const char *const WEIGHT_FORM_NAMES[]; /* in this order */

/* Where values come from that are not in memory: elements [first, first + n) of the source, in its type. */
typedef struct weight_values {
    ss_status (*read)(const void *from, int64_t first, int64_t n, void *out, ss_error *err); /* NULL: nowhere */
    const void *from;
} weight_values;

typedef struct weight {
    weight_kind kind;
    tensor source; /* without data where `values` has them */
    weight_values values;
    weight_form form; /* set before it is packed; of other kinds of weights it changes nothing */
    void *packed;
} weight;

/* Of a batch norm: vectors of one number a channel. */
typedef struct batch_norm {
    weight gamma, beta, mean, var;
} batch_norm;

void weight_pack(compute *c, weight *w); /* kind, source and values set by the caller */
void weight_free(compute *c, weight *w);
size_t weight_packed_bytes(const compute *c, const weight *w);
/* The weight with the data of its source, which are read into scratch where they are not in memory: they are there
 * until the caller releases that. After a failure, which is the context's, without. */
weight weight_with_values(compute *c, const weight *w);

/* The type in which an input of linear layer `w` that nobody else reads is best kept: TENSOR_BF16 where the product
 * rounds it anyway, half the memory to write and read, and no bit of any result is another; TENSOR_F32 elsewhere, and
 * while a tap listens. Such a tensor is written by op_norm_modulate, op_layer_norm, op_rms_norm and, where the weight
 * of the writing layer has such a type itself, by op_linears. */
tensor_type compute_input_type(const compute *c, const weight *w);

typedef enum activation { ACT_NONE, ACT_SILU, ACT_GELU_ERF, ACT_GELU_TANH, ACT_QUICK_GELU, ACT_RELU } activation;

/* out = act(x W^T + b), x [.., I], out [.., O]; then, where there is a `sum`, sum += out, or sum += gate * out with
 * sum and out [B, N, O], gate [B, O]: the bits of op_add or op_gate_add after op_linear. */
typedef struct linear_call {
    tensor out, x;
    const weight *w, *bias; /* bias may be NULL */
    activation act;
    tensor sum, gate; /* or none */
} linear_call;

void op_linear(compute *c, tensor out, tensor x, const weight *w, const weight *bias, activation act);
/* n independent products in one parallel region. The same bits as one by one. */
void op_linears(compute *c, const linear_call *call, int n);
/* act(convolution), NHWC. Zero padding {top, left, bottom, right}; out is [B, Ho, Wo, O]. */
void op_conv2d(compute *c, tensor out, tensor x, const weight *w, const weight *bias, int stride, const int pad[4],
               activation act);

void op_embed(compute *c, tensor out, const weight *table,
              const int32_t *ids); /* out [n, D]; ids on the host (dry: or NULL) */

void op_copy(compute *c, tensor out, tensor x);
void op_fill(compute *c, tensor out, float value);
void op_add(compute *c, tensor out, tensor a, tensor b); /* b's dimensions of 1 are repeated */
void op_mul(compute *c, tensor out, tensor a, tensor b); /* likewise */
void op_axpby(compute *c, tensor out, float alpha, tensor a, float beta, tensor b); /* alpha a + beta b, same shape */
void op_activation(compute *c, tensor out, tensor x, activation act);
/* x * gelu(gate) (erf), all of one shape: Shazeer, "GLU Variants Improve Transformer", 2020. */
void op_geglu(compute *c, tensor out, tensor x, tensor gate);

/* (x - mean) / sqrt(var + eps) [* gamma + beta] over the last dimension; gamma, beta may be NULL. */
void op_layer_norm(compute *c, tensor out, tensor x, const weight *gamma, const weight *beta, float eps);
/* layer norm without affine part, then * (1 + scale) + shift; x [B, N, D]; scale, shift [B, D]. */
void op_norm_modulate(compute *c, tensor out, tensor x, tensor scale, tensor shift, float eps);
/* x / sqrt(mean(x^2) + eps) [* gamma] over the last dimension. */
void op_rms_norm(compute *c, tensor out, tensor x, const weight *gamma, float eps);
/* x += gate * y; x, y [B, N, D]; gate [B, D]. */
void op_gate_add(compute *c, tensor x, tensor gate, tensor y);
/* Group norm over (H, W, C / groups) of NHWC, affine, then `act`. */
void op_group_norm(compute *c, tensor out, tensor x, int groups, const weight *gamma, const weight *beta, float eps,
                   activation act);
/* The same in two parts, to the bit, for images that are normalised some rows at a time: moments [B, 2, C] of the whole
 * x, each channel's mean and 1 / sqrt(var + eps); then the norm of any rows of it. */
void op_group_moments(compute *c, tensor moments, tensor x, int groups, float eps);
void op_group_apply(compute *c, tensor out, tensor x, tensor moments, const weight *gamma, const weight *beta,
                    activation act);
/* act((x - mean) / sqrt(var + eps) * gamma + beta) by channel, NHWC: torch.nn.BatchNorm2d in evaluation. */
void op_batch_norm(compute *c, tensor out, tensor x, const batch_norm *w, float eps, activation act);
/* Windows of size x size, `stride` apart, over x with `pad` empty pixels around, NHWC. A window that reaches past the
 * image covers the part inside; the size of `out` is the number of windows, so a ceil_mode is a larger `out`; every
 * window must hold at least one pixel. */
typedef enum pool_kind { POOL_MAX, POOL_MEAN /* of the pixels inside: count_include_pad=False */ } pool_kind;
void op_pool2d(compute *c, tensor out, tensor x, pool_kind kind, int size, int stride, int pad);
void op_upsample2(compute *c, tensor out, tensor x); /* nearest, NHWC, twice the height and width */
/* Nearest, NHWC, to the size of `out`, which is no smaller: out[y, x] is x[floor(y H / H'), floor(x W / W')], H and W
 * of x, H' and W' of out. */
void op_upsample(compute *c, tensor out, tensor x);

/* [B, H, W, C] -> [B, (H/p)(W/p), C p p], features ordered (channel, row, column) as a p x p convolution's weight. */
void op_patchify(compute *c, tensor out, tensor x, int p);
/* [B, (H/p)(W/p), p p C], features ordered (row, column, channel) -> [B, H, W, C]. */
void op_unpatchify(compute *c, tensor out, tensor x, int p);

/* Name an intermediate tensor for hooks. On the dry backend it has a name and a shape, and no values. */
void compute_tap(compute *c, tensor t, const char *name_format, ...) BASE_PRINTF(3, 4);

/* ---- attention: called by attn/ alone ---- */

/* One softmax attention over a batch. q, out [B, Nq, H, d]; k, v [B, Nk, H, d]. S = q.k * scale (+ bias); with
 * `causal`, key j > query i is left out (P = 0). out must not overlap q, k, v. */
typedef struct attention_args {
    tensor q, k, v, out;
    float scale;
    int causal;
    tensor bias;      /* [H, Nq, Nk] added to the scores, or none (T5's relative positions) */
    weight_form form; /* of the layers around it: FORM_BF16 asks for bfloat16 (compute_attention_rounds) */
} attention_args;

/* Whether attention among layers of this form is computed in bfloat16, as METHOD.md, section 16, defines it. */
int compute_attention_rounds(const compute *c, weight_form form);

enum { ATTENTION_MAX_R = 16 };

/* What the same pass can report: contiguous tensors, TENSOR_F64 but for the last; those that are none are not computed.
 * Means are over query rows [row_begin, row_end) (the set Q of METHOD.md, section 1); sums run in a fixed order, over
 * rows in double (the cpu backend: blocks of 32 rows in float first). Asking changes no bit of `out`. */
typedef struct attention_stats {
    int64_t row_begin, row_end;
    int r;                /* how many of the largest P_ij `concentration` sums, 1 .. ATTENTION_MAX_R */
    tensor mass;          /* [B, H, Nk]  m_j = mean_i P_ij; sums to 1 over j */
    tensor entropy;       /* [B, H]      mean_i (lse_i - sum_j P_ij S_ij), nats */
    tensor concentration; /* [B, H]      mean_i of the sum of the r largest P_ij */
    tensor lse;           /* [B, H, Nq]  all rows; double, since a rank-k edit amplifies its rounding */
    tensor row_max;       /* [B, H, Nq]  max_j P_ij, all rows; TENSOR_F32 */
} attention_stats;

void op_attention(compute *c, const attention_args *a, const attention_stats *stats /* or NULL */);

/* Edits of one attention call, applied to `out` of op_attention in the rank-k form (METHOD.md, section 6). Each
 * (batch item b, head h) has its own set of keys: the union over the steps of what the steps touch. */
typedef enum edit_op {
    EDIT_SCALE, /* score path: P' = eta P on the set, the rest rescaled so that rows sum to 1; eta = param (0 = mask) */
    EDIT_SHIFT, /* score path: S - beta on the set; beta = param */
    EDIT_VALUE_LERP, /* value path: v' = alpha v + (1 - alpha) target; alpha = param; target: `mean` of v, or zero */
    EDIT_VALUE_NOISE /* value path: v' = noise row of the key (attention_edit.noise) */
} edit_op;

typedef struct edit_step {
    edit_op op;
    float param;
    int to_mean; /* EDIT_VALUE_LERP: 1 = target is the mean of v over all keys of the head, 0 = zero */
} edit_step;

enum { EDIT_MAX_STEPS = 8 };

typedef struct attention_edit {
    int64_t row_begin, row_end; /* query rows acted on */
    int n_steps;                /* score steps first, then value steps */
    edit_step step[EDIT_MAX_STEPS];
    const int32_t *set_begin; /* [B H + 1]: keys of (b, h) are keys[set_begin[b H + h] .. set_begin[b H + h + 1]) */
    const int32_t *keys;      /* ascending within a set; an empty set changes no bit */
    const uint8_t *member;    /* per entry of keys: bit s = the key belongs to step s */
    tensor lse;               /* [B, H, Nq] from op_attention */
    tensor noise;             /* [entries of keys or more, d], of EDIT_VALUE_NOISE; else none */
    int force_direct;         /* take the direct path on every row */
    int preview;              /* 1: `out` stays as it is; the results say what the edit would do; where none of dose and
                               * row_push is asked for, rows are not counted as direct for what would cancel in them */
    /* Results, contiguous and TENSOR_F64 but for the rows; each may be none. Means over the acted rows. */
    tensor mass_before; /* [B, H] mean_i p_i of the union set, before */
    tensor mass_after;  /* [B, H] the same under the edited weights */
    tensor dose;        /* [B, H] rms_i |o'_i - o_i| / |o_i| */
    tensor direct_rows; /* [B, H], TENSOR_I64: rows recomputed directly, since the correction would have cancelled */
    tensor row_rest;    /* [B, H, Nq] 1 - p_i, before; written where a row is acted on and the pair has keys */
    tensor row_push;    /* [B, H, Nq] |o'_i - o_i|, likewise */
} attention_edit;

/* o'_i from o_i in `a->out`. Cost O(rows x set x d), except rows where that would cancel (thresholds in
 * tensor/attention.h): they are recomputed directly from the keys outside the set, and 1 - p_i is their sum. A score
 * step that leaves no key outside changes nothing. Error <= 2e-5 of a row's rms over the whole range of p (float64). */
void op_attention_edit(compute *c, const attention_args *a, const attention_edit *e);

/* Edits of the output, applied after the score and value edits: rows of a->out, with one number a row. */
typedef enum output_op {
    OUTPUT_GAIN, /* o' = amount o */
    OUTPUT_PUSH, /* o' = o + amount u, u the unit vector along the row's `direction` */
    OUTPUT_MEAN, /* o' = the mean of v over all keys of the head, where amount is not 0 */
} output_op;

typedef struct attention_output {
    output_op op;
    int64_t row_begin, row_end;
    const double *amount; /* host, [B, H, Nq]; 1 (OUTPUT_GAIN) and 0 (the others) change no bit of a row */
    tensor direction;     /* [B, H, Nq, d], contiguous, OUTPUT_PUSH alone; not 0 where amount is not */
    tensor original;      /* what the dose is measured against: a copy of `out` before any edit, or none = `out` */
    tensor dose;          /* result, [B, H], TENSOR_F64: rms_i |o'_i - original_i| / |original_i|, or none */
} attention_output;

void op_attention_output(compute *c, const attention_args *a, const attention_output *e);

/* Gaussian noise for an edit: elements at .. at + n are scale times N(0, 1), philox_normal's from the stream on (its
 * next block first), but for the last bit of a float. */
typedef struct gaussian_run {
    philox stream;
    double scale;
    int64_t at, n;
} gaussian_run;

/* Into a contiguous tensor. */
void op_gaussians(compute *c, tensor out, const gaussian_run *run, int64_t n);

typedef enum attention_part {
    PART_KEYS, /* sum_j P_ij over the keys j in `index`, for every query row: [H, Nq] */
    PART_ROW,  /* P_ij of query row i = index[0], for every key: [H, Nk] */
} attention_part;

/* One vector of P a head, for a call of one batch item; `lse` [H, Nq] is op_attention's; out contiguous, TENSOR_F64. */
void op_attention_part(compute *c, const attention_args *a, tensor lse, attention_part part, const int32_t *index,
                       int n, tensor out);

/* ---- activations for probes: called by attn/ alone; results contiguous ---- */

/* norm[B, H, N] = |x| of every head vector of x [B, N, H, d]; and |W_h x|, W_h the columns of an output projection that
 * belong to head h, where `gram` (host, [H, d, d]) = W_h^T W_h is given (else `projected` is not written, and may be
 * none). Error <= 1e-5 of |W_h| |x|. */
void op_head_norms(compute *c, tensor x, const float *gram, tensor norm, tensor projected);

/* largest[B, H], p95[B, H]: of |x| over the tokens and the head's elements; the percentile interpolates linearly
 * between its two neighbours, as numpy's. */
void op_magnitudes(compute *c, tensor x, tensor largest, tensor p95);

/* gram[H, d, d], on the host, of a linear layer's weight [O, H d] as op_head_norms takes it, from the weight's
 * source. */
void weight_head_gram(compute *c, const weight *w, int64_t heads, float *gram);

#endif
