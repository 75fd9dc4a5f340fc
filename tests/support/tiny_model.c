/* Making the tiny models of the tests; see tiny_model.h. Weights are the random ones of nn/weights.c with seed 1, so
 * that tests/generators/sampler_pipeline*.py can give diffusers the same. */
#include "support/tiny_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/file.h"
#include "base/text.h"
#include "model/network.h"

enum { SEED = 1, COPY_LIMIT = 1 << 22, PATH_SIZE = 512, NAME_SIZE = 96 };

enum {
    IN_SD3 = 1,
    IN_SDXL = 2,
    IN_SD15 = 4,
    IN_SD21 = 8,
    IN_PAIRS = IN_SD3 | IN_SDXL, /* two CLIP encoders */
    IN_UNETS = IN_SDXL | IN_SD15 | IN_SD21,
    IN_ALL = IN_SD3 | IN_UNETS
};

static const char *const KINDS[] = {"tiny-sd3", "tiny-sdxl", "tiny-sd15", "tiny-sd21"}; /* bit i: of the enum */

/* Files of the target and where they come from, below tests/data; NULL = the same name below the kind's folder. */
static const struct {
    int kinds;
    const char *to, *from;
} COPIES[] = {
    {IN_ALL, "model_index.json", NULL},
    {IN_ALL, "sinkscope.json", NULL},
    {IN_ALL, "scheduler/scheduler_config.json", NULL},
    {IN_ALL, "text_encoder/config.json", NULL},
    {IN_PAIRS, "text_encoder_2/config.json", NULL},
    {IN_SD3, "text_encoder_3/config.json", NULL},
    {IN_SD3, "transformer/config.json", NULL},
    {IN_UNETS, "unet/config.json", NULL},
    {IN_ALL, "vae/config.json", NULL},
    {IN_ALL & ~IN_SD21, "tokenizer/vocab.json", "text/clip/vocab.json"},
    {IN_SD21, "tokenizer/vocab.json", "text/clip-bang/vocab.json"},
    {IN_ALL & ~IN_SD21, "tokenizer/merges.txt", "text/clip/merges.txt"},
    {IN_SD21, "tokenizer/merges.txt", "text/clip-bang/merges.txt"},
    {IN_ALL & ~IN_SD21, "tokenizer/tokenizer_config.json", "text/clip/tokenizer_config.json"},
    {IN_SD21, "tokenizer/tokenizer_config.json", "text/clip-bang/tokenizer_config.json"},
    {IN_ALL & ~IN_SD21, "tokenizer/special_tokens_map.json", "text/clip/special_tokens_map.json"},
    {IN_SD21, "tokenizer/special_tokens_map.json", "text/clip-bang/special_tokens_map.json"},
    {IN_PAIRS, "tokenizer_2/vocab.json", "text/clip-bang/vocab.json"},
    {IN_PAIRS, "tokenizer_2/merges.txt", "text/clip-bang/merges.txt"},
    {IN_PAIRS, "tokenizer_2/tokenizer_config.json", "text/clip-bang/tokenizer_config.json"},
    {IN_PAIRS, "tokenizer_2/special_tokens_map.json", "text/clip-bang/special_tokens_map.json"},
    {IN_SD3, "tokenizer_3/spiece.model", "text/t5-plain/spiece.model"},
    {IN_SD3, "tokenizer_3/tokenizer_config.json", "text/t5-plain/tokenizer_config.json"},
    {IN_SD3, "tokenizer_3/special_tokens_map.json", "text/t5-plain/special_tokens_map.json"},
};

static const struct {
    int kinds;
    const char *folder, *file;
} WEIGHTS[] = {
    {IN_ALL, "text_encoder", "text_encoder/model.safetensors"},
    {IN_PAIRS, "text_encoder_2", "text_encoder_2/model.safetensors"},
    {IN_SD3, "text_encoder_3", "text_encoder_3/model.safetensors"},
    {IN_SD3, "transformer", "transformer/diffusion_pytorch_model.safetensors"},
    {IN_UNETS, "unet", "unet/diffusion_pytorch_model.safetensors"},
    {IN_ALL, "vae", "vae/diffusion_pytorch_model.safetensors"},
};

