/* AutoencoderKL, the forward pass. It takes one canvas as large as the largest activation on the way, in which the
 * layers work in place: convolutions are made some rows at a time, from a buffer that holds their input's rows, so that
 * they may write over it; the statistics of a group norm are taken of the whole image before. docs/SPEED.md has what
 * that costs and saves. No single operation here has its output where its input is, but for those that may. */
#include <math.h>
#include <stdio.h>
#include "attn/attn.h"
#include "model/vae_plan.h"

static const float EPS = 1e-6f; /* of every norm; not in the config */

/* ---- forward: where things lie ---- */

/* Where a forward pass stands. Every image has a canvas of its own, in which each of its rows has a slot of `slot`
 * floats a pixel: x lies at the beginning of the slots, what is made beside it behind. */
typedef struct walk {
    compute *c;
    const vae_config *g;
    half_plan plan;
    int64_t stripe; /* rows made at a time, even; 0 = by their length */
    tensor canvas;  /* [B, floats of a canvas] */
    int64_t height, width, slot;
    tensor x; /* [B, H, W, C] */
} walk;

/* Images of so many channels in the slots, from channel `first` on. */
static tensor in_slots(const walk *k, int64_t first, int64_t channels) {
    int64_t across = k->width * k->slot;
    tensor at = tensor_columns(k->canvas, first * k->width, channels * k->width);
    return (tensor){at.data,
                    TENSOR_F32,
                    4,
                    {k->canvas.dim[0], k->height, k->width, channels},
                    {k->canvas.stride[0], across, channels, 1}};
}

/* Images of x's shape at the end of the canvases, without gaps. */
static tensor at_end(const walk *k, tensor x) {
    int64_t floats = x.dim[1] * x.dim[2] * x.dim[3];
    tensor at = tensor_columns(k->canvas, k->canvas.dim[1] - floats, floats);
    return (tensor){at.data,
                    TENSOR_F32,
                    4,
                    {x.dim[0], x.dim[1], x.dim[2], x.dim[3]},
                    {k->canvas.stride[0], x.dim[2] * x.dim[3], x.dim[3], 1}};
}

/* Rows of pixels that follow each other in memory, as one row each: cheaper where pixels do not matter. */
static tensor joined(tensor t) {
    return (tensor){t.data, t.type, 3, {t.dim[0], t.dim[1], t.dim[2] * t.dim[3]}, {t.stride[0], t.stride[1], 1}};
}

static tensor vae_forward_rows_of(tensor t, int64_t begin, int64_t end) {
    return tensor_slice(t, 1, begin, end - begin);
}

/* Floats a pixel of a slot in which a resnet from `in` to `out` channels takes place: x and y side by side; where the
 * channels change, the shortcut and y, which then take x's place. */
static int64_t vae_forward_slot_of(int64_t in, int64_t out) {
    if (in == out) return 2 * in;
    return in > 2 * out ? in : 2 * out;
}

/* That of a block; the middle has the slot of the lowest resolution's block, or its own where it comes first. */
static int64_t block_slot(const half_plan *p, int block) {
    return vae_forward_slot_of(p->width[block ? block - 1 : 0], p->width[block]);
}

static void set_level(walk *k, int64_t height, int64_t width, int64_t slot) {
    k->height = height;
    k->width = width;
    k->slot = slot;
}

/* ---- forward: stripes ---- */

/* A 3 x 3 convolution needs what comes before it in full, but for a few rows at a time: `buffer` holds rows begin - 1
 * .. end (a row of neighbours on either side), of which from .. to - 1 are new; the others were made for the stripe
 * before. So the convolution may write where its input came from. */
typedef struct stripe {
    int64_t begin, end, from, to;
    int64_t most; /* rows of a stripe */
    tensor buffer;
} stripe;

static stripe stripe_first(const walk *k, int64_t channels) {
    enum { PIXELS = 16384 }; /* of a stripe: enough for every thread, and a small part of a large image */
    stripe s = {.most = k->stripe};
    if (!s.most) s.most = (PIXELS / k->width + 1) / 2 * 2;
    if (s.most < 2) s.most = 2;
    if (s.most >= k->height) s.most = (k->height + 1) / 2 * 2;
    s.buffer = compute_4d(k->c, k->canvas.dim[0], s.most + 3, k->width, channels); /* one more for upsampled pairs */
    return s;
}

/* Rows begin .. end - 1 of the image, in the buffer. */
static tensor in_buffer(const stripe *s, int64_t begin, int64_t end) {
    return vae_forward_rows_of(s->buffer, begin - s->begin + 1, end - s->begin + 1);
}

