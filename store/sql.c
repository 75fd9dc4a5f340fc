/* SQLite as the store uses it: opening, versions, transactions, and its errors as ours. SQLite's log is written with
 * full syncs, so the last committed transaction survives a kill. Every statement is finalised, also on failure. */
#include "store/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

int store_read_failed(const store *s) {
    int last = 0;
    return sqlite3_file_control(s->db, "main", SQLITE_FCNTL_LAST_ERRNO, &last) == SQLITE_OK && last == EIO;
}

ss_status(store_sql_error)(const store *s, const char *what, ss_error *err) {
    int code = s->db ? sqlite3_extended_errcode(s->db) : SQLITE_NOMEM;
    const char *message = s->db ? sqlite3_errmsg(s->db) : "out of memory";
    int reason = s->db ? sqlite3_system_errno(s->db) : 0;
    switch (code & 0xff) {
    case SQLITE_FULL:
        return error_set(err, SS_ERR_RESOURCE, s->db_path,
                         "%s: the disk is full; what was there is safe: make room, then resume", what);
    case SQLITE_CANTOPEN: /* its errno may be that of a second attempt, without writing: no reason to report */
        return error_set(err, SS_ERR_RESOURCE, s->db_path,
                         "%s: cannot open the file or its log (no memory, no room, no permission, too many open files "
                         "or a disk that fails)",
                         what);
    case SQLITE_IOERR:
        return error_set(err, SS_ERR_RESOURCE, s->db_path, "%s: %s (%s)", what, message,
                         reason ? strerror(reason) : "the disk");
    case SQLITE_READONLY:
    case SQLITE_PERM:
        return error_set(err, SS_ERR_RESOURCE, s->db_path,
                         "%s: the file, or its log beside it, cannot be opened for writing (%s)", what, message);
    case SQLITE_NOMEM: return error_set(err, SS_ERR_RESOURCE, s->db_path, "%s: out of memory", what);
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return error_set(err, SS_ERR_STORE, s->db_path, "%s: another program is using the file", what);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        if (store_read_failed(s)) return error_set(err, SS_ERR_RESOURCE, s->db_path, "%s: %s", what, strerror(EIO));
        return error_set(err, SS_ERR_STORE, s->db_path,
                         "%s: the file is damaged (%s); restore it from a copy, or run the study anew", what, message);
    case SQLITE_ERROR: return error_set(err, SS_ERR_STORE, s->db_path, "%s: %s", what, message);
    default: return error_set(err, SS_ERR_INTERNAL, s->db_path, "%s: %s", what, message);
    }
}

