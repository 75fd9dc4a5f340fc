/* The search for published weights: io/hub.h for huggingface_hub's cache, the folders of torch.hub and of packages.
 * Reads folders, never the network. */
#include "score/weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "base/file.h"
#include "base/folder.h"
#include "base/text.h"
#include "io/content.h"
#include "io/hub.h"
#include "nn/weights.h"

/* What was looked at, and what was found. */
typedef struct search {
    text looked;
    char *found;
} search;

typedef enum scheme { SCHEME_HF, SCHEME_TORCH, SCHEME_GITHUB, SCHEMES } scheme;
static const char *const PREFIX[SCHEMES] = {"hf:", "torch:", "github:"};

static int scheme_of(const char *written) {
    int s = 0;
    while (s < SCHEMES && strncmp(written, PREFIX[s], strlen(PREFIX[s])) != 0) s++;
    return s;
}

int weights_is_published(const char *written) { return scheme_of(written) < SCHEMES; }

/* Takes the path where it exists. A path that could not be written fails `looked`. */
static void look(search *s, text *path) {
    struct stat st;
    if (path->failed) s->looked.failed = 1;
    if (!s->found && path->s && !path->failed) {
        text_addf(&s->looked, "\n    %s", path->s);
        if (stat(path->s, &st) == 0) {
            s->found = path->s;
            *path = (text){0};
        }
    }
    text_free(path);
}

static const char *weights_set(const char *variable) {
    const char *value = getenv(variable);
    return value && *value ? value : NULL;
}

static void look_in_own(search *s, const char *name) {
    const char *folder = weights_set("SINKSCOPE_WEIGHTS"), *last = strrchr(name, '/');
    text path = {0};
    if (!folder) return;
    text_addf(&path, "%s/%s", folder, name);
    look(s, &path);
    if (!last) return;
    text_addf(&path, "%s/%s", folder, last + 1);
    look(s, &path);
}

/* In the cache of huggingface_hub. A failure is kept in `looked`. */
static void look_in_hub(search *s, const char *name) {
    hub_name hub;
    text at = {0};
    char *path = NULL;
    ss_error unreadable; /* then it is not found, and the search says where it looked */
    if (!hub_read_name(name, &hub)) return;
    if (hub_find(&hub, &path, &at, &unreadable) != SS_OK && unreadable.code == SS_ERR_RESOURCE) s->looked.failed = 1;
    free(path);
    look(s, &at);
}

/* Where packages put files of a repository, outside of the cache. */
static const struct {
    const char *repository, *variable, *folder;
} PACKAGES[] = {{"THUDM/ImageReward", NULL, "~/.cache/ImageReward"}, /* ImageReward/utils.py */
                {"xswu/HPSv2", "HPS_ROOT", "~/.cache/hpsv2"}};       /* hpsv2/utils.py */

static void look_in_packages(search *s, const char *name) {
    for (size_t i = 0; i < sizeof PACKAGES / sizeof PACKAGES[0]; i++) {
        const size_t n = strlen(PACKAGES[i].repository);
        const char *own = PACKAGES[i].variable ? weights_set(PACKAGES[i].variable) : NULL;
        text path = {0};
        if (strncmp(name, PACKAGES[i].repository, n) != 0 || (name[n] && name[n] != '/')) continue;
        hub_expand(own ? own : PACKAGES[i].folder, &path);
        text_add(&path, name + n);
        look(s, &path);
    }
}

/* torch.hub.get_dir */
static void look_in_torch(search *s, const char *name) {
    const char *root = weights_set("TORCH_HOME"), *cache = weights_set("XDG_CACHE_HOME");
    text path = {0};
    hub_expand(root ? root : cache ? cache : "~/.cache", &path);
    text_addf(&path, "%s/hub/checkpoints/%s", root ? "" : "/torch", name);
    look(s, &path);
}

/* Where files that PyTorch's cache holds are published. */
static const char TORCHVISION_URL[] = "https://download.pytorch.org/models/", FID_NAME[] = "pt_inception-",
                  FID_URL[] = "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/";