/* To the next stripe; 0 = that was the last. The caller then fills in_buffer(from, to). */
static int stripe_next(const walk *k, stripe *s) {
    if (s->end == k->height) return 0;
    int64_t have = s->to;
    if (s->end)
        op_copy(k->c, joined(vae_forward_rows_of(s->buffer, 0, 2)), joined(in_buffer(s, s->end - 1, s->end + 1)));
    s->begin = s->end;
    s->end = s->begin + s->most < k->height ? s->begin + s->most : k->height;
    s->from = have;
    s->to = s->end < k->height ? s->end + 1 : k->height;
    return 1;
}

/* The stripe's rows of `out`, from those of the buffer. */
static void stripe_conv(const walk *k, const stripe *s, tensor out, const nn_linear *conv) {
    int64_t top = s->begin ? s->begin - 1 : 0;
    const int pad[] = {s->begin == 0, 1, s->end == k->height, 1};
    op_conv2d(k->c, vae_forward_rows_of(out, s->begin, s->end), in_buffer(s, top, s->to), &conv->w, &conv->b, 1, pad,
              ACT_NONE);
}

/* ---- forward: layers ---- */

static void conv3_into(compute *c, tensor out, tensor x, const nn_linear *conv) {
    op_conv2d(c, out, x, &conv->w, &conv->b, 1, (int[]){1, 1, 1, 1}, ACT_NONE);
}

static void conv1_into(compute *c, tensor out, tensor x, const nn_linear *conv) {
    op_conv2d(c, out, x, &conv->w, &conv->b, 1, (int[]){0, 0, 0, 0}, ACT_NONE);
}

/* The new rows of the stripe: act(norm(x)). */
static void stripe_norm(const walk *k, const stripe *s, tensor x, tensor moments, const nn_affine *norm) {
    if (s->from < s->to)
        op_group_apply(k->c, in_buffer(s, s->from, s->to), vae_forward_rows_of(x, s->from, s->to), moments,
                       &norm->gamma, &norm->beta, k->g->act);
}

static tensor moments_of(const walk *k, tensor x) {
    tensor out = compute_3d(k->c, x.dim[0], 2, x.dim[3]);
    op_group_moments(k->c, out, x, (int)k->g->groups, EPS);
    return out;
}

/* y = conv1(act(norm1(x))). Where the channels change, *x becomes its shortcut, in its place like y: what a stripe
 * writes lies in slots whose x has been read. */
static void first_half(const walk *k, const vae_resnet *w, tensor *x, tensor y) {
    compute *c = k->c;
    int changes = nn_optional(&w->shortcut.w) != NULL;
    int64_t channels = y.dim[3];
    tensor moments = moments_of(k, *x), shortcut = changes ? in_slots(k, 0, channels) : *x;
    stripe s = stripe_first(k, x->dim[3]);
    tensor beside = changes ? compute_4d(c, x->dim[0], s.most, k->width, channels) : TENSOR_NONE;
    while (stripe_next(k, &s)) {
        tensor some = changes ? vae_forward_rows_of(beside, 0, s.end - s.begin) : TENSOR_NONE;
        stripe_norm(k, &s, *x, moments, &w->norm1);
        if (changes) conv1_into(c, some, vae_forward_rows_of(*x, s.begin, s.end), &w->shortcut);
        stripe_conv(k, &s, y, &w->conv1);
        if (changes) op_copy(c, joined(vae_forward_rows_of(shortcut, s.begin, s.end)), joined(some));
    }
    *x = shortcut;
}

/* ResnetBlock2D without a time embedding: x = shortcut(x) + conv2(act(norm2(conv1(act(norm1(x)))))). */
static void resnet(walk *k, const vae_resnet *w, const char *prefix, int64_t number) {
    compute *c = k->c;
    int64_t channels = w->conv1.w.source.dim[0];
    int changes = nn_optional(&w->shortcut.w) != NULL;
    arena_mark mark = arena_get_mark(c->scratch);
    tensor y = in_slots(k, channels, channels);
    first_half(k, w, &k->x, y);
    compute_tap(c, y, "%s.resnets.%lld.conv1", prefix, (long long)number);
    arena_release(c->scratch, mark);

    tensor moments = moments_of(k, y);
    for (stripe s = stripe_first(k, channels); stripe_next(k, &s);) {
        stripe_norm(k, &s, y, moments, &w->norm2);
        stripe_conv(k, &s, y, &w->conv2);
    }
    arena_release(c->scratch, mark);
    compute_tap(c, y, "%s.resnets.%lld.conv2", prefix, (long long)number);
    if (changes) compute_tap(c, k->x, "%s.resnets.%lld.conv_shortcut", prefix, (long long)number);
    op_add(c, joined(k->x), joined(k->x), joined(y));
    compute_tap(c, k->x, "%s.resnets.%lld", prefix, (long long)number);
}

/* [B, N, C] in what the slots leave of the canvas, the `number`-th of such tensors; new scratch where they leave too
 * little. */
