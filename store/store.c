/* The store as a folder: making, opening, locking, sweeping. Files that the store did not write are never changed. */
#include "store/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/json.h"
#include "base/folder.h"

const char *store_folder(const store *s) { return s->folder; }
study *store_study(store *s) { return s->study; }
int store_has_units(const store *s) { return s->db != NULL; }
const char *store_db_path(const store *s) { return s->db_path; }
int store_limit(const store *s) { return s->limit; }

/* Statements that are open would keep the log. */
static void end_statements(store *s) {
    for (int i = 0; i < STORE_STATEMENTS; i++) {
        sqlite3_finalize(s->statement[i]);
        s->statement[i] = NULL;
    }
}

static const char SETTLE[] = "PRAGMA journal_mode = DELETE";

ss_status store_settle(store *s, ss_error *err) {
    end_statements(s);
    if (store_exec(s, SETTLE, err) == SS_OK) return SS_OK;
    char why[sizeof err->message];
    snprintf(why, sizeof why, "%s", err->message);
    return error_set(err, SS_ERR_RESOURCE, s->db_path,
                     "cannot fold the log (results.sqlite-wal) in: %s; nothing is lost: keep both files, and run "
                     "'sinkscope resume %s' when the disk is well",
                     why, s->folder);
}

void store_close(store *s) {
    if (!s) return;
    end_statements(s);
    if (s->db && s->mode == STORE_WRITE) sqlite3_exec(s->db, SETTLE, NULL, NULL, NULL);
    sqlite3_close(s->db);
    if (s->lock >= 0) close(s->lock);
    json_decref(s->manifest);
    study_free(s->study);
    free(s->folder);
    free(s->db_path);
    free(s);
}

static ss_status new_store(store **out, const char *folder, store_mode mode, ss_error *err) {
    *out = NULL;
    store *s = calloc(1, sizeof *s);
    if (!s) return error_no_memory(err, "a store", sizeof *s);
    s->lock = -1;
    s->mode = mode;
    s->folder = text_copy(folder);
    s->db_path = file_join(folder, "results.sqlite");
    if (s->folder && s->db_path) {
        *out = s;
        return SS_OK;
    }
    store_close(s);
    return error_no_memory(err, "a store", 1);
}

/* The lock is the kernel's: it ends with the process, however that ends. */
static ss_status take_lock(store *s, ss_error *err) {
    char *path = file_join(s->folder, "lock");
    if (!path) return error_no_memory(err, "a file name", 1);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    s->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    ss_status status = SS_OK;
    if (s->lock < 0) status = error_set_errno(err, SS_ERR_RESOURCE, path, "cannot open for writing");
    else if (fcntl(s->lock, F_SETLK, &lock) != 0) {
        if (errno != EACCES && errno != EAGAIN) status = error_set_errno(err, SS_ERR_RESOURCE, path, "cannot lock");
        else {
            fcntl(s->lock, F_GETLK, &lock);
            status =
                error_set(err, SS_ERR_STORE, s->folder,
                          "process %ld is writing to this store; wait until it ends, or stop it", (long)lock.l_pid);
        }
    }
    free(path);
    return status;
}

static ss_status is_there(const store *s, const char *name, int *there, ss_error *err) {
    char *path = file_join(s->folder, name);
    if (!path) return error_no_memory(err, "a file name", 1);
    *there = file_exists(path);
    free(path);
    return SS_OK;
}

/* ---- making ---- */

