/* MMDiT: the forward pass. Straight code over operations of the compute context; the one attention is attn_forward.
 * Nothing here looks at a tensor's elements. B = batch, N = n_image + n_text tokens, D = width, H heads of d. */
#include "model/mmdit.h"

#include <math.h>
#include <stdlib.h>
#include "model/checks.h"

enum { TIME_WIDTH = 256, STREAMS = 2 /* image and text */ };
static const float NORM_EPS = 1e-6f;

/* What stays the same from block to block. */
typedef struct pass {
    compute *c;
    const mmdit_config *g;
    const mmdit_input *in;
    int64_t b, n_image, n_text;
    weight_form form; /* of the blocks' weights */
    tensor condition; /* silu(time + pooled text) [B, D] */
} pass;

/* Part `i` of a modulation [B, parts x D]: [B, D]. */
static tensor part(const pass *p, tensor modulation, int i) {
    return tensor_columns(modulation, i * p->g->width, p->g->width);
}

/* `reader`: one of the layers that read it, which are alike. */
static tensor modulated(const pass *p, tensor x, tensor scale, tensor shift, const nn_linear *reader) {
    tensor out = nn_like_for(p->c, x, reader);
    op_norm_modulate(p->c, out, x, scale, shift, NORM_EPS);
    return out;
}

/* The same product, added to x [B, n, D] times gate [B, D]. */
static linear_call gated(linear_call a, tensor x, tensor gate) {
    a.sum = x;
    a.gate = gate;
    return a;
}

/* ---- before the blocks ---- */

/* Latents to image tokens with their positions, [B, n_image, D]. The position table is cropped from its middle. */
static tensor embed_patches(const pass *p, const mmdit_weights *w) {
    const mmdit_config *g = p->g;
    compute *c = p->c;
    tensor latents = p->in->latents, x = compute_3d(c, p->b, p->n_image, g->width);
    arena_mark mark = arena_get_mark(c->scratch);
    tensor patches = compute_3d(c, p->b, p->n_image, g->in_channels * g->patch_size * g->patch_size);
    op_patchify(c, patches, latents, (int)g->patch_size);
    nn_linear_into(c, x, patches, &w->patch, ACT_NONE);
    arena_release(c->scratch, mark);

    int32_t *row = malloc(sizeof *row * (size_t)p->n_image);
    if (!row) {
        ss_error err;
        error_no_memory(&err, "positions", sizeof *row * (size_t)p->n_image);
        compute_fail(c, &err);
        return x;
    }
    int64_t max = g->pos_embed_max_size, height = latents.dim[1] / g->patch_size,
            width = latents.dim[2] / g->patch_size;
    int64_t top = (max - height) / 2, left = (max - width) / 2;
    for (int64_t i = 0; i < p->n_image; i++) row[i] = (int32_t)((top + i / width) * max + left + i % width);
    tensor position = compute_3d(c, 1, p->n_image, g->width);
    op_embed(c, tensor_reshape(position, 2, (int64_t[]){p->n_image, g->width}), &w->pos_embed, row);
    op_add(c, x, x, position);
    arena_release(c->scratch, mark);
    free(row);
    compute_tap(c, x, "pos_embed");
    return x;
}

/* silu of the time and pooled text embeddings' sum, [B, D]: what every modulation is made from. */
static tensor mmdit_embed_condition(const pass *p, const mmdit_weights *w) {
    compute *c = p->c;
    tensor out = compute_2d(c, p->b, p->g->width);
    arena_mark mark = arena_get_mark(c->scratch);
    float *waves = malloc(sizeof *waves * (size_t)p->b * TIME_WIDTH);
    if (!waves) {
        ss_error err;
        error_no_memory(&err, "time embedding", sizeof *waves * (size_t)p->b * TIME_WIDTH);
        compute_fail(c, &err);
        return out;
    }
    nn_timestep_embedding(waves, p->in->timestep, p->b, TIME_WIDTH);
    tensor time = model_upload(c, waves, 2, (int64_t[]){p->b, TIME_WIDTH});
    free(waves);
    time = nn_mlp_new(c, time, &w->time_up, &w->time_down, ACT_SILU);
    tensor pooled = nn_mlp_new(c, p->in->pooled, &w->text_up, &w->text_down, ACT_SILU);
    op_add(c, out, time, pooled);
    compute_tap(c, out, "time_text_embed");
    op_activation(c, out, out, ACT_SILU);
    arena_release(c->scratch, mark);
    return out;
}

