/* Metric `image-reward`: what people prefer, learnt from rankings (Xu et al. 2023). Source: THUDM/ImageReward,
 * ImageReward.py: pixels as openai/CLIP, 35 WordPiece tokens, the reward less its mean over its standard deviation. */
#include "score/metrics.h"

#include <stdlib.h>
#include "model/image_reward.h"
#include "score/preprocess.h"
#include "score/prompt_ids.h"

enum { TOKENS = 35 };
static const double MEAN = 0.16717362830052426, SD = 1.0333394966054072;

static const option METRIC_IMAGE_REWARD_OPTIONS[] = {
    {"weights", OPTION_PATH, NULL, 0, 0, "hf:THUDM/ImageReward/ImageReward.pt", "checkpoint, .pt or .safetensors"},
    {"vocabulary", OPTION_PATH, NULL, 0, 0, "hf:google-bert/bert-base-uncased/vocab.txt", "BERT's words"},
    {"config", OPTION_PATH, NULL, 0, 0, "", "sizes, where they are not those of ImageReward v1.0"},
    {0},
};

typedef struct reward_metric {
    model *m;
    tokenizer *words;
    preprocess pixels;
} reward_metric;

static void metric_image_reward_close(compute *c, void *state) {
    (void)c;
    reward_metric *t = state;
    if (!t) return;
    tokenizer_close(t->words);
    model_close(t->m);
    free(t);
}

static ss_status metric_image_reward_open_model(reward_metric *t, compute *c, const char *weights,
                                                const char *config_path, ss_error *err) {
    json_t *config;
    const char *name = *config_path ? config_path : "ImageReward v1.0";
    SS_TRY(*config_path ? json_read_file(name, JSON_CONFIG_LIMIT, &config, err)
                        : json_read_bytes("{}", 2, name, &config, err));
    ss_status status = model_open_files(&t->m, c, "ImageReward", config, name, &weights, 1, NULL, err);
    json_decref(config);
    return status;
}

static ss_status open_words(reward_metric *t, const char *vocabulary, tokenizer_rules rules, ss_error *err) {
    static const char *const added[] = {"[DEC]", "[ENC]"}; /* blip.py, init_tokenizer */
    const reward_config *g = t->m->config;
    SS_TRY(tokenizer_open_wordpiece(&t->words, vocabulary, added, 2, rules, err));
    if (tokenizer_vocabulary_size(t->words) > g->vocabulary)
        return error_set(err, SS_ERR_INPUT, vocabulary, "has %d words with [DEC] and [ENC]; the model knows %lld",
                         tokenizer_vocabulary_size(t->words), (long long)g->vocabulary);
    return SS_OK;
}

static ss_status metric_image_reward_open(compute *c, tokenizer_rules rules, const option_value *options, void **state,
                                          ss_error *err) {
    reward_metric *t = calloc(1, sizeof *t);
    if (!t) return error_no_memory(err, "image-reward", sizeof *t);
    ss_status status = metric_image_reward_open_model(t, c, options[0].text, options[2].text, err);
    if (status == SS_OK) status = open_words(t, options[1].text, rules, err);
    if (status == SS_OK) {
        t->pixels = (preprocess){.rule = PREPROCESS_OPENAI,
                                 .side = (int)((const reward_config *)t->m->config)->size,
                                 .mean = {0.48145466, 0.4578275, 0.40821073},
                                 .sd = {0.26862954, 0.26130258, 0.27577711}};
        *state = t;
    } else metric_image_reward_close(c, t);
    return status;
}

static ss_status metric_image_reward_score(compute *c, void *state, const metric_input *in, metric_value *out,
                                           ss_error *err) {
    const reward_metric *t = state;
    const reward_config *g = t->m->config;
    int n = g->positions < TOKENS ? (int)g->positions : TOKENS;
    int32_t ids[TOKENS], used;
    float *pixels, reward = 0;
    SS_TRY(prompt_ids(c, t->m, t->words, in->prompt, n, ids, &used, err));
    SS_TRY(preprocess_image(&t->pixels, in->image, &pixels, err));
    arena_mark mark = arena_get_mark(c->scratch);
    tensor x = compute_4d(c, 1, g->size, g->size, 3);
    op_upload(c, x, pixels);
    c->tap_of = t->m;
    op_download(c, &reward, image_reward_forward(c, g, t->m->weights, x, ids, &used, n));
    c->tap_of = NULL;
    arena_release(c->scratch, mark);
    free(pixels);
    out->value = ((double)reward - MEAN) / SD;
    return compute_status(c, err);
}

const metric metric_row_image_reward = {
    .about = {"image-reward", "ImageReward v1.0: BLIP trained on rankings; about -2 to 2", METRIC_IMAGE_REWARD_OPTIONS},
    .kind = METRIC_PREFERENCE,
    .needs = METRIC_NEEDS_PROMPT,
    .open = metric_image_reward_open,
    .score = metric_image_reward_score,
    .close = metric_image_reward_close};