/* A folder for a new store holds nothing, or the traces of a creation that was cut short. */
static ss_status check_empty(const store *s, ss_error *err) {
    if (file_exists(s->db_path))
        return error_set(err, SS_ERR_USAGE, s->folder,
                         "holds a store already; continue it with 'sinkscope resume', or choose another folder");
    folder_names names;
    SS_TRY(folder_list(s->folder, &names, err));
    ss_status status = SS_OK;
    for (int i = 0; status == SS_OK && i < names.n; i++) {
        const char *n = names.at[i];
        int ours = strcmp(n, "lock") == 0 || strncmp(n, "study.yaml", 10) == 0 ||
                   strncmp(n, "manifest.json", 13) == 0 || strncmp(n, "results.sqlite.tmp-", 19) == 0;
        if (!ours)
            status =
                error_set(err, SS_ERR_USAGE, s->folder, "is not empty ('%s'); choose a new folder for the store", n);
    }
    folder_names_free(&names);
    return status;
}

static ss_status write_study(const store *s, const study *y, ss_error *err) {
    size_t size;
    const char *source = yaml_source(y->file, &size);
    char *path = file_join(s->folder, "study.yaml");
    ss_status status = path ? file_write(path, source, size, err) : error_no_memory(err, "a file name", 1);
    free(path);
    return status;
}

static ss_status read_study(store *s, const char *data, ss_error *err) {
    json_t *part;
    study_places places = {.data = data, .store_version = s->version ? s->version : STORE_VERSION};
    pipeline_rules rules;
    char *path = file_join(s->folder, "study.yaml");
    const char *hash = NULL;
    if (!path) return error_no_memory(err, "a file name", 1);
    ss_status status = pipeline_rules_read(json_object_get(s->manifest, "rules"), s->folder, &rules, err);
    places.rules = &rules;
    places.model = store_model_folder(s);
    if (status == SS_OK) status = json_get_object(s->manifest, "study", s->folder, &part, err);
    if (status == SS_OK) status = json_get_text(part, "base", s->folder, &places.base, err);
    if (status == SS_OK) status = json_get_text(part, "current", s->folder, &places.current, err);
    if (status == SS_OK) status = json_get_text(part, "sha256", s->folder, &hash, err);
    if (status == SS_ERR_INPUT) err->code = status = SS_ERR_STORE;
    if (status == SS_OK) status = study_load(&s->study, path, &places, err);
    if (status == SS_OK && strcmp(s->study->hash, hash) != 0)
        status = error_set(err, SS_ERR_STORE, path,
                           "is not the study that was run (SHA-256 %.12s.., the manifest says %.12s..)", s->study->hash,
                           hash);
    free(path);
    return status;
}

/* A write-ahead log costs one sync a transaction. It is folded in at the end (store_close), so that a store at rest is
 * one file, readable from a read-only folder. */
static ss_status begin_writing(store *s, ss_error *err) {
    SS_TRY(store_exec(s, "PRAGMA journal_mode = WAL", err));
    return store_prepare_writer(s, err);
}

static ss_status open_for_writing(store *s, ss_error *err) {
    SS_TRY(store_open_db(s, SQLITE_OPEN_READWRITE, err));
    SS_TRY(store_check_version(s, err));
    return begin_writing(s, err);
}

static ss_status store_create_new(store *s, const plan *p, const char *numeric_class, ss_error *err) {
    SS_TRY(file_make_folder(s->folder, err));
    SS_TRY(check_empty(s, err)); /* before the lock, which is a file in the folder; after it, for who came second */
    SS_TRY(take_lock(s, err));
    SS_TRY(check_empty(s, err));
    SS_TRY(store_sweep(s, NULL, NULL, err)); /* temporaries of a creation that was killed */
    SS_TRY(write_study(s, p->study, err));
    SS_TRY(store_write_manifest(s, p, numeric_class, err));
    SS_TRY(store_read_manifest(s, err));
    SS_TRY(read_study(s, p->study->data_folder, err));
    SS_TRY(store_create_db(s, p, numeric_class, err));
    return open_for_writing(s, err);
}

ss_status store_create(store **out, const char *folder, const plan *p, const char *numeric_class, ss_error *err) {
    store *s = NULL;
    *out = NULL;
    SS_TRY(new_store(&s, folder, STORE_WRITE, err));
    ss_status status = store_create_new(s, p, numeric_class, err);
    if (status == SS_OK) *out = s;
    else store_close(s);
    return status;
}