/* ---- a block ---- */

/* Queries (TENSOR_NONE: not wanted), keys and values of one stream into their place in the joint buffers [B, N, D]. */
typedef struct projection {
    const mmdit_attention *w;
    tensor x, q, k, v;
} projection;

static void project(const pass *p, const projection *stream, int n) {
    linear_call call[3 * STREAMS];
    int calls = 0;
    for (int i = 0; i < n; i++) {
        const projection *s = &stream[i];
        if (!tensor_is_none(s->q)) call[calls++] = nn_linear_call(s->q, s->x, &s->w->q, ACT_NONE);
        call[calls++] = nn_linear_call(s->k, s->x, &s->w->k, ACT_NONE);
        call[calls++] = nn_linear_call(s->v, s->x, &s->w->v, ACT_NONE);
    }
    op_linears(p->c, call, calls);
    for (int i = 0; i < n && p->g->qk_norm; i++) {
        const projection *s = &stream[i];
        tensor q = s->q, k = tensor_split_last(s->k, p->g->heads);
        if (!tensor_is_none(q)) {
            q = tensor_split_last(q, p->g->heads);
            op_rms_norm(p->c, q, q, &s->w->norm_q, NORM_EPS);
        }
        op_rms_norm(p->c, k, k, &s->w->norm_k, NORM_EPS);
    }
}

/* `studied`: what only a studied call says (block, inputs, Gram matrices); NULL = it is not studied. */
static void mmdit_attend(const pass *p, tensor q, tensor k, tensor v, tensor out, const attn_call *studied,
                         attn_kind kind) {
    int64_t heads = p->g->heads;
    int joint = kind == ATTN_JOINT, n_segments = p->in->n_segments; /* the image is the first */
    attn_call call = studied ? *studied : (attn_call){.block = -1};
    call.args = (attention_args){.q = tensor_split_last(q, heads),
                                 .k = tensor_split_last(k, heads),
                                 .v = tensor_split_last(v, heads),
                                 .out = tensor_split_last(out, heads),
                                 .scale = (float)(1 / sqrt((double)p->g->head_dim)),
                                 .form = p->form};
    call.kind = kind;
    call.n_query_segments = joint && q.dim[1] > p->n_image ? n_segments : 1;
    call.n_key_segments = joint ? n_segments : 1;
    call.query_segments = call.key_segments = p->in->segments;
    call.batch = studied ? p->in->batch : NULL;
    attn_forward(p->c, &call);
}

/* The joint attention of normed image and text tokens, its heads merged but not yet projected: [B, N, D]; in the last
 * block, where nothing reads what text attends to, [B, n_image, D] unless a study asks for it. */
static tensor joint_attention(const pass *p, const mmdit_block *w, tensor image, tensor context,
                              const attn_call *studied) {
    compute *c = p->c;
    int64_t ni = p->n_image, nt = p->n_text, n = ni + nt, width = p->g->width;
    int image_alone = studied->block + 1 == p->g->layers && attn_asks_image_alone(p->in->batch, studied->block);
    int64_t queries = image_alone ? ni : n;
    tensor out = compute_3d(c, p->b, queries, width);
    arena_mark mark = arena_get_mark(c->scratch);
    tensor q = compute_3d(c, p->b, queries, width), k = compute_3d(c, p->b, n, width),
           v = compute_3d(c, p->b, n, width), q_text = image_alone ? TENSOR_NONE : tensor_slice(q, 1, ni, nt);
    const projection stream[STREAMS] = {
        {&w->attn, image, tensor_slice(q, 1, 0, ni), tensor_slice(k, 1, 0, ni), tensor_slice(v, 1, 0, ni)},
        {&w->attn_context, context, q_text, tensor_slice(k, 1, ni, nt), tensor_slice(v, 1, ni, nt)},
    };
    project(p, stream, STREAMS);
    mmdit_attend(p, q, k, v, out, studied, ATTN_JOINT);
    arena_release(c->scratch, mark);
    return out;
}

/* x += gate * out(attention2(normed)): image tokens among themselves. Its calls are not studied: they have other keys
 * than the joint ones. */
