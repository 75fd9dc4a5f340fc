/* See hub.h. Reads folders and the small files of refs/, never the network. */
#include "io/hub.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/folder.h"

enum { MAX_PART = 96, MAX_REVISION = 256 };

static const char MODELS[] = "models--", MAIN[] = "main";

/* ---- names ---- */

/* A part of a repository's name: huggingface_hub's validate_repo_id. */
static int part_length(const char *s) {
    int n = 0;
    while ((s[n] >= 'a' && s[n] <= 'z') || (s[n] >= 'A' && s[n] <= 'Z') || (s[n] >= '0' && s[n] <= '9') ||
           (s[n] && strchr("-_.", s[n]))) {
        if (n && (s[n] == '-' || s[n] == '.') && s[n - 1] == s[n]) return 0;
        n++;
    }
    if (n == 0 || n > MAX_PART || strchr("-.", s[0]) || strchr("-.", s[n - 1])) return 0;
    return n;
}

/* "refs/pr/1" has slashes; elsewhere a slash ends the revision. */
static int revision_length(const char *s) {
    static const char requests[] = "refs/pr/";
    const int prefix = strncmp(s, requests, sizeof requests - 1) == 0 ? (int)sizeof requests - 1 : 0;
    return prefix + (int)strcspn(s + prefix, "/");
}

int hub_read_name(const char *s, hub_name *out) {
    *out = (hub_name){.owner = s, .owner_length = part_length(s), .file = ""};
    if (!out->owner_length || s[out->owner_length] != '/') return 0;
    if (out->owner_length == 6 && strncmp(s, "models", 6) == 0)
        return 0; /* the folder of what ships with the program */
    out->name = s + out->owner_length + 1;
    out->name_length = part_length(out->name);
    const char *rest = out->name + out->name_length;
    if (!out->name_length) return 0;
    if (*rest == '@') {
        out->revision = rest + 1;
        out->revision_length = revision_length(out->revision);
        rest = out->revision + out->revision_length;
        if (!out->revision_length || out->revision_length >= MAX_REVISION || *out->revision == '.') return 0;
    }
    if (*rest == '/') out->file = rest + 1;
    else if (*rest) return 0;
    return !strstr(out->file, "..");
}

void hub_add_command(const hub_name *name, text *out) {
    text_addf(out, "hf download %.*s/%.*s", name->owner_length, name->owner, name->name_length, name->name);
    if (*name->file) text_addf(out, " %s", name->file);
    if (name->revision_length) text_addf(out, " --revision %.*s", name->revision_length, name->revision);
}

/* ---- the cache ---- */

static const char *variable(const char *name) {
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

/* "$NAME" or "${NAME}" at s, appended by its value; how much of s that is. What is not set stays as it is written. */
static size_t add_variable(const char *s, text *out) {
    const int braces = s[1] == '{';
    const char *name = s + 1 + braces;
    const size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
    const size_t all = 1 + (size_t)braces + length + (size_t)braces;
    text copy = {0};
    const char *value = NULL;
    if (length == 0 || (braces && name[length] != '}')) return text_add_n(out, s, 1), 1;
    text_add_n(&copy, name, length);
    if (copy.failed) out->failed = 1;
    else value = getenv(copy.s);
    text_free(&copy);
    if (value) text_add(out, value);
    else text_add_n(out, s, all);
    return all;
}

void hub_expand(const char *s, text *out) {
    const char *home = variable("HOME");
    if (home && s[0] == '~' && (s[1] == '/' || !s[1])) {
        text_add(out, home);
        s++;
    }
    while (*s) {
        const size_t plain = strcspn(s, "$");
        text_add_n(out, s, plain);
        s += plain;
        if (*s) s += add_variable(s, out);
    }
}

void hub_add_cache(text *out) {
    static const struct {
        const char *variable, *below;
    } places[] = {{"HF_HUB_CACHE", ""},
                  {"HUGGINGFACE_HUB_CACHE", ""},
                  {"HF_HOME", "/hub"},
                  {"XDG_CACHE_HOME", "/huggingface/hub"}};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        const char *value = variable(places[i].variable);
        if (!value) continue;
        hub_expand(value, out);
        text_add(out, places[i].below);
        return;
    }
    hub_expand("~/.cache/huggingface/hub", out);
}

/* ---- a repository's folder ---- */

/* What the first line of refs/REVISION says; 0 where there is no such file. */
static int read_ref(const char *repository, const char *revision, int length, char out[MAX_REVISION], ss_error *err) {
    text path = {0};
    char *bytes = NULL;
    size_t size;
    int found = 0;
    text_addf(&path, "%s/refs/%.*s", repository, length, revision);
    if (!path.failed && file_exists(path.s) && file_read(path.s, 4096, &bytes, &size, err) == SS_OK) {
        const size_t n = strcspn(bytes, " \r\n");
        found = n > 0 && n < MAX_REVISION && !memchr(bytes, '/', n) && bytes[0] != '.';
        if (found) {
            memcpy(out, bytes, n);
            out[n] = '\0';
        }
    }
    free(bytes);
    text_free(&path);
    return found;
}

