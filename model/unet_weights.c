/* The U-Net's weight tables and their walk. Symbols: I, O channels into and out of a resnet, D of a transformer's
 * tokens, T of the time embedding, X of the text. */
#include "model/unet.h"

#include "model/attend.h"

static const weight_row ROWS[] = {
    {offsetof(unet_weights, conv_in.w), WEIGHT_CONV, "conv_in.weight", "A C i i"},
    {offsetof(unet_weights, conv_in.b), WEIGHT_VECTOR, "conv_in.bias", "A"},
    NN_LINEAR_ROWS(unet_weights, time_up, "time_embedding.linear_1", "T", "A"),
    NN_LINEAR_ROWS(unet_weights, time_down, "time_embedding.linear_2", "T", "T"),
};

static const weight_row ADDITION_ROWS[] = {
    NN_LINEAR_ROWS(unet_weights, add_up, "add_embedding.linear_1", "T", "P"),
    NN_LINEAR_ROWS(unet_weights, add_down, "add_embedding.linear_2", "T", "T"),
};

static const weight_row OUTPUT_ROWS[] = {
    NN_AFFINE_ROWS(unet_weights, norm_out, "conv_norm_out", "A"),
    {offsetof(unet_weights, conv_out.w), WEIGHT_CONV, "conv_out.weight", "E A o o"},
    {offsetof(unet_weights, conv_out.b), WEIGHT_VECTOR, "conv_out.bias", "E"},
};

static const weight_row RESNET_ROWS[] = {
    NN_AFFINE_ROWS(unet_resnet, norm1, "norm1", "I"),
    NN_CONV_ROWS(unet_resnet, conv1, "conv1", "O", "I", "3"),
    NN_LINEAR_ROWS(unet_resnet, time, "time_emb_proj", "O", "T"),
    NN_AFFINE_ROWS(unet_resnet, norm2, "norm2", "O"),
    NN_CONV_ROWS(unet_resnet, conv2, "conv2", "O", "O", "3"),
};

/* A 1 x 1 convolution is a linear layer over pixels. */
#define POINTWISE_ROWS(type, member, name, o, i)                                                                       \
    {offsetof(type, member.w), WEIGHT_LINEAR, name ".weight", o " " i " 1 1"}, {                                       \
        offsetof(type, member.b), WEIGHT_VECTOR, name ".bias", o                                                       \
    }

static const weight_row SHORTCUT_ROWS[] = {POINTWISE_ROWS(unet_resnet, shortcut, "conv_shortcut", "O", "I")};
static const weight_row DOWN_ROWS[] = {NN_CONV_ROWS(unet_block, resample, "downsamplers.0.conv", "O", "O", "3")};
static const weight_row UP_ROWS[] = {NN_CONV_ROWS(unet_block, resample, "upsamplers.0.conv", "O", "O", "3")};

static const weight_row TRANSFORMER_ROWS[] = {NN_AFFINE_ROWS(unet_transformer, norm, "norm", "O")};
static const weight_row LINEAR_ROWS[] = {
    NN_LINEAR_ROWS(unet_transformer, proj_in, "proj_in", "D", "O"),
    NN_LINEAR_ROWS(unet_transformer, proj_out, "proj_out", "O", "D"),
};
static const weight_row CONV_ROWS[] = {
    POINTWISE_ROWS(unet_transformer, proj_in, "proj_in", "D", "O"),
    POINTWISE_ROWS(unet_transformer, proj_out, "proj_out", "O", "D"),
};

#define ATTENTION_ROWS(member, name, keys)                                                                             \
    NN_LINEAR_NO_BIAS_ROW(unet_layer, member.q, name ".to_q", "D", "D"),                                               \
        NN_LINEAR_NO_BIAS_ROW(unet_layer, member.k, name ".to_k", "D", keys),                                          \
        NN_LINEAR_NO_BIAS_ROW(unet_layer, member.v, name ".to_v", "D", keys),                                          \
        NN_LINEAR_ROWS(unet_layer, member.out, name ".to_out.0", "D", "D")

static const weight_row LAYER_ROWS[] = {
    NN_AFFINE_ROWS(unet_layer, norm1, "norm1", "D"),
    ATTENTION_ROWS(attn1, "attn1", "D"),
    NN_AFFINE_ROWS(unet_layer, norm2, "norm2", "D"),
    ATTENTION_ROWS(attn2, "attn2", "X"),
    NN_AFFINE_ROWS(unet_layer, norm3, "norm3", "D"),
    NN_LINEAR_ROWS(unet_layer, ff_up, "ff.net.0.proj", "8D", "D"),
    NN_LINEAR_ROWS(unet_layer, ff_down, "ff.net.2", "D", "4D"),
};

