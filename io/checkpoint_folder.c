/* Which file of a component folder counts. Reference: diffusers models/modeling_utils.py (from_pretrained, with
 * model_loading_utils._fetch_index_file and _fetch_index_file_legacy), transformers modeling_utils.py
 * (_get_resolved_checkpoint_files), diffusers pipelines/pipeline_loading_utils.py (_identify_model_variants). What they
 * take of every combination of files is in tests/data/io/which-file.txt. */
#define _XOPEN_SOURCE 700 /* lstat */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/folder.h"
#include "base/text.h"
#include "io/checkpoint.h"
#include "io/content.h"

/* In the order in which they are looked for. '@' stands for the variant, with a dot before it, or for nothing.
 * diffusers itself reads the index of .bin files with use_safetensors=False alone; here it is tried last. */
static const struct {
    checkpoint_naming naming;
    const char *name;
    int is_old; /* a retired name: not listed among those that were looked for */
} CANDIDATES[] = {
    {CHECKPOINT_DIFFUSERS, "diffusion_pytorch_model.safetensors.index@.json", 0},
    {CHECKPOINT_DIFFUSERS, "diffusion_pytorch_model.safetensors@.index.json", 1},
    {CHECKPOINT_DIFFUSERS, "diffusion_pytorch_model@.safetensors", 0},
    {CHECKPOINT_DIFFUSERS, "diffusion_pytorch_model@.bin", 0},
    {CHECKPOINT_DIFFUSERS, "diffusion_pytorch_model.bin.index@.json", 0},
    {CHECKPOINT_TRANSFORMERS, "model@.safetensors", 0},
    {CHECKPOINT_TRANSFORMERS, "model.safetensors.index@.json", 0},
    {CHECKPOINT_TRANSFORMERS, "pytorch_model@.bin", 0},
    {CHECKPOINT_TRANSFORMERS, "pytorch_model.bin.index@.json", 0},
};
enum { CANDIDATE_COUNT = sizeof CANDIDATES / sizeof CANDIDATES[0] };

int checkpoint_file_name(int i, const char *variant, text *out) {
    if (i >= CANDIDATE_COUNT) return 0;
    const char *name = CANDIDATES[i].name, *at = strchr(name, '@');
    text_free(out);
    text_add_n(out, name, (size_t)(at - name));
    if (variant) text_addf(out, ".%s", variant);
    text_add(out, at + 1);
    return 1;
}

/* ---- nothing to open ---- */

/* A broken link: an unfinished download, or a cache that was cleaned. */
static int is_broken_link(const char *folder, const char *name) {
    char *path = file_join(folder, name);
    struct stat own, end;
    int broken = path && lstat(path, &own) == 0 && S_ISLNK(own.st_mode) && stat(path, &end) != 0;
    free(path);
    return broken;
}

/* Append what the folder holds instead of weights, and what to do about it. */
static void add_found(text *t, const char *folder, const char *variant) {
    static const char *const ends[] = {".safetensors", ".bin",  ".ckpt", ".pt", ".pth",
                                       ".msgpack",     ".onnx", ".gguf", ".h5", ".incomplete"};
    enum { SHOWN = 6 };
    folder_names names = {0};
    ss_error unreadable; /* then nothing is said of it */
    int n = 0, broken = 0;
    if (folder_list(folder, &names, &unreadable) != SS_OK) return;
    for (int i = 0; i < names.n; i++) {
        int weights = strstr(names.at[i], ".index.") != NULL;
        for (size_t k = 0; k < sizeof ends / sizeof ends[0]; k++)
            weights |= content_has_extension(names.at[i], ends[k]);
        if (!weights) continue;
        if (n < SHOWN) text_addf(t, "%s%s", n ? ", " : "; found ", names.at[i]);
        n++;
        if (!is_broken_link(folder, names.at[i])) continue;
        broken = 1;
        if (n <= SHOWN) text_add(t, " (a link to a file that is not there)");
    }
    folder_names_free(&names);
    if (n > SHOWN) text_addf(t, " and %d more", n - SHOWN);
    if (broken) text_add(t, ": the download did not end, or the cache was cleaned; get the files anew");
    else if (n && variant) text_addf(t, ": nothing of variant %s", variant);
    else if (n) text_add(t, ": another variant or format (--variant NAME takes NAME.VARIANT.safetensors)");
}

static ss_status fail_nothing(const char *folder, checkpoint_naming naming, const char *variant, ss_error *err) {
    text message = {0}, name = {0};
    int n = 0;
    for (int i = 0; checkpoint_file_name(i, variant, &name); i++)
        if ((naming == CHECKPOINT_ANY || CANDIDATES[i].naming == naming) && !CANDIDATES[i].is_old)
            text_addf(&message, "%s%s", n++ ? ", " : "has no weights; looked for ", text_for(&name, &message));
    add_found(&message, folder, variant);
    ss_status status = message.failed ? error_no_memory(err, folder, message.len)
                                      : error_set(err, SS_ERR_INPUT, folder, "%s", message.s);
    text_free(&message);
    text_free(&name);
    return status;
}

/* ---- opening ---- */

ss_status checkpoint_open_folder(checkpoint **out, const char *folder, checkpoint_naming naming, const char *variant,
                                 ss_error *err) {
    text name = {0};
    char *path = NULL;
    ss_status status = SS_OK;
    int found = 0;
    *out = NULL;
    for (int i = 0; status == SS_OK && !found && checkpoint_file_name(i, variant, &name); i++) {
        if (naming != CHECKPOINT_ANY && CANDIDATES[i].naming != naming) continue;
        free(path);
        path = name.failed ? NULL : file_join(folder, name.s);
        if (!path) status = error_no_memory(err, folder, strlen(folder));
        else found = file_exists(path);
    }
    text_free(&name);
    if (status == SS_OK) status = found ? checkpoint_open(out, path, err) : fail_nothing(folder, naming, variant, err);
    free(path);
    return status;
}

ss_status checkpoint_folder_has_variant(const char *folder, const char *variant, int *has, ss_error *err) {
    folder_names names = {0};
    *has = 0;
    if (!file_is_folder(folder)) return SS_OK;
    SS_TRY(folder_list(folder, &names, err));
    for (int i = 0; i < names.n && !*has; i++) {
        const char *dot = strchr(names.at[i], '.');
        const size_t length = dot ? strcspn(dot + 1, ".") : 0, wanted = strlen(variant);
        *has = dot && length >= wanted && strncmp(dot + 1, variant, wanted) == 0;
    }
    folder_names_free(&names);
    return SS_OK;
}
