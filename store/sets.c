/* The distances of sets that a store has: their table, and its rows. See docs/STORE.md. */
#include "store/sets.h"

#include <string.h>

#include "store/internal.h"

static const char TABLE[] =
    "CREATE TABLE IF NOT EXISTS set_score(metric TEXT NOT NULL, condition INTEGER NOT NULL REFERENCES condition,"
    " options TEXT NOT NULL, n INTEGER NOT NULL, n_baseline INTEGER NOT NULL, value REAL NOT NULL, low REAL, high REAL,"
    " PRIMARY KEY(metric, condition)) WITHOUT ROWID;"
    "CREATE VIEW IF NOT EXISTS set_scores AS SELECT x.metric AS metric, c.name AS condition, c.family AS family,"
    " c.role AS role, coalesce(c.select_name, c.family) AS select_name, c.k AS k, c.edit_name AS edit_name, x.n AS n,"
    " x.n_baseline AS n_baseline, x.value AS value, x.low AS low, x.high AS high, x.options AS options"
    " FROM set_score x JOIN condition c ON c.condition = x.condition;";

ss_status store_make_sets(store *s, ss_error *err) { return store_exec(s, TABLE, err); }

static ss_status has_table(const store *s, int *has, ss_error *err) {
    store_rows *r;
    SS_TRY(store_select(&r, s, err, "SELECT 1 FROM sqlite_master WHERE name = 'set_scores'"));
    *has = store_rows_next(r, err);
    store_rows_close(r);
    return *has < 0 ? err->code : SS_OK;
}

ss_status sets_select(store_rows **out, const store *s, ss_error *err) {
    int has;
    SS_TRY(has_table(s, &has, err));
    return store_select(
        out, s, err,
        has ? "SELECT metric, condition, role, n, n_baseline, value, low, high, options FROM set_scores"
              " ORDER BY metric, (SELECT condition FROM condition c WHERE c.name = set_scores.condition)"
            : "SELECT '' AS metric, '' AS condition, '' AS role, 0 AS n, 0 AS n_baseline, 0.0 AS value,"
              " NULL AS low, NULL AS high, '' AS options WHERE 0");
}

/* Images of a condition that have failed: no distance holds them. */
static ss_status count_failed(const store *s, const char *condition, int64_t *n, ss_error *err) {
    sqlite3_stmt *q;
    SS_TRY(
        store_prepare(s,
                      "SELECT count(*) FROM unit u JOIN condition c ON c.condition = u.condition WHERE c.name = ? AND"
                      " u.image IS NULL",
                      &q, err));
    sqlite3_bind_text(q, 1, condition, -1, SQLITE_STATIC);
    int code = sqlite3_step(q);
    *n = code == SQLITE_ROW ? sqlite3_column_int64(q, 0) : 0;
    ss_status status = code == SQLITE_ROW ? SS_OK : store_sql_error(s, "table unit", err);
    sqlite3_finalize(q);
    return status;
}

/* Conditions of which failures have left too little for a distance. */
static ss_status describe_without(const store *s, text *out, ss_error *err) {
    store_rows *r;
    int more;
    SS_TRY(
        store_select(&r, s, err,
                     "SELECT m.metric, c.name, count(u.image), sum(u.image IS NULL)"
                     " FROM (SELECT DISTINCT metric FROM set_scores) m, condition c JOIN unit u"
                     " ON u.condition = c.condition WHERE c.name NOT IN (SELECT condition FROM set_scores)"
                     " GROUP BY m.metric, c.condition HAVING sum(u.image IS NULL) > 0 ORDER BY m.metric, c.condition"));
    while ((more = store_rows_next(r, err)) == 1)
        text_addf(out, "%-8s %-24s %7lld  none: %lld images failed\n", store_rows_text(r, 0), store_rows_text(r, 1),
                  (long long)store_rows_int(r, 2), (long long)store_rows_int(r, 3));
    store_rows_close(r);
    return more < 0 ? err->code : SS_OK;
}

ss_status sets_describe(const store *s, text *out, ss_error *err) {
    store_rows *r;
    int more, first = 1;
    ss_status status = SS_OK;
    SS_TRY(sets_select(&r, s, err));
    while ((more = store_rows_next(r, err)) == 1) {
        if (first)
            text_addf(out, "\n%-8s %-24s %7s  distance from the baseline's images [95 %% CI]\n", "set", "condition",
                      "images");
        first = 0;
        text_addf(out, "%-8s %-24s %7lld  ", store_rows_text(r, 0), store_rows_text(r, 1),
                  (long long)store_rows_int(r, 3));
        text_add_double(out, store_rows_double(r, 5), 4);
        if (!store_rows_is_null(r, 6)) {
            text_add(out, " [");
            text_add_double(out, store_rows_double(r, 6), 4);
            text_add(out, ", ");
            text_add_double(out, store_rows_double(r, 7), 4);
            text_add(out, "]");
        }
        int64_t failed;
        if ((status = count_failed(s, store_rows_text(r, 1), &failed, err)) != SS_OK) break;
        if (failed) text_addf(out, "  (without %lld that failed)", (long long)failed);
        if (strstr(store_rows_text(r, 8), STUDY_RANDOM_WEIGHTS)) text_add(out, "  (random weights: means nothing)");
        text_add(out, "\n");
    }
    store_rows_close(r);
    if (status == SS_OK && more >= 0 && !first) return describe_without(s, out, err);
    return more < 0 ? err->code : status;
}
