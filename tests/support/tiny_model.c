/* Making the tiny model of the tests; see tiny_model.h. Weights are the random ones of nn/weights.c with seed 1, so
 * that tests/generators/sampler_pipeline.py can give diffusers the same. */
#include "support/tiny_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/file.h"
#include "model/network.h"

enum { SEED = 1, COPY_LIMIT = 1 << 22, PATH_SIZE = 512 };

/* Files of the target and where they come from, below tests/data. */
static const struct {
    const char *to, *from;
} COPIES[] = {
    {"model_index.json", "tiny-sd3/model_index.json"},
    {"sinkscope.json", "tiny-sd3/sinkscope.json"},
    {"scheduler/scheduler_config.json", "tiny-sd3/scheduler/scheduler_config.json"},
    {"text_encoder/config.json", "tiny-sd3/text_encoder/config.json"},
    {"text_encoder_2/config.json", "tiny-sd3/text_encoder_2/config.json"},
    {"text_encoder_3/config.json", "tiny-sd3/text_encoder_3/config.json"},
    {"transformer/config.json", "tiny-sd3/transformer/config.json"},
    {"vae/config.json", "tiny-sd3/vae/config.json"},
    {"tokenizer/vocab.json", "text/clip/vocab.json"},
    {"tokenizer/merges.txt", "text/clip/merges.txt"},
    {"tokenizer/tokenizer_config.json", "text/clip/tokenizer_config.json"},
    {"tokenizer/special_tokens_map.json", "text/clip/special_tokens_map.json"},
    {"tokenizer_2/vocab.json", "text/clip-bang/vocab.json"},
    {"tokenizer_2/merges.txt", "text/clip-bang/merges.txt"},
    {"tokenizer_2/tokenizer_config.json", "text/clip-bang/tokenizer_config.json"},
    {"tokenizer_2/special_tokens_map.json", "text/clip-bang/special_tokens_map.json"},
    {"tokenizer_3/spiece.model", "text/t5-plain/spiece.model"},
    {"tokenizer_3/tokenizer_config.json", "text/t5-plain/tokenizer_config.json"},
    {"tokenizer_3/special_tokens_map.json", "text/t5-plain/special_tokens_map.json"},
};

static const struct {
    const char *folder, *file;
} WEIGHTS[] = {
    {"text_encoder", "text_encoder/model.safetensors"},
    {"text_encoder_2", "text_encoder_2/model.safetensors"},
    {"text_encoder_3", "text_encoder_3/model.safetensors"},
    {"transformer", "transformer/diffusion_pytorch_model.safetensors"},
    {"vae", "vae/diffusion_pytorch_model.safetensors"},
};

static const char *const FOLDERS[] = {"scheduler", "text_encoder", "text_encoder_2", "text_encoder_3", "transformer",
                                      "vae",       "tokenizer",    "tokenizer_2",    "tokenizer_3"};

enum {
    COPY_COUNT = sizeof COPIES / sizeof COPIES[0],
    WEIGHT_COUNT = sizeof WEIGHTS / sizeof WEIGHTS[0],
    FOLDER_COUNT = sizeof FOLDERS / sizeof FOLDERS[0]
};

static ss_status copy_file(const char *data, const char *from, const char *target, const char *to, ss_error *err) {
    char path[PATH_SIZE], *content;
    size_t size;
    snprintf(path, sizeof path, "%s/%s", data, from);
    SS_TRY(file_read(path, COPY_LIMIT, &content, &size, err));
    snprintf(path, sizeof path, "%s/%s", target, to);
    ss_status status = file_write(path, content, size, err);
    free(content);
    return status;
}

static ss_status write_weights(const char *target, const char *folder, const char *file, ss_error *err) {
    char path[PATH_SIZE];
    model *m;
    snprintf(path, sizeof path, "%s/%s/config.json", target, folder);
    SS_TRY(model_open_config(&m, NULL, path, WEIGHTS_RANDOM, SEED, err));
    snprintf(path, sizeof path, "%s/%s", target, file);
    ss_status status = weights_write(&m->set, path, err);
    model_close(m);
    return status;
}

ss_status tiny_model_make(const char *data, const char *target, ss_error *err) {
    char path[PATH_SIZE];
    for (int i = 0; i < FOLDER_COUNT; i++) {
        snprintf(path, sizeof path, "%s/%s", target, FOLDERS[i]);
        SS_TRY(file_make_folder(path, err));
    }
    for (int i = 0; i < COPY_COUNT; i++) SS_TRY(copy_file(data, COPIES[i].from, target, COPIES[i].to, err));
    for (int i = 0; i < WEIGHT_COUNT; i++) SS_TRY(write_weights(target, WEIGHTS[i].folder, WEIGHTS[i].file, err));
    return SS_OK;
}

static void remove_below(const char *target, const char *name) {
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "%s/%s", target, name);
    remove(path);
}

void tiny_model_remove(const char *target) {
    for (int i = 0; i < COPY_COUNT; i++) remove_below(target, COPIES[i].to);
    for (int i = 0; i < WEIGHT_COUNT; i++) remove_below(target, WEIGHTS[i].file);
    for (int i = 0; i < FOLDER_COUNT; i++) remove_below(target, FOLDERS[i]);
    rmdir(target);
}
