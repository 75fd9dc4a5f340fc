/* The U-Net's resnets and transformers. Straight code over operations of the compute context; attention is
 * attn_forward. B = batch, N = H W image tokens, D = heads x head_dim. */
#include "model/unet_blocks.h"

#include <math.h>

static const float GROUP_EPS = 1e-6f, LAYER_EPS = 1e-5f; /* of a transformer's norms; not in the config */

void unet_convolve(compute *c, tensor out, tensor x, const nn_linear *conv) {
    int pad = (int)(conv->w.source.dim[2] - 1) / 2;
    op_conv2d(c, out, x, &conv->w, nn_optional(&conv->b), 1, (int[]){pad, pad, pad, pad}, ACT_NONE);
}

static void norm_into(const unet_pass *p, tensor out, tensor x, const nn_affine *norm, float eps, activation act) {
    op_group_norm(p->c, out, x, (int)p->g->groups, &norm->gamma, &norm->beta, eps, act);
}

void unet_resnet_forward(const unet_pass *p, const unet_resnet *w, tensor out, tensor x, int spend, const char *name) {
    compute *c = p->c;
    arena_mark mark = arena_get_mark(c->scratch);
    int has_shortcut = nn_optional(&w->shortcut.w) != NULL;
    if (has_shortcut) {
        nn_linear_into(c, out, x, &w->shortcut, ACT_NONE);
        compute_tap(c, out, "%s.conv_shortcut", name);
    }
    tensor h = nn_like(c, out), y = nn_like(c, out), normed = spend && has_shortcut ? x : nn_like(c, x);
    norm_into(p, normed, x, &w->norm1, p->g->eps, p->g->act);
    unet_convolve(c, h, normed, &w->conv1);
    compute_tap(c, h, "%s.conv1", name);
    tensor time = nn_linear_new(c, p->condition, &w->time, ACT_NONE);
    compute_tap(c, time, "%s.time_emb_proj", name);
    op_add(c, h, h, tensor_reshape(time, 4, (int64_t[]){p->batch, 1, 1, time.dim[1]}));
    norm_into(p, h, h, &w->norm2, p->g->eps, p->g->act);
    unet_convolve(c, y, h, &w->conv2);
    compute_tap(c, y, "%s.conv2", name);
    op_add(c, out, has_shortcut ? out : x, y);
    compute_tap(c, out, "%s", name);
    arena_release(c->scratch, mark);
}

/* ---- transformers ---- */

/* One layer of a transformer at work. */
typedef struct layer_pass {
    unet_pass *p;
    const unet_stage *stage;
    attn_segment image; /* of the tokens */
    tensor x;           /* [B, N, D], what every part is added to */
    const char *name;   /* the transformer's */
    int number;
} layer_pass;

/* x += out(attention(q of normed, k and v of keys)). */
static void unet_blocks_add_attention(const layer_pass *l, const unet_attention *w, tensor normed, tensor keys,
                                      attn_kind kind) {
    compute *c = l->p->c;
    const unet_input *in = l->p->in;
    int64_t heads = l->stage->heads;
    arena_mark mark = arena_get_mark(c->scratch);
    nn_qkv of = nn_qkv_new(c, normed, keys, &w->q, &w->k, &w->v);
    tensor out = nn_like(c, of.q);
    attn_call call = {.args = {.q = tensor_split_last(of.q, heads),
                               .k = tensor_split_last(of.k, heads),
                               .v = tensor_split_last(of.v, heads),
                               .out = tensor_split_last(out, heads),
                               .scale = (float)(1 / sqrt((double)l->stage->head_dim)),
                               .form = w->q.w.form},
                      .block = l->p->site++,
                      .kind = kind,
                      .n_query_segments = 1,
                      .query_segments = &l->image,
                      .n_key_segments = kind == ATTN_SELF ? 1 : in->n_text_segments,
                      .key_segments = kind == ATTN_SELF ? &l->image : in->text_segments,
                      .batch = in->batch,
                      .block_input = l->x,
                      .block_context = kind == ATTN_SELF ? TENSOR_NONE : keys,
                      .output_gram = w->output_gram};
    attn_forward(c, &call);
    nn_linear_add(c, l->x, of.q, out, &w->out);
    compute_tap(c, of.q, "%s.transformer_blocks.%d.%s", l->name, l->number, kind == ATTN_SELF ? "attn1" : "attn2");
    arena_release(c->scratch, mark);
}