/* The only name in snapshots/, if there is one alone. */
static ss_status only_snapshot(const char *repository, char out[MAX_REVISION], int *found, ss_error *err) {
    folder_names names = {0};
    char *path = file_join(repository, "snapshots");
    if (!path) return error_no_memory(err, repository, 1);
    ss_status status = file_is_folder(path) ? folder_list(path, &names, err) : SS_OK;
    *found = names.n == 1 && strlen(names.at[0]) < MAX_REVISION;
    if (*found) strcpy(out, names.at[0]);
    folder_names_free(&names);
    free(path);
    return status;
}

/* The commit that stands for the revision (length 0: none was given, and "*" stands for what is not known). */
static ss_status find_commit(const char *repository, const char *revision, int length, char out[MAX_REVISION],
                             ss_error *err) {
    ss_error unreadable; /* a ref that cannot be read is as good as none; the message names what was looked for */
    int found = length ? read_ref(repository, revision, length, out, &unreadable)
                       : read_ref(repository, MAIN, sizeof MAIN - 1, out, &unreadable);
    if (!found && !length) SS_TRY(only_snapshot(repository, out, &found, err));
    if (found) return SS_OK;
    if (!length) return strcpy(out, "*"), SS_OK;
    memcpy(out, revision, (size_t)length); /* a commit itself */
    out[length] = '\0';
    return SS_OK;
}

ss_status hub_find(const hub_name *name, char **path, text *looked, ss_error *err) {
    char commit[MAX_REVISION];
    struct stat st;
    text repository = {0}, at = {0};
    *path = NULL;
    hub_add_cache(&repository);
    text_addf(&repository, "/%s%.*s--%.*s", MODELS, name->owner_length, name->owner, name->name_length, name->name);
    if (repository.failed) return text_free(&repository), error_no_memory(err, "a path", 1);
    ss_status status = find_commit(repository.s, name->revision, name->revision_length, commit, err);
    if (status == SS_OK)
        text_addf(&at, "%s/snapshots/%s%s%s", repository.s, commit, *name->file ? "/" : "", name->file);
    if (at.failed) status = error_no_memory(err, "a path", 1);
    if (status == SS_OK) text_add(looked, at.s);
    if (status == SS_OK && stat(at.s, &st) == 0) {
        *path = at.s;
        at = (text){0};
    }
    text_free(&repository);
    text_free(&at);
    return status;
}

/* ---- a model's path or name ---- */

/* A folder that is there; a repository's own in a cache is replaced by its snapshot. */
static ss_status take_path(const char *path, char **out, ss_error *err) {
    char commit[MAX_REVISION];
    text at = {0};
    const char *end = path + strlen(path), *last;
    while (end > path && end[-1] == '/') end--;
    for (last = end; last > path && last[-1] != '/'; last--) {}
    if (file_is_folder(path) && strncmp(last, MODELS, sizeof MODELS - 1) == 0) {
        SS_TRY(find_commit(path, NULL, 0, commit, err));
        text_addf(&at, "%.*s/snapshots/%s", (int)(end - path), path, commit);
        if (!at.failed && !file_is_folder(at.s)) {
            error_set(
                err, SS_ERR_INPUT, path,
                "is a repository in the cache of Hugging Face; expected refs/main or one snapshot in it, and name "
                "the snapshot where there are several");
            text_free(&at);
            return err->code;
        }
    } else text_add(&at, path);
    *out = at.failed ? NULL : at.s;
    if (!at.failed) return SS_OK;
    text_free(&at);
    return error_no_memory(err, path, 1);
}

ss_status hub_locate(const char *name, const char *also, char **out, ss_error *err) {
    struct stat st;
    hub_name hub;
    text looked = {0}, command = {0};
    *out = NULL;
    if (stat(name, &st) == 0) return take_path(name, out, err);
    if (!hub_read_name(name, &hub))
        return error_set(err, SS_ERR_INPUT, name, "is not there%s%s; expected a file or folder", also ? ", nor " : "",
                         also ? also : "");
    ss_status status = hub_find(&hub, out, &looked, err);
    hub_add_command(&hub, &command);
    if (status == SS_OK && !*out)
        status = looked.failed || command.failed
                     ? error_no_memory(err, name, 1)
                     : error_set(err, SS_ERR_INPUT, name,
                                 "is no file or folder here%s%s, and not in the cache of Hugging Face; nothing is "
                                 "downloaded. If it is a model on the hub, get it:\n    %s\n  it is then found as %s",
                                 also ? ", nor " : "", also ? also : "", command.s, looked.s);
    text_free(&looked);
    text_free(&command);
    return status;
}