static void add_second_attention(const pass *p, const mmdit_block *w, tensor x, tensor normed, tensor gate, int block) {
    compute *c = p->c;
    arena_mark mark = arena_get_mark(c->scratch);
    tensor out = nn_like(c, x), q = nn_like(c, x), k = nn_like(c, x), v = nn_like(c, x);
    project(p, &(projection){&w->attn2, normed, q, k, v}, 1);
    mmdit_attend(p, q, k, v, out, NULL, ATTN_SELF);
    linear_call back = gated(nn_linear_call(q, out, &w->attn2.out, ACT_NONE), x, gate);
    op_linears(c, &back, 1);
    compute_tap(c, q, "transformer_blocks.%d.attn2", block);
    arena_release(c->scratch, mark);
}

/* A stream in a block: its tokens [B, n, D] and their modulation; `name` ends the taps of its parts. */
typedef struct stream {
    tensor x, modulation;
    const nn_linear *out, *up, *down;
    const char *attention, *feed_forward;
} stream;

/* x += gate * out(attended) of each stream, `attended` [B, N, D] of all. */
static void mmdit_add_attention(const pass *p, const stream *s, int n, tensor attended, int block) {
    linear_call call[STREAMS];
    int64_t first = 0;
    arena_mark mark = arena_get_mark(p->c->scratch);
    for (int i = 0; i < n; first += s[i++].x.dim[1])
        call[i] = gated(
            nn_linear_call(nn_like(p->c, s[i].x), tensor_slice(attended, 1, first, s[i].x.dim[1]), s[i].out, ACT_NONE),
            s[i].x, part(p, s[i].modulation, 2));
    op_linears(p->c, call, n);
    for (int i = 0; i < n; i++) compute_tap(p->c, call[i].out, "transformer_blocks.%d.%s", block, s[i].attention);
    arena_release(p->c->scratch, mark);
}

/* x += gate * mlp(norm(x) (1 + scale) + shift) of each stream. */
static void mmdit_add_feed_forward(const pass *p, const stream *s, int n, int block) {
    linear_call up[STREAMS], down[STREAMS];
    arena_mark mark = arena_get_mark(p->c->scratch);
    for (int i = 0; i < n; i++) {
        tensor normed = modulated(p, s[i].x, part(p, s[i].modulation, 4), part(p, s[i].modulation, 3), s[i].up);
        up[i] = nn_linear_call(nn_linear_room_for(p->c, normed, s[i].up, s[i].down), normed, s[i].up, ACT_GELU_TANH);
        down[i] = gated(nn_linear_call(nn_like(p->c, s[i].x), up[i].out, s[i].down, ACT_NONE), s[i].x,
                        part(p, s[i].modulation, 5));
    }
    op_linears(p->c, up, n);
    op_linears(p->c, down, n);
    for (int i = 0; i < n; i++) compute_tap(p->c, down[i].out, "transformer_blocks.%d.%s", block, s[i].feed_forward);
    arena_release(p->c->scratch, mark);
}

/* One block, in place on image [B, n_image, D] and context (text) [B, n_text, D]; the last one leaves context as it
 * was. Parts of a modulation: shift, scale, gate of the attention, shift, scale, gate of the feed-forward, and those of
 * the second attention; in the last block's text stream, scale and shift. */
static void block_forward(const pass *p, const mmdit_block *w, int i, tensor image, tensor context) {
    compute *c = p->c;
    arena_mark mark = arena_get_mark(c->scratch);
    int last = i + 1 == p->g->layers, dual = p->g->dual[i];
    tensor m = nn_linear_room(c, p->condition, &w->norm1), mt = nn_linear_room(c, p->condition, &w->norm1_context);
    const linear_call modulate[] = {nn_linear_call(m, p->condition, &w->norm1, ACT_NONE),
                                    nn_linear_call(mt, p->condition, &w->norm1_context, ACT_NONE)};
    op_linears(c, modulate, NN_COUNT(modulate));
    tensor normed = modulated(p, image, part(p, m, 1), part(p, m, 0), &w->attn.k);
    tensor normed_context =
        modulated(p, context, part(p, mt, last ? 0 : 1), part(p, mt, last ? 1 : 0), &w->attn_context.k);
    tensor normed2 = dual ? modulated(p, image, part(p, m, 7), part(p, m, 6), &w->attn2.k) : TENSOR_NONE;
    compute_tap(c, normed, "transformer_blocks.%d.norm1", i);
    compute_tap(c, normed_context, "transformer_blocks.%d.norm1_context", i);

    const attn_call studied = {
        .block = i, .block_input = image, .block_context = context, .output_gram = w->output_gram};
    const stream streams[STREAMS] = {
        {image, m, &w->attn.out, &w->ff_up, &w->ff_down, "attn", "ff"},
        {context, mt, &w->attn_context.out, &w->ff_context_up, &w->ff_context_down, "attn.context", "ff_context"},
    };
    int n = last ? 1 : STREAMS;
    mmdit_add_attention(p, streams, n, joint_attention(p, w, normed, normed_context, &studied), i);
    if (dual) add_second_attention(p, w, image, normed2, part(p, m, 8), i);
    mmdit_add_feed_forward(p, streams, n, i);
    compute_tap(c, image, "transformer_blocks.%d", i);
    if (!last) compute_tap(c, context, "transformer_blocks.%d.context", i);
    arena_release(c->scratch, mark);
}

