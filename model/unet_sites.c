/* The U-Net's plan, as it follows from its config: names, resolutions and widths of stages, and the attention calls by
 * number. Knows no weight and no tensor. */
#include "model/unet.h"

#include <stdio.h>

const char *unet_stage_name(const unet_config *g, int stage, char *out) {
    if (stage == g->blocks) snprintf(out, UNET_NAME_SIZE, "mid_block");
    else if (stage < g->blocks) snprintf(out, UNET_NAME_SIZE, "down_blocks.%d", stage);
    else snprintf(out, UNET_NAME_SIZE, "up_blocks.%d", stage - g->blocks - 1);
    return out;
}

int unet_stage_level(const unet_config *g, int stage) {
    if (stage < g->blocks) return stage;
    return stage == g->blocks ? g->blocks - 1 : 2 * g->blocks - stage;
}

int unet_resamples(const unet_config *g, int stage) {
    return stage < g->blocks ? stage < g->blocks - 1 : stage > g->blocks && stage < 2 * g->blocks;
}

void unet_resnet_widths(const unet_config *g, int stage, int64_t resnet, int64_t *from, int64_t *skip) {
    const unet_stage *s = &g->stage[stage];
    int level = unet_stage_level(g, stage);
    *from = resnet > 0 || stage == 0 ? s->width : g->stage[stage - 1].width;
    *skip = 0;
    if (stage <= g->blocks) return;
    *skip = resnet < s->resnets - 1 || level == 0 ? s->width : g->stage[level - 1].width;
}

/* A 3 x 3 convolution of stride 2; without padding, diffusers adds a row and a column at the far edges. */
static int64_t halved(const unet_config *g, int64_t n) {
    int64_t pad = g->downsample_padding ? 2 * g->downsample_padding : 1;
    return n + pad < 3 ? 0 : (n + pad - 3) / 2 + 1;
}

int64_t unet_level_size(const unet_config *g, int level, int64_t n) {
    for (int i = 0; i < level; i++) n = halved(g, n);
    return n;
}

ss_status unet_check_size(const unet_config *g, int64_t h, int64_t w, ss_error *err) {
    enum { MOST = 1 << 14 };
    int64_t least = 1;
    while (unet_level_size(g, g->blocks - 1, least) < 1) least++;
    if (h >= least && w >= least && h <= MOST && w <= MOST) return SS_OK;
    return error_set(err, SS_ERR_INPUT, NULL, "latents of %lld x %lld; expected height and width from %lld to %d",
                     (long long)h, (long long)w, (long long)least, MOST);
}

int unet_site_at(const unet_config *g, int block, unet_site *out) {
    if (block < 0) return 0;
    for (int stage = 0; stage < unet_stages(g); stage++) {
        const unet_stage *s = &g->stage[stage];
        for (int64_t t = 0; t < s->transformers; t++) {
            if (block < 2 * s->depth[t]) {
                *out = (unet_site){.kind = block % 2 ? ATTN_CROSS : ATTN_SELF,
                                   .level = unet_stage_level(g, stage),
                                   .heads = (int)s->heads,
                                   .head_dim = (int)s->head_dim,
                                   .stage = stage,
                                   .transformer = (int)t,
                                   .layer = block / 2};
                return 1;
            }
            block -= (int)(2 * s->depth[t]);
        }
    }
    return 0;
}

const char *unet_site_name(const unet_config *g, int block, char *out) {
    char stage[UNET_NAME_SIZE];
    unet_site site;
    if (!unet_site_at(g, block, &site)) snprintf(out, UNET_NAME_SIZE, "no such block");
    else
        snprintf(out, UNET_NAME_SIZE, "%.20s.attentions.%d.transformer_blocks.%d.%s",
                 unet_stage_name(g, site.stage, stage), site.transformer, site.layer,
                 site.kind == ATTN_CROSS ? "attn2" : "attn1");
    return out;
}
