/* The search for published weights. Relies on the layout of huggingface_hub's cache
 * (models--OWNER--NAME/{refs/main, snapshots/REVISION/}) and of torch.hub's. Reads folders, never the network. */
#include "score/weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "base/file.h"
#include "base/folder.h"
#include "base/text.h"
#include "io/content.h"
#include "nn/weights.h"

enum { MAX_REVISION = 256 };

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

static const char *set(const char *variable) {
    const char *value = getenv(variable);
    return value && *value ? value : NULL;
}

static void look_in_own(search *s, const char *name) {
    const char *folder = set("SINKSCOPE_WEIGHTS"), *last = strrchr(name, '/');
    text path = {0};
    if (!folder) return;
    text_addf(&path, "%s/%s", folder, name);
    look(s, &path);
    if (!last) return;
    text_addf(&path, "%s/%s", folder, last + 1);
    look(s, &path);
}

/* The cache folder: the first variable that is set, else the home folder's. */
static void cache_folder(scheme kind, text *out) {
    const char *home = set("HOME"), *root;
    if (kind == SCHEME_HF) {
        if ((root = set("HF_HUB_CACHE"))) text_add(out, root);
        else if ((root = set("HF_HOME"))) text_addf(out, "%s/hub", root);
        else if ((root = set("XDG_CACHE_HOME"))) text_addf(out, "%s/huggingface/hub", root);
        else text_addf(out, "%s/.cache/huggingface/hub", home ? home : "");
    } else if ((root = set("TORCH_HOME"))) text_addf(out, "%s/hub/checkpoints", root);
    else if ((root = set("XDG_CACHE_HOME"))) text_addf(out, "%s/torch/hub/checkpoints", root);
    else text_addf(out, "%s/.cache/torch/hub/checkpoints", home ? home : "");
}

/* The revision that refs/main names, else the one there is. */
static int read_revision(search *s, const char *repository, char out[MAX_REVISION]) {
    char *path = file_join(repository, "refs/main");
    if (!path) s->looked.failed = 1;
    FILE *f = path ? fopen(path, "r") : NULL;
    int n = f && fgets(out, MAX_REVISION, f) ? (int)strcspn(out, " \r\n") : 0;
    if (f) fclose(f);
    free(path);
    out[n] = 0;
    if (n) return 1;
    path = file_join(repository, "snapshots");
    if (!path) s->looked.failed = 1;
    folder_names names = {0};
    ss_error unreadable; /* then no revision is found, and the search says where it looked */
    if (path && folder_list(path, &names, &unreadable) != SS_OK && unreadable.code == SS_ERR_RESOURCE)
        s->looked.failed = 1;
    int count = names.n;
    if (count == 1) snprintf(out, MAX_REVISION, "%.*s", MAX_REVISION - 1, names.at[0]);
    folder_names_free(&names);
    free(path);
    return count == 1;
}

/* name: OWNER/REPOSITORY or OWNER/REPOSITORY/FILE. */
static void look_in_hub(search *s, const char *name) {
    char revision[MAX_REVISION];
    text repository = {0}, path = {0};
    size_t owner = strcspn(name, "/");
    const char *rest = name + owner + (name[owner] == '/');
    size_t length = strcspn(rest, "/");
    cache_folder(SCHEME_HF, &repository);
    text_addf(&repository, "/models--%.*s--%.*s", (int)owner, name, (int)length, rest);
    if (!repository.failed && read_revision(s, repository.s, revision))
        text_addf(&path, "%s/snapshots/%s%s", repository.s, revision, rest + length);
    else text_addf(&path, "%s/snapshots/REVISION%s", text_for(&repository, &path), rest + length);
    look(s, &path);
    text_free(&repository);
}

static void look_in_torch(search *s, const char *name) {
    text path = {0};
    cache_folder(SCHEME_TORCH, &path);
    text_addf(&path, "/%s", name);
    look(s, &path);
}

/* Where files that PyTorch's cache holds are published. */
static const char TORCHVISION_URL[] = "https://download.pytorch.org/models/", FID_NAME[] = "pt_inception-",
                  FID_URL[] = "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/";

/* "COMMAND or address", and the beginning of where it goes. */
static void add_how_to_get(scheme kind, const char *name, text *out) {
    size_t owner = strcspn(name, "/"), length = name[owner] ? owner + 1 + strcspn(name + owner + 1, "/") : owner;
    const char *file = name[length] ? name + length + 1 : "";
    if (kind == SCHEME_HF) {
        text_addf(out, "hf download %.*s%s%s", (int)length, name, *file ? " " : "", file);
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
        file_sha256 hash;
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
