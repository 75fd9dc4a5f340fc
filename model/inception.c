/* Inception v3 for FID; see inception.h. The network is a table of blocks, a block a table of steps: binding and
 * running walk the same tables. A step's output that leaves the block goes straight to its columns of the block's
 * output. */
#include "model/inception.h"

#include "model/checks.h"

static const float EPS = 1e-3f; /* of every batch norm */

/* The classifier behind the features, and torch's counters. */
const char *const INCEPTION_IGNORE[] = {"fc.weight", "fc.bias", "num_batches_tracked", NULL};

typedef enum source {
    FROM_BLOCK,
    FROM_LAST,
    FROM_BEFORE
} source; /* the block's input; the step before; the one before that */
typedef enum step_kind { CONV, POOL } step_kind;

typedef struct step {
    const char *name; /* CONV: the module in the block, "" where the block is one module */
    source from;
    int out, height, width, stride, pad_y, pad_x; /* POOL: height = size, pad_y = padding */
    int leaves;                                   /* 1 = its output is part of the block's */
    step_kind kind;
    pool_kind pool;
} step;

#define ONE(name, from, out, leaves)                                                                                   \
    { name, from, out, 1, 1, 1, 0, 0, leaves, CONV, POOL_MAX }
#define SQUARE(name, out, size, stride, pad, leaves)                                                                   \
    { name, FROM_LAST, out, size, size, stride, pad, pad, leaves, CONV, POOL_MAX }
#define ACROSS(name, from, out, size, leaves)                                                                          \
    { name, from, out, 1, size, 1, 0, (size) / 2, leaves, CONV, POOL_MAX }
#define DOWN(name, from, out, size, leaves)                                                                            \
    { name, from, out, size, 1, 1, (size) / 2, 0, leaves, CONV, POOL_MAX }
#define POOLED(kind, stride, pad, leaves)                                                                              \
    { NULL, FROM_BLOCK, 0, 3, 3, stride, pad, pad, leaves, POOL, kind }

#define SINGLE(out, size, stride, pad)                                                                                 \
    { "", FROM_BLOCK, out, size, size, stride, pad, pad, 1, CONV, POOL_MAX }
static const step STEM_1A[] = {SINGLE(32, 3, 2, 0)}, STEM_2A[] = {SINGLE(32, 3, 1, 0)},
                  STEM_2B[] = {SINGLE(64, 3, 1, 1)}, STEM_POOL[] = {POOLED(POOL_MAX, 2, 0, 1)},
                  STEM_3B[] = {SINGLE(80, 1, 1, 0)}, STEM_4A[] = {SINGLE(192, 3, 1, 0)};

#define BLOCK_A(pooled)                                                                                                \
    {                                                                                                                  \
        ONE("branch1x1.", FROM_BLOCK, 64, 1), ONE("branch5x5_1.", FROM_BLOCK, 48, 0),                                  \
            SQUARE("branch5x5_2.", 64, 5, 1, 2, 1), ONE("branch3x3dbl_1.", FROM_BLOCK, 64, 0),                         \
            SQUARE("branch3x3dbl_2.", 96, 3, 1, 1, 0), SQUARE("branch3x3dbl_3.", 96, 3, 1, 1, 1),                      \
            POOLED(POOL_MEAN, 1, 1, 0), ONE("branch_pool.", FROM_LAST, pooled, 1)                                      \
    }
static const step A_32[] = BLOCK_A(32), A_64[] = BLOCK_A(64);

static const step B[] = {
    {"branch3x3.", FROM_BLOCK, 384, 3, 3, 2, 0, 0, 1, CONV, POOL_MAX},
    ONE("branch3x3dbl_1.", FROM_BLOCK, 64, 0),
    SQUARE("branch3x3dbl_2.", 96, 3, 1, 1, 0),
    SQUARE("branch3x3dbl_3.", 96, 3, 2, 0, 1),
    POOLED(POOL_MAX, 2, 0, 1),
};

#define BLOCK_C(n)                                                                                                     \
    {                                                                                                                  \
        ONE("branch1x1.", FROM_BLOCK, 192, 1), ONE("branch7x7_1.", FROM_BLOCK, n, 0),                                  \
            ACROSS("branch7x7_2.", FROM_LAST, n, 7, 0), DOWN("branch7x7_3.", FROM_LAST, 192, 7, 1),                    \
            ONE("branch7x7dbl_1.", FROM_BLOCK, n, 0), DOWN("branch7x7dbl_2.", FROM_LAST, n, 7, 0),                     \
            ACROSS("branch7x7dbl_3.", FROM_LAST, n, 7, 0), DOWN("branch7x7dbl_4.", FROM_LAST, n, 7, 0),                \
            ACROSS("branch7x7dbl_5.", FROM_LAST, 192, 7, 1), POOLED(POOL_MEAN, 1, 1, 0),                               \
            ONE("branch_pool.", FROM_LAST, 192, 1)                                                                     \
    }
static const step C_128[] = BLOCK_C(128), C_160[] = BLOCK_C(160), C_192[] = BLOCK_C(192);