/* ---- opening ---- */

static ss_status open_store(store *s, const char *data, ss_error *err) {
    if (!file_is_folder(s->folder))
        return error_set(err, SS_ERR_STORE, s->folder, "there is no such folder; expected a results store");
    int has_study = 0, has_manifest = 0;
    SS_TRY(is_there(s, "study.yaml", &has_study, err));
    SS_TRY(is_there(s, "manifest.json", &has_manifest, err));
    if (!file_exists(s->db_path) && !(has_study && has_manifest))
        return error_set(
            err, SS_ERR_STORE, s->folder,
            "is not a results store (no results.sqlite); begin one with 'sinkscope run STUDY.yaml -o DIR'");
    if (!file_exists(s->db_path) && s->mode == STORE_READ)
        return error_set(err, SS_ERR_STORE, s->folder,
                         "the store was cut short while it was made; finish it with 'sinkscope resume'");
    if (s->mode == STORE_WRITE) SS_TRY(take_lock(s, err));
    SS_TRY(store_read_manifest(s, err));
    if (file_exists(s->db_path)) {
        SS_TRY(store_open_db(s, s->mode == STORE_WRITE ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY, err));
        SS_TRY(store_check_version(s, err));
    }
    if (!has_study)
        return error_set(err, SS_ERR_STORE, s->folder, "the store has lost its study.yaml; restore it from a copy");
    SS_TRY(read_study(s, data, err));
    if (s->db && s->version < STORE_VERSION) SS_TRY(store_read_older(s, err));
    return s->db && s->mode == STORE_WRITE ? begin_writing(s, err) : SS_OK;
}

ss_status store_open(store **out, const char *folder, store_mode mode, const char *data, ss_error *err) {
    store *s = NULL;
    *out = NULL;
    SS_TRY(new_store(&s, folder, mode, err));
    ss_status status = open_store(s, data, err);
    if (status == SS_OK) *out = s;
    else store_close(s);
    return status;
}

/* ---- resuming ---- */

static ss_status store_check_class(store *s, const char *numeric_class, ss_error *err) {
    sqlite3_stmt *stmt;
    SS_TRY(store_prepare(s, "SELECT description FROM class WHERE class = 0", &stmt, err));
    int code = sqlite3_step(stmt);
    const char *was = NULL;
    ss_status status = code == SQLITE_ROW    ? store_column_text(s, stmt, 0, &was, err)
                       : code == SQLITE_DONE ? SS_OK
                                             : store_sql_error(s, "table class", err);
    if (status == SS_OK && !was) status = store_damaged(s, err, "table class has no row");
    else if (status == SS_OK && strcmp(was, numeric_class) != 0)
        status = error_set(err, SS_ERR_STORE, s->folder,
                           "its images were made under the numeric class '%s', this machine has '%s'; their bits would "
                           "differ: resume there, or begin a new store here",
                           was, numeric_class);
    sqlite3_finalize(stmt);
    return status;
}

ss_status store_complete(store *s, const plan *p, const char *numeric_class, notices *told, ss_error *err) {
    int64_t files, differing;
    text problems = {0};
    ss_status status = store_check_files(s, &files, &differing, &problems, err);
    if (status == SS_OK && differing > 0)
        status = problems.failed
                     ? error_no_memory(err, "a message", problems.len)
                     : error_set(err, SS_ERR_STORE, s->folder, "%srestore the files, or begin a new store", problems.s);
    text_free(&problems);
    SS_TRY(status);
    if (!s->db) {
        SS_TRY(store_create_db(s, p, numeric_class, err));
        SS_TRY(open_for_writing(s, err));
    }
    SS_TRY(store_check_class(s, numeric_class, err));
    return store_sweep(s, p, told, err);
}