/* "COMMAND or address", and the beginning of where it goes. */
static void add_how_to_get(scheme kind, const char *name, text *out) {
    size_t owner = strcspn(name, "/"), length = name[owner] ? owner + 1 + strcspn(name + owner + 1, "/") : owner;
    const char *file = name[length] ? name + length + 1 : "";
    hub_name hub;
    if (kind == SCHEME_HF) {
        if (hub_read_name(name, &hub)) hub_add_command(&hub, out);
        else text_addf(out, "hf download %.*s%s%s", (int)length, name, *file ? " " : "", file);
        text_add(out, "\n  puts it where it is found; or put it");
    } else if (kind == SCHEME_TORCH) {
        int is_fid = strncmp(name, FID_NAME, sizeof FID_NAME - 1) == 0;
        text_addf(out, "%s%s", is_fid ? FID_URL : TORCHVISION_URL, name);
        text_add(out, "\n  and put it into the cache of PyTorch or");
    } else text_addf(out, "https://github.com/%.*s/raw/HEAD/%s\n  and put it", (int)length, name, file);
}

ss_status weights_find(const char *written, char **path, ss_error *err) {
    int kind = scheme_of(written);
    search s = {{0}, NULL};
    *path = NULL;
    if (kind == SCHEMES || !written[strlen(PREFIX[kind])])
        return error_set(err, SS_ERR_INPUT, written,
                         "expected hf:OWNER/NAME[/FILE], torch:FILE or github:OWNER/NAME/FILE");
    const char *name = written + strlen(PREFIX[kind]);
    look_in_own(&s, name);
    if (kind == SCHEME_HF) look_in_hub(&s, name);
    if (kind == SCHEME_HF) look_in_packages(&s, name);
    if (kind == SCHEME_TORCH) look_in_torch(&s, name);
    if (s.looked.failed) {
        free(s.found);
        text_free(&s.looked);
        return error_no_memory(err, written, 1);
    }
    *path = s.found;
    if (!s.found) {
        text how = {0};
        add_how_to_get((scheme)kind, name, &how);
        error_set(
            err, SS_ERR_INPUT, written,
            "is not on this machine, and nothing is downloaded. Get it:\n    %s into the folder $SINKSCOPE_WEIGHTS,"
            " or name its path\n  looked in%s",
            text_for(&how, &s.looked), s.looked.s ? s.looked.s : " no folder");
        text_free(&how);
    }
    text_free(&s.looked);
    return s.found ? SS_OK : err->code;
}

/* ---- checksums ---- */

ss_status weights_hash_folder(const char *folder, text *out, ss_error *err) {
    folder_names names;
    SS_TRY(folder_list(folder, &names, err));
    ss_status status = SS_OK;
    for (int i = 0; status == SS_OK && i < names.n; i++) {
        char *path = file_join(folder, names.at[i]);
        sha256_hex hash;
        if (!path) status = error_no_memory(err, folder, 1);
        else if (file_exists(path)) {
            status = file_hash(path, hash, err);
            if (status == SS_OK) text_addf(out, " %s %s", names.at[i], hash);
        }
        free(path);
    }
    folder_names_free(&names);
    return status;
}

/* Files of other kinds are not opened: a vocabulary is no checkpoint. */
static ss_status says_random(const char *path, int *random, ss_error *err) {
    checkpoint *file;
    *random = 0;
    if (!content_has_extension(path, ".safetensors")) return SS_OK;
    if (checkpoint_open(&file, path, err) != SS_OK) return err->code == SS_ERR_RESOURCE ? err->code : SS_OK;
    const char *note = checkpoint_note(file);
    *random = note && strcmp(note, WEIGHTS_RANDOM_NOTE) == 0;
    checkpoint_close(file);
    return SS_OK;
}

ss_status weights_are_random(const char *path, int *random, ss_error *err) {
    static const char *const NAMES[] = {"model.safetensors", "open_clip_model.safetensors"};
    if (!file_is_folder(path)) return says_random(path, random, err);
    ss_status status = SS_OK;
    *random = 0;
    for (int i = 0; status == SS_OK && i < 2 && !*random; i++) {
        char *file = file_join(path, NAMES[i]);
        if (!file) status = error_no_memory(err, path, 1);
        else if (file_exists(file)) status = says_random(file, random, err);
        free(file);
    }
    return status;
}
