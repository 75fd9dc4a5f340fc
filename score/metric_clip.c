/* Metrics on a CLIP model's cosine of image and prompt:
 *   clip-t      the cosine itself (Radford et al. 2021; CLIPScore without its factor)
 *   hps-v2(.1)  the cosine of a ViT-H-14 trained on preferences (Wu et al. 2023); hpsv2's score(), raw
 *   pickscore   the cosine times exp(logit_scale) (Kirstain et al. 2023) */
#include "score/metrics.h"

#include <stdlib.h>
#include "score/clip_scorer.h"

#define MERGES                                                                                                         \
    { "merges", OPTION_PATH, NULL, 0, 0, "models/clip-bpe/merges.txt", "CLIP's byte pair merges" }

static const option METRIC_CLIP_T_OPTIONS[] = {
    {"model", OPTION_PATH, NULL, 0, 0, "models/shapes-clip", "folder of a CLIPModel, transformers' or open_clip's"},
    MERGES,
    {0},
};

#define HPS_OPTIONS(file)                                                                                              \
    {                                                                                                                  \
        {"weights", OPTION_PATH, NULL, 0, 0, "hf:xswu/HPSv2/" file, "checkpoint, .pt or .safetensors"},                \
            {"config", OPTION_PATH, NULL, 0, 0, "", "open_clip_config.json of another size than ViT-H-14"},            \
            {"antialias", OPTION_FLAG, NULL, 0, 0, "true", "of the resize: torchvision's default since 0.17"}, MERGES, \
            {0},                                                                                                       \
    }
static const option METRIC_HPS_V2_OPTIONS[] = HPS_OPTIONS("HPS_v2_compressed.pt");
static const option METRIC_HPS_V21_OPTIONS[] = HPS_OPTIONS("HPS_v2.1_compressed.pt");

static const option METRIC_PICKSCORE_OPTIONS[] = {
    {"model", OPTION_PATH, NULL, 0, 0, "hf:yuvalkirstain/PickScore_v1", "folder of the CLIPModel"},
    {"tokenizer", OPTION_PATH, NULL, 0, 0, "hf:laion/CLIP-ViT-H-14-laion2B-s32B-b79K",
     "folder of its tokenizer and processor_config.json or preprocessor_config.json"},
    {0},
};

/* open_clip's ViT-H-14.json. */
static const char VIT_H_14[] =
    "{\"embed_dim\": 1024,"
    " \"vision_cfg\": {\"image_size\": 224, \"layers\": 32, \"width\": 1280, \"head_width\": 80, \"patch_size\": 14},"
    " \"text_cfg\": {\"context_length\": 77, \"vocab_size\": 49408, \"width\": 1024, \"heads\": 16, \"layers\": 24}}";

typedef struct clip_metric {
    clip_scorer *clip;
    double factor;
} clip_metric;

static void metric_clip_close(compute *c, void *state) {
    (void)c;
    clip_metric *t = state;
    if (!t) return;
    clip_scorer_close(t->clip);
    free(t);
}

static ss_status opened(compute *c, clip_metric *t, ss_status status, void **state) {
    if (status == SS_OK) *state = t;
    else metric_clip_close(c, t);
    return status;
}

static ss_status new_metric(clip_metric **out, ss_error *err) {
    *out = calloc(1, sizeof **out);
    if (!*out) return error_no_memory(err, "CLIP", sizeof **out);
    (*out)->factor = 1;
    return SS_OK;
}

static ss_status metric_clip_t_open(compute *c, tokenizer_rules rules, const option_value *options, void **state,
                                    ss_error *err) {
    clip_metric *t;
    SS_TRY(new_metric(&t, err));
    return opened(c, t, clip_scorer_open_folder(&t->clip, c, options[0].text, NULL, options[1].text, rules, err),
                  state);
}

static ss_status metric_pickscore_open(compute *c, tokenizer_rules rules, const option_value *options, void **state,
                                       ss_error *err) {
    clip_metric *t;
    SS_TRY(new_metric(&t, err));
    ss_status status = clip_scorer_open_folder(&t->clip, c, options[0].text, options[1].text, "", rules, err);
    if (status == SS_OK) status = clip_scorer_scale(t->clip, &t->factor, err);
    return opened(c, t, status, state);
}

static ss_status metric_hps_open(compute *c, tokenizer_rules rules, const option_value *options, void **state,
                                 ss_error *err) {
    preprocess pixels = {.rule = PREPROCESS_HPS,
                         .mean = {0.48145466, 0.4578275, 0.40821073},
                         .sd = {0.26862954, 0.26130258, 0.27577711},
                         .antialias = (int)options[2].integer};
    clip_metric *t;
    json_t *config;
    (void)rules; /* hpsv2 has a tokenizer of its own */
    const char *name = *options[1].text ? options[1].text : "ViT-H-14 of open_clip";
    SS_TRY(*options[1].text ? json_read_file(name, JSON_CONFIG_LIMIT, &config, err)
                            : json_read_bytes(VIT_H_14, sizeof VIT_H_14 - 1, name, &config, err));
    ss_status status = new_metric(&t, err);
    if (status == SS_OK)
        status = opened(c, t,
                        clip_scorer_open_weights(&t->clip, c, options[0].text, "state_dict.", config, name,
                                                 options[3].text, &pixels, err),
                        state);
    json_decref(config);
    return status;
}

static ss_status metric_clip_score(compute *c, void *state, const metric_input *in, metric_value *out, ss_error *err) {
    const clip_metric *t = state;
    SS_TRY(clip_scorer_cosine(t->clip, c, in->image, in->prompt, &out->value, err));
    out->value *= t->factor;
    return SS_OK;
}

const metric metric_row_clip_t = {
    .about = {"clip-t", "cosine of CLIP's embeddings of image and prompt", METRIC_CLIP_T_OPTIONS},
    .kind = METRIC_ALIGNMENT,
    .needs = METRIC_NEEDS_PROMPT,
    .open = metric_clip_t_open,
    .score = metric_clip_score,
    .close = metric_clip_close};

const metric metric_row_hps_v2 = {.about = {"hps-v2",
                                            "Human Preference Score v2.0: cosine of a ViT-H-14 trained on preferences",
                                            METRIC_HPS_V2_OPTIONS},
                                  .kind = METRIC_PREFERENCE,
                                  .needs = METRIC_NEEDS_PROMPT,
                                  .open = metric_hps_open,
                                  .score = metric_clip_score,
                                  .close = metric_clip_close};

const metric metric_row_hps_v2_1 = {
    .about = {"hps-v2.1", "Human Preference Score v2.1, the same network trained on more", METRIC_HPS_V21_OPTIONS},
    .kind = METRIC_PREFERENCE,
    .needs = METRIC_NEEDS_PROMPT,
    .open = metric_hps_open,
    .score = metric_clip_score,
    .close = metric_clip_close};

const metric metric_row_pickscore = {.about = {"pickscore",
                                               "PickScore v1: exp(logit_scale) x cosine of a ViT-H-14 trained on picks",
                                               METRIC_PICKSCORE_OPTIONS},
                                     .kind = METRIC_PREFERENCE,
                                     .needs = METRIC_NEEDS_PROMPT,
                                     .open = metric_pickscore_open,
                                     .score = metric_clip_score,
                                     .close = metric_clip_close};