static tensor tokens_beside(const walk *k, int number) {
    int64_t b = k->x.dim[0], n = k->height * k->width, width = k->x.dim[3];
    int64_t at = n * k->slot + number * n * width;
    if (at + n * width > k->canvas.dim[1]) return compute_3d(k->c, b, n, width);
    tensor some = tensor_columns(k->canvas, at, n * width);
    return (tensor){some.data, TENSOR_F32, 3, {b, n, width}, {k->canvas.stride[0], width, 1}};
}

/* Tokens as the images they are. */
static tensor as_images(tensor tokens, const walk *k) {
    return (tensor){tokens.data,
                    TENSOR_F32,
                    4,
                    {tokens.dim[0], k->height, k->width, tokens.dim[2]},
                    {tokens.stride[0], k->width * tokens.dim[2], tokens.dim[2], 1}};
}

/* x += attention of one head over all pixels. */
static void vae_forward_attend(walk *k, const vae_attention *w, const char *prefix) {
    compute *c = k->c;
    arena_mark mark = arena_get_mark(c->scratch);
    tensor tokens = tokens_beside(k, 0), q = tokens_beside(k, 1), key = tokens_beside(k, 2), v = tokens_beside(k, 3);
    op_group_norm(c, as_images(tokens, k), k->x, (int)k->g->groups, &w->norm.gamma, &w->norm.beta, EPS, ACT_NONE);
    nn_qkv_into(c, (nn_qkv){q, key, v}, tokens, tokens, &w->q, &w->k, &w->v);
    attn_call call = {.block = -1, .kind = ATTN_SELF};
    call.args.q = tensor_split_last(q, 1);
    call.args.k = tensor_split_last(key, 1);
    call.args.v = tensor_split_last(v, 1);
    call.args.out = tensor_split_last(tokens, 1);
    call.args.scale = 1.0f / sqrtf((float)k->x.dim[3]);
    attn_forward(c, &call);
    nn_linear_into(c, q, tokens, &w->out, ACT_NONE);
    op_add(c, joined(k->x), joined(k->x), joined(as_images(q, k)));
    arena_release(c->scratch, mark);
    compute_tap(c, k->x, "%s.attentions.0", prefix);
}

static void middle(walk *k, const vae_half *w) {
    char prefix[48];
    snprintf(prefix, sizeof prefix, "%s.mid_block", k->plan.part);
    resnet(k, &w->mid[0], prefix, 0);
    if (k->g->mid_attention) vae_forward_attend(k, &w->attention, prefix);
    resnet(k, &w->mid[1], prefix, 1);
    compute_tap(k->c, k->x, "%s", prefix);
}

/* Sizes after a block's change of resolution. Down: 3 x 3, stride 2, a row and a column of zeros at the far edges. */
static int64_t resampled(int up, int64_t n) { return up ? 2 * n : (n + 1 - 3) / 2 + 1; }

/* x = conv(upsample(x)). The small image is put at the end of the canvas, and read a little ahead of the slots that
 * grow towards it: slot r ends where r / 4 rows of the small image (of at most a quarter of the slots' size) and more
 * are still before it. */
static void upsample(walk *k, const nn_linear *conv, int64_t slot) {
    compute *c = k->c;
    tensor small = at_end(k, k->x);
    op_copy(c, joined(small), joined(k->x));
    set_level(k, 2 * k->height, 2 * k->width, slot);
    k->x = in_slots(k, 0, small.dim[3]);
    for (stripe s = stripe_first(k, small.dim[3]); stripe_next(k, &s);) {
        int64_t first = s.from / 2, last = (s.to + 1) / 2; /* pairs; a row that is there already is made again */
        if (first < last) op_upsample2(c, in_buffer(&s, 2 * first, 2 * last), vae_forward_rows_of(small, first, last));
        stripe_conv(k, &s, k->x, conv);
    }
}

static void downsample(walk *k, const nn_linear *conv, int64_t slot) {
    compute *c = k->c;
    int64_t height = resampled(0, k->height), width = resampled(0, k->width), channels = k->x.dim[3];
    tensor out = compute_4d(c, k->x.dim[0], height, width, channels);
    op_conv2d(c, out, k->x, &conv->w, &conv->b, 2, (int[]){0, 0, 1, 1}, ACT_NONE);
    set_level(k, height, width, slot);
    k->x = in_slots(k, 0, channels);
    op_copy(c, joined(k->x), joined(out));
}

static void resample(walk *k, const nn_linear *conv, int64_t slot, const char *prefix) {
    arena_mark mark = arena_get_mark(k->c->scratch);
    if (k->plan.up) upsample(k, conv, slot);
    else downsample(k, conv, slot);
    arena_release(k->c->scratch, mark);
    compute_tap(k->c, k->x, "%s.%s.0", prefix, k->plan.resample);
}