static void unet_weights_bind_resnet(binder *b, const unet_config *g, int stage, int64_t number, unet_resnet *r,
                                     const char *name) {
    int64_t from, skip, width = g->stage[stage].width;
    unet_resnet_widths(g, stage, number, &from, &skip);
    if (skip)
        binder_symbol(b, "I", from + skip, "block_out_channels %lld, and %lld of the way down", (long long)from,
                      (long long)skip);
    else binder_symbol(b, "I", from, "block_out_channels %lld", (long long)from);
    binder_rows(b, r, RESNET_ROWS, NN_COUNT(RESNET_ROWS), "%s.resnets.%lld.", name, (long long)number);
    if (from + skip != width)
        binder_rows(b, r, SHORTCUT_ROWS, NN_COUNT(SHORTCUT_ROWS), "%s.resnets.%lld.", name, (long long)number);
}

static void bind_transformer(binder *b, const unet_config *g, const unet_stage *s, int64_t number, unet_transformer *t,
                             const char *name) {
    const weight_row *projections = g->linear_projection ? LINEAR_ROWS : CONV_ROWS;
    int64_t width = s->heads * s->head_dim;
    binder_symbol(b, "D", width, "attention_head_dim %lld (heads) x %lld channels", (long long)s->heads,
                  (long long)s->head_dim);
    binder_rows(b, t, TRANSFORMER_ROWS, NN_COUNT(TRANSFORMER_ROWS), "%s.attentions.%lld.", name, (long long)number);
    binder_rows(b, t, projections, NN_COUNT(LINEAR_ROWS), "%s.attentions.%lld.", name, (long long)number);
    t->layers = binder_array(b, s->depth[number], sizeof *t->layers);
    for (int i = 0; t->layers && i < s->depth[number]; i++) {
        unet_layer *l = &t->layers[i];
        binder_rows(b, l, LAYER_ROWS, NN_COUNT(LAYER_ROWS), "%s.attentions.%lld.transformer_blocks.%d.", name,
                    (long long)number, i);
        l->attn1.output_gram = attend_gram(b, &l->attn1.out.w, width, s->head_dim);
        l->attn2.output_gram = attend_gram(b, &l->attn2.out.w, width, s->head_dim);
    }
}

static void unet_weights_bind_block(binder *b, const unet_config *g, int stage, unet_block *block) {
    const unet_stage *s = &g->stage[stage];
    char name[UNET_NAME_SIZE];
    unet_stage_name(g, stage, name);
    binder_symbol(b, "O", s->width, "block_out_channels[%d] %lld", unet_stage_level(g, stage), (long long)s->width);
    block->resnets = binder_array(b, s->resnets, sizeof *block->resnets);
    for (int64_t i = 0; block->resnets && i < s->resnets; i++)
        unet_weights_bind_resnet(b, g, stage, i, &block->resnets[i], name);
    block->transformers = binder_array(b, s->transformers, sizeof *block->transformers);
    for (int64_t i = 0; block->transformers && i < s->transformers; i++)
        bind_transformer(b, g, s, i, &block->transformers[i], name);
    if (unet_resamples(g, stage))
        binder_rows(b, block, stage < g->blocks ? DOWN_ROWS : UP_ROWS, NN_COUNT(DOWN_ROWS), "%s.", name);
}

void unet_bind(binder *b, const void *config, void *weights) {
    const unet_config *g = config;
    unet_weights *w = weights;
    binder_symbol(b, "A", g->stage[0].width, "block_out_channels[0] %lld", (long long)g->stage[0].width);
    binder_symbol(b, "C", g->in_channels, "in_channels %lld", (long long)g->in_channels);
    binder_symbol(b, "E", g->out_channels, "out_channels %lld", (long long)g->out_channels);
    binder_symbol(b, "T", g->time_dim, "the time embedding, %lld", (long long)g->time_dim);
    binder_symbol(b, "X", g->cross_attention_dim, "cross_attention_dim %lld", (long long)g->cross_attention_dim);
    binder_symbol(b, "P", g->addition_dim, "projection_class_embeddings_input_dim %lld", (long long)g->addition_dim);
    binder_symbol(b, "i", g->conv_in_kernel, "conv_in_kernel %lld", (long long)g->conv_in_kernel);
    binder_symbol(b, "o", g->conv_out_kernel, "conv_out_kernel %lld", (long long)g->conv_out_kernel);
    binder_rows(b, w, ROWS, NN_COUNT(ROWS), "%s", "");
    if (g->text_time) binder_rows(b, w, ADDITION_ROWS, NN_COUNT(ADDITION_ROWS), "%s", "");
    w->blocks = binder_array(b, unet_stages(g), sizeof *w->blocks);
    for (int i = 0; w->blocks && i < unet_stages(g); i++) unet_weights_bind_block(b, g, i, &w->blocks[i]);
    binder_rows(b, w, OUTPUT_ROWS, NN_COUNT(OUTPUT_ROWS), "%s", "");
}