static const step D[] = {
    ONE("branch3x3_1.", FROM_BLOCK, 192, 0),
    SQUARE("branch3x3_2.", 320, 3, 2, 0, 1),
    ONE("branch7x7x3_1.", FROM_BLOCK, 192, 0),
    ACROSS("branch7x7x3_2.", FROM_LAST, 192, 7, 0),
    DOWN("branch7x7x3_3.", FROM_LAST, 192, 7, 0),
    SQUARE("branch7x7x3_4.", 192, 3, 2, 0, 1),
    POOLED(POOL_MAX, 2, 0, 1),
};

#define BLOCK_E(kind)                                                                                                  \
    {                                                                                                                  \
        ONE("branch1x1.", FROM_BLOCK, 320, 1), ONE("branch3x3_1.", FROM_BLOCK, 384, 0),                                \
            ACROSS("branch3x3_2a.", FROM_LAST, 384, 3, 1), DOWN("branch3x3_2b.", FROM_BEFORE, 384, 3, 1),              \
            ONE("branch3x3dbl_1.", FROM_BLOCK, 448, 0), SQUARE("branch3x3dbl_2.", 384, 3, 1, 1, 0),                    \
            ACROSS("branch3x3dbl_3a.", FROM_LAST, 384, 3, 1), DOWN("branch3x3dbl_3b.", FROM_BEFORE, 384, 3, 1),        \
            POOLED(kind, 1, 1, 0), ONE("branch_pool.", FROM_LAST, 192, 1)                                              \
    }
static const step E_MEAN[] = BLOCK_E(POOL_MEAN), E_MAX[] = BLOCK_E(POOL_MAX);

typedef struct block {
    const char *name;
    const step *steps;
    int n;
} block;

#define BLOCK(name, steps)                                                                                             \
    { name, steps, NN_COUNT(steps) }
static const block BLOCKS[] = {
    BLOCK("Conv2d_1a_3x3", STEM_1A),
    BLOCK("Conv2d_2a_3x3", STEM_2A),
    BLOCK("Conv2d_2b_3x3", STEM_2B),
    BLOCK("maxpool1", STEM_POOL),
    BLOCK("Conv2d_3b_1x1", STEM_3B),
    BLOCK("Conv2d_4a_3x3", STEM_4A),
    BLOCK("maxpool2", STEM_POOL),
    BLOCK("Mixed_5b", A_32),
    BLOCK("Mixed_5c", A_64),
    BLOCK("Mixed_5d", A_64),
    BLOCK("Mixed_6a", B),
    BLOCK("Mixed_6b", C_128),
    BLOCK("Mixed_6c", C_160),
    BLOCK("Mixed_6d", C_160),
    BLOCK("Mixed_6e", C_192),
    BLOCK("Mixed_7a", D),
    BLOCK("Mixed_7b", E_MEAN),
    BLOCK("Mixed_7c", E_MAX),
};

ss_status inception_parse(const json_t *json, const char *class_name, const char *where, void *config, ss_error *err) {
    (void)json, (void)class_name, (void)where, (void)config, (void)err;
    return SS_OK; /* there is one */
}

/* ---- channels ---- */

/* Channels that enter step `i` of a block whose input has `channels`. */
static int64_t channels_into(const block *b, int i, int64_t channels) {
    const step *s = &b->steps[i];
    if (s->from == FROM_BLOCK) return channels;
    const step *before = &b->steps[i - (s->from == FROM_LAST ? 1 : 2)];
    return before->kind == CONV ? before->out : channels;
}

static int64_t block_channels(const block *b, int64_t channels) {
    int64_t n = 0;
    for (int i = 0; i < b->n; i++)
        if (b->steps[i].leaves) n += b->steps[i].kind == CONV ? b->steps[i].out : channels;
    return n;
}

/* ---- weights ---- */

void inception_bind(binder *b, const void *config, void *weights) {
    static const weight_row rows[] = {
        {offsetof(inception_conv, w), WEIGHT_CONV, "conv.weight", "O I h w"},
        {offsetof(inception_conv, norm.gamma), WEIGHT_VECTOR, "bn.weight", "O"},
        {offsetof(inception_conv, norm.beta), WEIGHT_VECTOR, "bn.bias", "O"},
        {offsetof(inception_conv, norm.mean), WEIGHT_VECTOR, "bn.running_mean", "O"},
        {offsetof(inception_conv, norm.var), WEIGHT_VECTOR, "bn.running_var", "O"},
    };
    (void)config;
    inception_conv *conv = ((inception_weights *)weights)->conv;
    int64_t channels = 3;
    for (int k = 0; k < NN_COUNT(BLOCKS); k++) {
        const block *at = &BLOCKS[k];
        for (int i = 0; i < at->n; i++) {
            const step *s = &at->steps[i];
            if (s->kind == POOL) continue;
            binder_symbol(b, "O", s->out, "Inception v3");
            binder_symbol(b, "I", channels_into(at, i, channels), "Inception v3");
            binder_symbol(b, "h", s->height, "Inception v3");
            binder_symbol(b, "w", s->width, "Inception v3");
            binder_rows(b, conv++, rows, NN_COUNT(rows), "%s.%s", at->name, s->name);
        }
        channels = block_channels(at, channels);
    }
}