/* ---- the whole ---- */

tensor mmdit_forward(compute *c, const mmdit_config *g, const mmdit_weights *w, const mmdit_input *in) {
    int64_t batch = in->latents.dim[0], h = in->latents.dim[1], width = in->latents.dim[2];
    tensor out = compute_4d(c, batch, h, width, g->out_channels);
    arena_mark mark = arena_get_mark(c->scratch);
    pass p = {.c = c,
              .g = g,
              .in = in,
              .b = batch,
              .n_image = (h / g->patch_size) * (width / g->patch_size),
              .n_text = in->text.dim[1],
              .form = g->layers > 0 ? w->block[0].attn.q.w.form : FORM_STORED};
    tensor image = embed_patches(&p, w);
    p.condition = mmdit_embed_condition(&p, w);
    tensor context = nn_linear_new(c, in->text, &w->context, ACT_NONE);
    compute_tap(c, context, "context_embedder");
    for (int i = 0; i < g->layers; i++) block_forward(&p, &w->block[i], i, image, context);

    tensor m = nn_linear_new(c, p.condition, &w->norm_out, ACT_NONE); /* scale, shift */
    tensor normed = modulated(&p, image, part(&p, m, 0), part(&p, m, 1), &w->proj_out);
    compute_tap(c, normed, "norm_out");
    tensor patches = nn_linear_new(c, normed, &w->proj_out, ACT_NONE);
    compute_tap(c, patches, "proj_out");
    op_unpatchify(c, out, patches, (int)g->patch_size);
    arena_release(c->scratch, mark);
    return out;
}

ss_status mmdit_forward_named(const model *m, compute *c, const model_arrays *in, model_arrays *out, ss_error *err) {
    static const char *const names[] = {"hidden_states", "encoder_hidden_states", "pooled_projections", "timestep"};
    const mmdit_config *g = m->config;
    int64_t image[4] = {-1, g->in_channels, -1, -1}, states_dim[3], pooled[2];
    const float *latents, *states, *projections;
    float *timestep;
    SS_TRY(model_arrays_all_known(in, names, NN_COUNT(names), err));
    SS_TRY(model_input_floats(in, names[0], 4, image, &latents, err));
    states_dim[0] = pooled[0] = image[0];
    states_dim[1] = -1;
    states_dim[2] = g->joint_attention_dim;
    pooled[1] = g->pooled_projection_dim;
    SS_TRY(model_input_floats(in, names[1], 3, states_dim, &states, err));
    SS_TRY(model_input_floats(in, names[2], 2, pooled, &projections, err));
    SS_TRY(mmdit_check_size(g, image[2], image[3], err));
    SS_TRY(checks_timesteps(in, image[0], &timestep, err));
    int columns = (int)(image[3] / g->patch_size), tokens = columns * (int)(image[2] / g->patch_size);
    const attn_segment segments[] = {{SEGMENT_IMAGE, "image", 0, tokens, columns},
                                     {SEGMENT_TEXT, "text", tokens, (int)states_dim[1], 0}};
    const mmdit_input input = {.latents = model_upload_image(c, latents, image[0], image[1], image[2], image[3]),
                               .text = model_upload(c, states, 3, states_dim),
                               .pooled = model_upload(c, projections, 2, pooled),
                               .timestep = timestep,
                               .segments = segments,
                               .n_segments = 2};
    tensor sample = mmdit_forward(c, g, m->weights, &input);
    free(timestep);
    return model_arrays_add_tensor(out, "sample", c, sample, err);
}

const network network_mmdit = {.about = {"SD3Transformer2DModel", "MMDiT, the denoiser of SD3 and SD3.5", NULL},
                               .config_size = sizeof(mmdit_config),
                               .weights_size = sizeof(mmdit_weights),
                               .parse = mmdit_parse,
                               .bind = mmdit_bind,
                               .example = mmdit_example,
                               .forward = mmdit_forward_named};