static void vae_forward_blocks(walk *k, const vae_half *w) {
    for (int i = 0; i < k->plan.n; i++) {
        char prefix[48];
        snprintf(prefix, sizeof prefix, "%s.%s.%d", k->plan.part, k->plan.blocks, i);
        for (int64_t j = 0; j < k->plan.resnets; j++) resnet(k, &w->blocks[i].resnets[j], prefix, j);
        if (i < k->plan.n - 1) resample(k, &w->blocks[i].resample, block_slot(&k->plan, i + 1), prefix);
        compute_tap(k->c, k->x, "%s", prefix);
    }
}

/* ---- forward: the whole ---- */

/* Height or width at the end of a half. */
static int64_t end_size(const half_plan *p, int64_t n) {
    for (int i = 1; i < p->n; i++) n = resampled(p->up, n);
    return n;
}

/* Floats of the canvas of an image of these sizes: the slots of every level, with a copy of x behind where it is to be
 * upsampled. */
static int64_t canvas_floats(const half_plan *p, int64_t height, int64_t width) {
    int64_t most = 0;
    for (int i = 0; i < p->n; i++) {
        int64_t pixel = block_slot(p, i) + (p->up && i < p->n - 1 ? p->width[i] : 0);
        if (height * width * pixel > most) most = height * width * pixel;
        height = resampled(p->up, height);
        width = resampled(p->up, width);
    }
    return most;
}

static walk vae_forward_begin(compute *c, const vae_config *g, int up, tensor in, int64_t rows) {
    walk k = {.c = c, .g = g, .plan = vae_plan_half(g, up), .stripe = rows};
    set_level(&k, in.dim[1], in.dim[2], block_slot(&k.plan, 0));
    k.canvas = compute_2d(c, in.dim[0], canvas_floats(&k.plan, in.dim[1], in.dim[2]));
    return k;
}

/* From `in` to `out`. */
static void half_forward(walk *k, const vae_half *w, tensor out, tensor in) {
    compute *c = k->c;
    k->x = in_slots(k, 0, w->conv_in.w.source.dim[0]);
    conv3_into(c, k->x, in, &w->conv_in);
    compute_tap(c, k->x, "%s.conv_in", k->plan.part);
    if (k->plan.up) middle(k, w);
    vae_forward_blocks(k, w);
    if (!k->plan.up) middle(k, w);
    op_group_norm(c, k->x, k->x, (int)k->g->groups, &w->norm_out.gamma, &w->norm_out.beta, EPS,
                  ACT_SILU); /* for every act_fn: vae.py */
    compute_tap(c, k->x, "%s.conv_act", k->plan.part);
    conv3_into(c, out, k->x, &w->conv_out);
    compute_tap(c, out, "%s.conv_out", k->plan.part);
}

tensor vae_decode_in_stripes(compute *c, const vae_config *g, const vae_weights *w, tensor latents, int64_t rows) {
    half_plan p = vae_plan_half(g, 1);
    tensor out =
        compute_4d(c, latents.dim[0], end_size(&p, latents.dim[1]), end_size(&p, latents.dim[2]), g->out_channels);
    arena_mark mark = arena_get_mark(c->scratch);
    walk k = vae_forward_begin(c, g, 1, latents, rows);
    tensor in = latents;
    if (g->post_quant_conv) {
        in = nn_like(c, latents);
        conv1_into(c, in, latents, &w->post_quant);
        compute_tap(c, in, "post_quant_conv");
    }
    half_forward(&k, &w->decoder, out, in);
    arena_release(c->scratch, mark);
    return out;
}

tensor vae_decode(compute *c, const vae_config *g, const vae_weights *w, tensor latents) {
    return vae_decode_in_stripes(c, g, w, latents, 0);
}

tensor vae_encode_in_stripes(compute *c, const vae_config *g, const vae_weights *w, tensor pictures, int64_t rows) {
    half_plan p = vae_plan_half(g, 0);
    tensor out = compute_4d(c, pictures.dim[0], end_size(&p, pictures.dim[1]), end_size(&p, pictures.dim[2]),
                            2 * g->latent_channels);
    arena_mark mark = arena_get_mark(c->scratch);
    tensor moments = g->quant_conv ? nn_like(c, out) : out;
    walk k = vae_forward_begin(c, g, 0, pictures, rows);
    half_forward(&k, &w->encoder, moments, pictures);
    if (g->quant_conv) {
        conv1_into(c, out, moments, &w->quant);
        compute_tap(c, out, "quant_conv");
    }
    arena_release(c->scratch, mark);
    return out;
}

tensor vae_encode(compute *c, const vae_config *g, const vae_weights *w, tensor pictures) {
    return vae_encode_in_stripes(c, g, w, pictures, 0);
}