/* ---- forward ---- */

static void inception_run_step(compute *c, const step *s, const inception_conv *w, tensor out, tensor x) {
    const int pad[] = {s->pad_y, s->pad_x, s->pad_y, s->pad_x};
    if (s->kind == POOL) {
        op_pool2d(c, out, x, s->pool, s->height, s->stride, s->pad_y);
        return;
    }
    op_conv2d(c, out, x, &w->w, NULL, s->stride, pad, ACT_NONE);
    op_batch_norm(c, out, out, &w->norm, EPS, ACT_RELU);
}

static int64_t inception_side_after(const step *s, int64_t side, int size, int pad) {
    return (side + 2 * pad - size) / s->stride + 1;
}

/* x [B, H, W, C] through one block, into new scratch; *conv is the next of the walk. */
static tensor run_block(compute *c, const block *at, const inception_conv **conv, tensor x) {
    const step *shape = &at->steps[at->n - 1]; /* the last step's height and width are the block's */
    int64_t height = inception_side_after(shape, x.dim[1], shape->height, shape->pad_y);
    int64_t width = inception_side_after(shape, x.dim[2], shape->width, shape->pad_x), column = 0;
    tensor out = compute_4d(c, x.dim[0], height, width, block_channels(at, x.dim[3])), made[16] = {{0}};
    arena_mark mark = arena_get_mark(c->scratch);
    for (int i = 0; i < at->n; i++) {
        const step *s = &at->steps[i];
        tensor from = s->from == FROM_BLOCK ? x : made[i - (s->from == FROM_LAST ? 1 : 2)];
        int64_t channels = s->kind == CONV ? s->out : from.dim[3];
        if (s->leaves) {
            made[i] = tensor_columns(out, column, channels);
            column += channels;
        } else
            made[i] = compute_4d(c, x.dim[0], inception_side_after(s, from.dim[1], s->height, s->pad_y),
                                 inception_side_after(s, from.dim[2], s->width, s->pad_x), channels);
        inception_run_step(c, s, *conv, made[i], from);
        *conv += s->kind == CONV;
    }
    arena_release(c->scratch, mark);
    compute_tap(c, out, "%s", at->name);
    return out;
}

tensor inception_forward(compute *c, const inception_weights *w, tensor pictures) {
    const inception_conv *conv = w->conv;
    tensor features = compute_4d(c, pictures.dim[0], 1, 1, INCEPTION_FEATURES), x = pictures;
    arena_mark mark = arena_get_mark(c->scratch);
    for (int k = 0; k < NN_COUNT(BLOCKS) && compute_ok(c); k++) x = run_block(c, &BLOCKS[k], &conv, x);
    int64_t side = x.dim[1] > x.dim[2] ? x.dim[1] : x.dim[2];
    if (compute_ok(c)) op_pool2d(c, features, x, POOL_MEAN, (int)side, 1, 0); /* one window over all pixels */
    arena_release(c->scratch, mark);
    return tensor_reshape(features, 2, (int64_t[]){pictures.dim[0], INCEPTION_FEATURES});
}

/* ---- named arrays ---- */

ss_status inception_example(const void *config, model_arrays *in, ss_error *err) {
    (void)config;
    int64_t dim[] = {1, 3, INCEPTION_MIN_SIDE, INCEPTION_MIN_SIDE};
    return model_arrays_add(in, "pixel_values", 0, 4, dim, err) ? SS_OK : err->code;
}

ss_status inception_forward_named(const model *m, compute *c, const model_arrays *in, model_arrays *out,
                                  ss_error *err) {
    static const char *const names[] = {"pixel_values"};
    int64_t dim[TENSOR_MAX_DIMS] = {-1, 3, -1, -1};
    const float *pixels;
    SS_TRY(model_arrays_all_known(in, names, 1, err));
    SS_TRY(model_input_floats(in, "pixel_values", 4, dim, &pixels, err));
    if (dim[2] < INCEPTION_MIN_SIDE || dim[3] < INCEPTION_MIN_SIDE)
        return error_set(err, SS_ERR_INPUT, "pixel_values", "is %lld x %lld; at least %d x %d are needed",
                         (long long)dim[3], (long long)dim[2], (int)INCEPTION_MIN_SIDE, (int)INCEPTION_MIN_SIDE);
    tensor x = model_upload_image(c, pixels, dim[0], 3, dim[2], dim[3]);
    return model_arrays_add_tensor(out, "features", c, inception_forward(c, m->weights, x), err);
}

const network network_inception = {.about = {"FIDInceptionV3", "Inception v3 of 2015, features (FID, KID)", NULL},
                                   .config_size = sizeof(inception_config),
                                   .weights_size = sizeof(inception_weights),
                                   .parse = inception_parse,
                                   .bind = inception_bind,
                                   .ignore = INCEPTION_IGNORE,
                                   .example = inception_example,
                                   .forward = inception_forward_named};
