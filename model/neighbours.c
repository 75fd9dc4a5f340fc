/* Files beside the weights that a user may believe to be in use: weights of another format, LoRA files. Only names and
 * times are used; nothing is read. */
#define _XOPEN_SOURCE 700 /* struct stat's st_mtim */
#include "model/neighbours.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/text.h"
#include "base/file.h"
#include "base/folder.h"
#include "io/checkpoint.h"

static int is_newer(const struct stat *a, const struct stat *b) {
    return a->st_mtim.tv_sec != b->st_mtim.tv_sec ? a->st_mtim.tv_sec > b->st_mtim.tv_sec
                                                  : a->st_mtim.tv_nsec > b->st_mtim.tv_nsec;
}

ss_status model_note_other_weights(notices *list, const char *used, const char *variant, ss_error *err) {
    const char *slash = strrchr(used, '/'), *own = slash ? slash + 1 : used;
    struct stat mine, other;
    text line = {0};
    int some = 0;
    if (stat(used, &mine) != 0) return SS_OK; /* it is open: whoever took its name away since knows */
    text_addf(&line, "%s is used, not ", used);
    text name = {0};
    for (int i = 0; checkpoint_file_name(i, variant, &name); i++) {
        text path = {0};
        text_add_n(&path, used, (size_t)(own - used));
        if (!name.failed) text_add(&path, name.s);
        if (name.failed || path.failed) line.failed = 1;
        else if (strcmp(name.s, own) != 0 && stat(path.s, &other) == 0 && S_ISREG(other.st_mode))
            text_addf(&line, "%s%s beside it%s", some++ ? ", nor " : "", name.s,
                      is_newer(&other, &mine) ? ", which is newer" : "");
        text_free(&path);
    }
    text_free(&name);
    if (some || line.failed) return notices_add_text(list, &line, err);
    text_free(&line);
    return SS_OK;
}

/* "pytorch_lora_weights.safetensors", "style.LoRA.safetensors", "style.lora", "adapter_model.safetensors" (peft). */
static int is_lora(const char *name) {
    static const char *const ends[] = {".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".lora"};
    int weights = 0, named = strncmp(name, "adapter_model.", 14) == 0;
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < sizeof ends / sizeof ends[0]; i++) weights |= text_equal_fold(dot, ends[i]);
    for (size_t i = 0, n = strlen(name); weights && !named && i + 4 <= n; i++) {
        const char four[] = {name[i], name[i + 1], name[i + 2], name[i + 3], '\0'};
        named = text_equal_fold(four, "lora");
    }
    return weights && named;
}

ss_status model_note_lora(notices *list, const char *folder, ss_error *err) {
    enum { SHOWN = 8 };
    folder_names names;
    int n = 0;
    text line = {0};
    if (!file_is_folder(folder)) return SS_OK; /* reading it will fail and report the error */
    SS_TRY(folder_list(folder, &names, err));
    text_addf(&line, "%s: ", folder);
    for (int i = 0; i < names.n; i++)
        if (is_lora(names.at[i]) && n++ < SHOWN) text_addf(&line, "%s%s", n > 1 ? ", " : "", names.at[i]);
    folder_names_free(&names);
    if (n > SHOWN) text_addf(&line, " and %d more", n - SHOWN);
    text_addf(&line, "%s not applied; to add one, name it: --lora FILE", n == 1 ? " is" : " are");
    if (n || line.failed) return notices_add_text(list, &line, err);
    text_free(&line);
    return SS_OK;
}