static const struct {
    int kinds;
    const char *name;
} FOLDERS[] = {{IN_ALL, "scheduler"},
               {IN_ALL, "text_encoder"},
               {IN_PAIRS, "text_encoder_2"},
               {IN_SD3, "text_encoder_3"},
               {IN_SD3, "transformer"},
               {IN_UNETS, "unet"},
               {IN_ALL, "vae"},
               {IN_ALL, "tokenizer"},
               {IN_PAIRS, "tokenizer_2"},
               {IN_SD3, "tokenizer_3"}};

enum {
    KIND_COUNT = sizeof KINDS / sizeof KINDS[0],
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
    SS_TRY(model_open_config(&m, NULL, path, WEIGHTS_LIST, 0, err));
    snprintf(path, sizeof path, "%s/%s", target, file);
    ss_status status = weights_write_random(&m->set, SEED, TENSOR_F32, 1, path, err);
    model_close(m);
    return status;
}

ss_status tiny_model_make(const char *data, const char *kind, const char *target, ss_error *err) {
    char path[PATH_SIZE], name[NAME_SIZE];
    int bit = 0;
    while (bit < KIND_COUNT && strcmp(kind, KINDS[bit]) != 0) bit++;
    if (bit == KIND_COUNT)
        return error_set(err, SS_ERR_USAGE, kind, "expected tiny-sd3, tiny-sdxl, tiny-sd15 or tiny-sd21");
    for (int i = 0; i < FOLDER_COUNT; i++) {
        if (!(FOLDERS[i].kinds >> bit & 1)) continue;
        snprintf(path, sizeof path, "%s/%s", target, FOLDERS[i].name);
        SS_TRY(file_make_folder(path, err));
    }
    for (int i = 0; i < COPY_COUNT; i++) {
        if (!(COPIES[i].kinds >> bit & 1)) continue;
        snprintf(name, sizeof name, "%s/%s", KINDS[bit], COPIES[i].to);
        SS_TRY(copy_file(data, COPIES[i].from ? COPIES[i].from : name, target, COPIES[i].to, err));
    }
    for (int i = 0; i < WEIGHT_COUNT; i++)
        if (WEIGHTS[i].kinds >> bit & 1) SS_TRY(write_weights(target, WEIGHTS[i].folder, WEIGHTS[i].file, err));
    return SS_OK;
}

ss_status tiny_model_edit(const char *data, const char *kind, const char *target, const char *name, const char *from,
                          const char *to, ss_error *err) {
    char path[PATH_SIZE], original[NAME_SIZE], *content;
    size_t size;
    if (!from) {
        snprintf(original, sizeof original, "%s/%s", kind, name);
        return copy_file(data, original, target, name, err);
    }
    snprintf(path, sizeof path, "%s/%s", target, name);
    SS_TRY(file_read(path, COPY_LIMIT, &content, &size, err));
    const char *at = strstr(content, from);
    text out = {0};
    if (at) {
        text_add_n(&out, content, (size_t)(at - content));
        text_add(&out, to);
        text_add(&out, at + strlen(from));
    }
    ss_status status =
        at ? file_write(path, out.s, out.len, err) : error_set(err, SS_ERR_INPUT, path, "expected to find '%s'", from);
    text_free(&out);
    free(content);
    return status;
}

static void remove_below(const char *target, const char *name) {
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "%s/%s", target, name);
    remove(path);
}

void tiny_model_remove(const char *target) {
    for (int i = 0; i < COPY_COUNT; i++) remove_below(target, COPIES[i].to);
    for (int i = 0; i < WEIGHT_COUNT; i++) remove_below(target, WEIGHTS[i].file);
    for (int i = 0; i < FOLDER_COUNT; i++) remove_below(target, FOLDERS[i].name);
    rmdir(target);
}