static tensor normed_new(const layer_pass *l, const nn_affine *norm, const char *part) {
    tensor normed = nn_layer_norm_new(l->p->c, l->x, norm, LAYER_EPS);
    compute_tap(l->p->c, normed, "%s.transformer_blocks.%d.%s", l->name, l->number, part);
    return normed;
}

/* x += down(a gelu(b)), where a, b are the halves of up(normed). */
static void unet_blocks_add_feed_forward(const layer_pass *l, const unet_layer *w) {
    compute *c = l->p->c;
    arena_mark mark = arena_get_mark(c->scratch);
    tensor normed = normed_new(l, &w->norm3, "norm3"), both = nn_linear_new(c, normed, &w->ff_up, ACT_NONE);
    int64_t half = both.dim[2] / 2;
    tensor inner = tensor_columns(both, 0, half);
    op_geglu(c, inner, inner, tensor_columns(both, half, half));
    compute_tap(c, inner, "%s.transformer_blocks.%d.ff.net.0", l->name, l->number);
    nn_linear_add(c, l->x, normed, inner, &w->ff_down);
    compute_tap(c, normed, "%s.transformer_blocks.%d.ff", l->name, l->number);
    arena_release(c->scratch, mark);
}

/* BasicTransformerBlock. */
static void unet_blocks_layer_forward(const layer_pass *l, const unet_layer *w) {
    compute *c = l->p->c;
    arena_mark mark = arena_get_mark(c->scratch);
    tensor normed = normed_new(l, &w->norm1, "norm1");
    unet_blocks_add_attention(l, &w->attn1, normed, normed, ATTN_SELF);
    arena_release(c->scratch, mark);
    normed = normed_new(l, &w->norm2, "norm2");
    unet_blocks_add_attention(l, &w->attn2, normed, l->p->in->text, ATTN_CROSS);
    arena_release(c->scratch, mark);
    unet_blocks_add_feed_forward(l, w);
    compute_tap(c, l->x, "%s.transformer_blocks.%d", l->name, l->number);
}

/* Where the projections are convolutions, the reference has their outputs as images. */
static void tap_projection(const unet_pass *p, tensor t, tensor x, const char *name, const char *part) {
    int64_t dim[] = {x.dim[0], x.dim[1], x.dim[2], t.dim[2]};
    compute_tap(p->c, p->g->linear_projection ? t : tensor_reshape(t, 4, dim), "%s.%s", name, part);
}

void unet_transformer_forward(unet_pass *p, const unet_stage *s, const unet_transformer *w, int64_t depth, tensor x,
                              const char *name) {
    compute *c = p->c;
    int64_t n = x.dim[1] * x.dim[2], token_dim[] = {p->batch, n, x.dim[3]};
    arena_mark mark = arena_get_mark(c->scratch);
    tensor tokens = compute_3d(c, p->batch, n, s->heads * s->head_dim), moved = nn_like(c, x);
    norm_into(p, moved, x, &w->norm, GROUP_EPS, ACT_NONE);
    compute_tap(c, moved, "%s.norm", name);
    moved = tensor_reshape(moved, 3, token_dim);
    nn_linear_into(c, tokens, moved, &w->proj_in, ACT_NONE);
    tap_projection(p, tokens, x, name, "proj_in");
    layer_pass l = {
        .p = p, .stage = s, .image = {SEGMENT_IMAGE, "image", 0, (int)n, (int)x.dim[2]}, .x = tokens, .name = name};
    for (; l.number < depth; l.number++) unet_blocks_layer_forward(&l, &w->layers[l.number]);
    nn_linear_into(c, moved, tokens, &w->proj_out, ACT_NONE);
    tap_projection(p, moved, x, name, "proj_out");
    op_add(c, x, x, tensor_reshape(moved, 4, x.dim));
    compute_tap(c, x, "%s", name);
    arena_release(c->scratch, mark);
}