ss_status(store_damaged)(const store *s, ss_error *err, const char *fmt, ...) {
    char what[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    return error_set(err, SS_ERR_STORE, s->db_path,
                     "%s; the store is damaged: restore it from a copy, or run the study anew", what);
}

ss_status store_exec(store *s, const char *sql, ss_error *err) {
    return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK ? SS_OK : store_sql_error(s, "results", err);
}

ss_status store_prepare(const store *s, const char *sql, sqlite3_stmt **out, ss_error *err) {
    *out = NULL;
    if (sqlite3_prepare_v2(s->db, sql, -1, out, NULL) == SQLITE_OK && *out) return SS_OK;
    return store_sql_error(s, "results", err);
}

ss_status store_step(const store *s, sqlite3_stmt *stmt, const char *what, ss_error *err) {
    int code = sqlite3_step(stmt);
    ss_status status = code == SQLITE_DONE || code == SQLITE_ROW ? SS_OK : store_sql_error(s, what, err);
    sqlite3_reset(stmt);
    return status;
}

ss_status store_column_text(const store *s, sqlite3_stmt *stmt, int column, const char **out, ss_error *err) {
    int is_null = sqlite3_column_type(stmt, column) == SQLITE_NULL; /* before the call that may fail */
    *out = (const char *)sqlite3_column_text(stmt, column);
    return *out || is_null ? SS_OK : error_no_memory(err, s->db_path, 1);
}

ss_status store_begin(store *s, ss_error *err) { return store_exec(s, "BEGIN IMMEDIATE", err); }
ss_status store_commit(store *s, ss_error *err) { return store_exec(s, "COMMIT", err); }
void store_rollback(store *s) {
    if (s->db && !sqlite3_get_autocommit(s->db)) sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
}

ss_status store_open_db(store *s, int flags, ss_error *err) {
    enum { BUSY_MS = 10000 };
    if (sqlite3_open_v2(s->db_path, &s->db, flags | SQLITE_OPEN_EXRESCODE, NULL) != SQLITE_OK)
        return store_sql_error(s, "cannot open", err);
    /* SQLite opens a file that it cannot write for reading, and later reports that as the caller's choice. */
    if (flags & SQLITE_OPEN_READWRITE && sqlite3_db_readonly(s->db, "main") == 1)
        return error_set(err, SS_ERR_RESOURCE, s->db_path,
                         "cannot open the file for writing (no permission, or no more files may be open)");
    sqlite3_busy_timeout(s->db, BUSY_MS);
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    return store_exec(s, "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA synchronous = FULL", err);
}

static ss_status read_int(const store *s, const char *sql, int64_t *out, ss_error *err) {
    sqlite3_stmt *stmt;
    SS_TRY(store_prepare(s, sql, &stmt, err));
    int code = sqlite3_step(stmt);
    if (code == SQLITE_ROW) *out = sqlite3_column_int64(stmt, 0);
    ss_status status = code == SQLITE_ROW ? SS_OK : store_sql_error(s, "cannot read", err);
    sqlite3_finalize(stmt);
    return status;
}

ss_status store_check_version(store *s, ss_error *err) {
    int64_t application = 0, version = 0;
    SS_TRY(read_int(s, "PRAGMA application_id", &application, err));
    if (application != STORE_APPLICATION)
        return error_set(err, SS_ERR_STORE, s->db_path, "is not a results store of sinkscope (application id %lld)",
                         (long long)application);
    SS_TRY(read_int(s, "PRAGMA user_version", &version, err));
    if (version < 1 || version > STORE_VERSION)
        return error_set(err, SS_ERR_STORE, s->db_path,
                         "is of version %lld; this program knows versions 1 to %d: use a newer one", (long long)version,
                         STORE_VERSION);
    if (version < STORE_VERSION && s->mode == STORE_WRITE)
        return error_set(
            err, SS_ERR_STORE, s->db_path,
            "is of version %lld; this program reads it, and writes version %d only: go on with the program "
            "that made it (manifest.json names it), or run the study anew",
            (long long)version, STORE_VERSION);
    s->version = (int)version;
    return SS_OK;
}

/* ---- writing ---- */

static ss_status put_site_sql(const store *s, text *out) {
    text_add(out, "INSERT INTO site VALUES(?, ?, ?, ?, ?");
    for (int i = 0; i < s->probe_columns; i++) text_add(out, ", ?");
    text_add(out, ")");
    return out->failed ? SS_ERR_RESOURCE : SS_OK;
}

ss_status store_prepare_writer(store *s, ss_error *err) {
    static const char *const SQL[STORE_STATEMENTS] = {
        [PUT_UNIT] = "INSERT INTO unit VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [PUT_SCORE] = "INSERT INTO score VALUES(?, ?, ?, ?, ?)",
        [PUT_SINK] = "INSERT INTO sink VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [PUT_POINT] = "INSERT INTO trajectory VALUES(?, ?, ?, ?)",
        [PUT_CUT] = "INSERT OR REPLACE INTO cut VALUES(?, ?, ?, ?, ?, ?)",
        [PUT_ACTION] = "INSERT INTO action VALUES(?, ?, ?)",
        [PUT_FAILURE] = "INSERT INTO failure VALUES(?, ?, ?)",
        [PUT_SCORE_FAILURE] = "INSERT INTO score_failure VALUES(?, ?, ?)",
        [PUT_TOKEN] = "INSERT OR REPLACE INTO token VALUES(?, ?, ?, ?, ?)",
    };
    s->probe_columns = 0;
    for (int i = 0; i < s->study->n_probes; i++) s->probe_columns += s->study->probe[i]->n_columns;
    for (int i = 0; i < STORE_STATEMENTS; i++) {
        if (s->statement[i] || i == PUT_SITE) continue;
        SS_TRY(store_prepare(s, SQL[i], &s->statement[i], err));
    }
    if (s->statement[PUT_SITE]) return SS_OK;
    text site = {0};
    ss_status status = put_site_sql(s, &site) == SS_OK ? store_prepare(s, site.s, &s->statement[PUT_SITE], err)
                                                       : error_no_memory(err, "a statement", 1);
    text_free(&site);
    return status;
}

/* ---- static rows of a new store ---- */

/* Until the statement has run, the text stays where it is. SQLite makes no copy, so a binding needs no memory: without
 * it, a binding that failed would read NULL. */
static void bind_text(sqlite3_stmt *stmt, int i, const char *s) {
    if (s) sqlite3_bind_text(stmt, i, s, -1, SQLITE_STATIC);
    else sqlite3_bind_null(stmt, i);
}

static ss_status put_meta(store *s, const char *key, const char *value, ss_error *err) {
    sqlite3_stmt *stmt;
    SS_TRY(store_prepare(s, "INSERT INTO meta VALUES(?, ?)", &stmt, err));
    bind_text(stmt, 1, key);
    bind_text(stmt, 2, value);
    ss_status status = store_step(s, stmt, "table meta", err);
    sqlite3_finalize(stmt);
    return status;
}

static ss_status put_prompts(store *s, const plan *p, ss_error *err) {
    sqlite3_stmt *stmt;
    ss_status status = SS_OK;
    SS_TRY(store_prepare(s, "INSERT INTO prompt VALUES(?, ?, ?, ?, ?)", &stmt, err));
    for (int i = 0; status == SS_OK && i < p->prompts.n; i++) {
        const geneval_prompt *g = &p->prompts.prompt[i];
        sqlite3_bind_int(stmt, 1, i);
        bind_text(stmt, 2, g->prompt);
        bind_text(stmt, 3, g->tag);
        bind_text(stmt, 4, g->line);
        bind_text(stmt, 5, p->swapped[i]);
        status = store_step(s, stmt, "table prompt", err);
    }
    sqlite3_finalize(stmt);
    return status;
}

/* The condition as it stands in the study file, on one line. */
static void add_source(const study *y, const yaml_node *n, text *out) {
    size_t size;
    const char *p = yaml_source(y->file, &size);
    if (!n) return;
    for (int line = 1; line < n->line && p; line++) p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL;
    int column = 1, line = n->line, blank = 0;
    for (; p && *p && (line < n->end_line || (line == n->end_line && column < n->end_column)); p++) {
        if (line > n->line || column >= n->column) {
            int space = *p == ' ' || *p == '\n' || *p == '\r';
            if (space && !blank) text_add(out, " ");
            else if (!space) text_add_n(out, p, 1);
            blank = space;
        }
        if (*p == '\n') line++, column = 1;
        else if (((unsigned char)*p & 0xC0) != 0x80) column++;
    }
}

static ss_status put_conditions(store *s, const plan *p, ss_error *err) {
    static const char *const ROWS[] = {"image", "all", "text"}, *const SCOPE[] = {"head", "layer", "global"},
                             *const REDRAW[] = {"step", "run"}, *const SOURCE[] = {"own", "baseline"},
                             *const BRANCH[] = {"none", "cond", "uncond", "both"};
    const study *y = p->study;
    sqlite3_stmt *stmt;
    ss_status status = SS_OK;
    SS_TRY(
        store_prepare(s, "INSERT INTO condition VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", &stmt, err));
    for (int i = 0; status == SS_OK && i < y->n_conditions; i++) {
        const study_condition *c = &y->condition[i];
        const study_intervention *v = c->has_intervention ? &c->intervention : NULL;
        text source = {0}, kinds = {0};
        add_source(y, c->node, &source);
        for (int kind = 0; v && kind < ATTN_KIND_COUNT; kind++)
            if (v->kinds >> kind & 1) text_addf(&kinds, "%s%s", kinds.len ? ", " : "", ATTN_KINDS[kind].name);
        sqlite3_bind_int(stmt, 1, i);
        bind_text(stmt, 2, c->name);
        bind_text(stmt, 3, c->family);
        bind_text(stmt, 4, condition_role_name(c->role));
        bind_text(stmt, 5, v ? v->selector->about.name : NULL);
        if (v && !study_has_no_k(v)) sqlite3_bind_int(stmt, 6, v->k);
        else sqlite3_bind_null(stmt, 6);
        bind_text(stmt, 7, v ? v->edit->about.name : NULL);
        bind_text(stmt, 8, v ? BRANCH[v->branches & 3] : NULL);
        bind_text(stmt, 9, v ? ROWS[v->rows] : NULL);
        bind_text(stmt, 10, v ? SCOPE[v->scope] : NULL);
        bind_text(stmt, 11, v ? REDRAW[v->redraw] : NULL);
        bind_text(stmt, 12, v ? SOURCE[v->source] : NULL);
        sqlite3_bind_int(stmt, 13, c->draw);
        sqlite3_bind_int(stmt, 14, c->draw_of);
        bind_text(stmt, 15, source.s);
        bind_text(stmt, 16, v && !v->kinds ? "all" : kinds.s);
        status = source.failed || kinds.failed ? error_no_memory(err, "table condition", source.len)
                                               : store_step(s, stmt, "table condition", err);
        text_free(&kinds);
        text_free(&source);
    }
    sqlite3_finalize(stmt);
    return status;
}

ss_status store_add_metric(store *s, const study_metric *m, int number, int is_primary, int added, ss_error *err) {
    static const char *const KIND[] = {"alignment", "preference", "distance", "similarity", "set"};
    sqlite3_stmt *stmt;
    text options = {0};
    ss_status status = study_metric_describe(m, &options, err);
    if (status == SS_OK) status = store_prepare(s, "INSERT INTO metric VALUES(?, ?, ?, ?, ?, ?, ?, ?)", &stmt, err);
    if (status != SS_OK) {
        text_free(&options);
        return status;
    }
    sqlite3_bind_int(stmt, 1, number);
    bind_text(stmt, 2, m->row->about.name);
    bind_text(stmt, 3, KIND[m->row->kind]);
    sqlite3_bind_int(stmt, 4, m->row->binary);
    sqlite3_bind_int(stmt, 5, (m->row->needs & METRIC_NEEDS_BASELINE) != 0);
    sqlite3_bind_int(stmt, 6, is_primary);
    sqlite3_bind_int(stmt, 7, added);
    bind_text(stmt, 8, options.s ? options.s : "");
    status = store_step(s, stmt, "table metric", err);
    sqlite3_finalize(stmt);
    text_free(&options);
    return status;
}

static ss_status put_segment(store *s, sqlite3_stmt *stmt, int number, const attn_segment *g, int layout,
                             ss_error *err) {
    sqlite3_bind_int(stmt, 1, number);
    bind_text(stmt, 2, g->name);
    bind_text(stmt, 3, g->kind == SEGMENT_IMAGE ? "image" : "text");
    sqlite3_bind_int(stmt, 4, g->start);
    sqlite3_bind_int(stmt, 5, g->length);
    sqlite3_bind_int(stmt, 6, g->grid_width);
    sqlite3_bind_int(stmt, 7, layout);
    return store_step(s, stmt, "table segment", err);
}

/* The segments of every layout: those of the first block that has it. */
static ss_status put_segments(store *s, const plan *p, ss_error *err) {
    sqlite3_stmt *stmt;
    ss_status status = SS_OK;
    int number = 0, layouts = 0;
    SS_TRY(store_prepare(s, "INSERT INTO segment VALUES(?, ?, ?, ?, ?, ?, ?)", &stmt, err));
    for (int b = 0; status == SS_OK && b < p->sites.blocks; b++) {
        if (p->block[b].layout < layouts) continue;
        layouts++;
        for (int i = 0; status == SS_OK && i < p->block[b].n_segments; i++)
            status = put_segment(s, stmt, number++, &p->block[b].segment[i], p->block[b].layout, err);
    }
    sqlite3_finalize(stmt);
    return status;
}

static ss_status put_blocks(store *s, const plan *p, ss_error *err) {
    sqlite3_stmt *stmt;
    ss_status status = SS_OK;
    SS_TRY(store_prepare(s, "INSERT INTO block VALUES(?, ?, ?, ?, ?, ?, ?)", &stmt, err));
    for (int i = 0; status == SS_OK && i < p->sites.blocks; i++) {
        const attn_block *b = &p->block[i];
        sqlite3_bind_int(stmt, 1, i);
        bind_text(stmt, 2, b->name);
        bind_text(stmt, 3, ATTN_KINDS[b->kind].name);
        sqlite3_bind_int(stmt, 4, b->heads);
        sqlite3_bind_int(stmt, 5, b->queries);
        sqlite3_bind_int(stmt, 6, b->keys);
        sqlite3_bind_int(stmt, 7, b->layout);
        status = store_step(s, stmt, "table block", err);
    }
    sqlite3_finalize(stmt);
    return status;
}

static ss_status put_class(store *s, const char *numeric_class, ss_error *err) {
    sqlite3_stmt *stmt;
    SS_TRY(store_prepare(s, "INSERT INTO class VALUES(0, ?)", &stmt, err));
    bind_text(stmt, 1, numeric_class);
    ss_status status = store_step(s, stmt, "table class", err);
    sqlite3_finalize(stmt);
    return status;
}

static ss_status fill(store *s, const plan *p, const char *numeric_class, ss_error *err) {
    text sql = {0};
    char limit[32], planned[32];
    snprintf(limit, sizeof limit, "%d", p->limit);
    snprintf(planned, sizeof planned, "%lld", (long long)p->counts.images);
    text_addf(&sql, "PRAGMA application_id = %d; PRAGMA user_version = %d; BEGIN;", STORE_APPLICATION, STORE_VERSION);
    store_tables(p->study, &sql);
    ss_status status = sql.failed ? error_no_memory(err, "the schema", sql.len) : store_exec(s, sql.s, err);
    text_free(&sql);
    SS_TRY(status);
    SS_TRY(put_meta(s, "study", p->study->name, err));
    SS_TRY(put_meta(s, "study_sha256", p->study->hash, err));
    SS_TRY(put_meta(s, "limit", limit, err));
    SS_TRY(put_meta(s, "units_planned", planned, err));
    SS_TRY(put_class(s, numeric_class, err));
    SS_TRY(put_prompts(s, p, err));
    SS_TRY(put_conditions(s, p, err));
    SS_TRY(put_segments(s, p, err));
    SS_TRY(put_blocks(s, p, err));
    for (int i = 0; i < p->study->n_metrics; i++)
        SS_TRY(store_add_metric(s, &p->study->metric[i], i, i == p->study->primary, 0, err));
    SS_TRY(store_views(s, err));
    return store_commit(s, err);
}

ss_status store_create_db(store *s, const plan *p, const char *numeric_class, ss_error *err) {
    char *final = s->db_path, *temporary = file_temporary_name(final);
    if (!temporary) return error_no_memory(err, "a file name", 1);
    remove(temporary);
    s->db_path = temporary;
    ss_status status = store_open_db(s, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, err);
    if (status == SS_OK) status = fill(s, p, numeric_class, err);
    sqlite3_close(s->db);
    s->db = NULL;
    s->db_path = final;
    if (status == SS_OK) status = file_commit(temporary, final, err);
    else remove(temporary);
    free(temporary);
    return status;
}

ss_status store_find_metric(store *s, const study_metric *m, int *number, ss_error *err) {
    store_rows *r;
    int next = 0, more;
    *number = -1;
    text options = {0};
    int same = 1;
    SS_TRY(study_metric_describe(m, &options, err));
    ss_status status = store_select(&r, s, err, "SELECT metric, name, options FROM metric ORDER BY metric");
    while (status == SS_OK && (more = store_rows_next(r, err)) == 1) {
        if (strcmp(store_rows_text(r, 1), m->row->about.name) == 0) {
            *number = (int)store_rows_int(r, 0);
            same = study_metric_same(store_rows_text(r, 2), options.s ? options.s : "");
        }
        next = (int)store_rows_int(r, 0) + 1;
    }
    if (status == SS_OK) store_rows_close(r);
    if (status == SS_OK && more < 0) status = err->code;
    if (status == SS_OK && !same)
        status = error_set(err, SS_ERR_INPUT, store_folder(s),
                           "has scores of %s by other weights or options; expected those of its table metric",
                           m->row->about.name);
    text_free(&options);
    SS_TRY(status);
    if (*number >= 0) return SS_OK;
    *number = next;
    SS_TRY(store_begin(s, err));
    status = store_add_metric(s, m, next, 0, 1, err);
    if (status == SS_OK) status = store_views(s, err);
    if (status == SS_OK) status = store_commit(s, err);
    if (status != SS_OK) store_rollback(s);
    return status;
}
