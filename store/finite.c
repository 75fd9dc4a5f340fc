/* Values of a store that are not finite though nothing marks them as failed: infinite numbers, and those that were not
 * a number, which SQLite keeps as NULL or which have no row. It checks the columns that a probe has in every call. */
#include <string.h>

#include "store/internal.h"

/* "12 infinite values in table site, column dose" for one column. */
static ss_status count_infinite(const store *s, const char *table, const char *column, text *found, int64_t *n,
                                ss_error *err) {
    text sql = {0};
    store_rows *r;
    text_addf(&sql, "SELECT count(*) FROM %s WHERE typeof(\"%s\") = 'real' AND abs(\"%s\") >= 9e999", table, column,
              column);
    ss_status status = sql.failed ? error_no_memory(err, "a question", sql.len) : store_select(&r, s, err, sql.s);
    text_free(&sql);
    SS_TRY(status);
    int more = store_rows_next(r, err);
    int64_t count = more == 1 ? store_rows_int(r, 0) : 0;
    store_rows_close(r);
    if (more < 0) return err->code;
    *n += count;
    if (count > 0) text_addf(found, "table %s: %lld infinite values in %s\n", table, (long long)count, column);
    return SS_OK;
}

/* The first measured column that has a number in every call; NULL = none. */
static const char *column_of_every_call(const study *y) {
    for (int i = 0; i < y->n_probes; i++)
        for (int j = 0; j < y->probe[i]->n_columns; j++)
            if (y->probe[i]->always >> j & 1) return y->probe[i]->column[j];
    return NULL;
}

/* Images with fewer numbers in a column than belong there: in every step as many as in the fullest, in as many steps as
 * the condition has (the baseline's, where it has no number of its own). */
static ss_status count_gaps(const store *s, const char *column, text *found, int64_t *n, ss_error *err) {
    const study *y = s->study;
    store_rows *r;
    text sql = {0};
    int more;
    int64_t baseline_steps = 0;
    text_addf(&sql,
              "SELECT u.condition, c.name, x.steps, x.most, x.numbers, count(*) FROM"
              " (SELECT unit, max(step) + 1 AS steps, max(numbers) AS most, sum(numbers) AS numbers FROM"
              "  (SELECT unit, step, count(\"%s\") AS numbers FROM site GROUP BY unit, step) GROUP BY unit) x"
              " JOIN unit u ON u.unit = x.unit JOIN condition c ON c.condition = u.condition"
              " WHERE NOT EXISTS (SELECT 1 FROM failure f WHERE f.unit = u.unit)"
              " GROUP BY u.condition, x.steps, x.most, x.numbers ORDER BY u.condition",
              column);
    ss_status status = sql.failed ? error_no_memory(err, "a question", sql.len) : store_select(&r, s, err, sql.s);
    text_free(&sql);
    SS_TRY(status);
    while ((more = store_rows_next(r, err)) == 1) {
        int64_t condition = store_rows_int(r, 0), steps = store_rows_int(r, 2), images = store_rows_int(r, 5);
        if (condition == 0 && steps > baseline_steps) baseline_steps = steps;
        int own = condition >= 0 && condition < y->n_conditions ? y->condition[condition].sampler_steps : 0;
        int64_t belong = store_rows_int(r, 3) * (own ? own : baseline_steps);
        if (store_rows_int(r, 4) >= belong) continue;
        *n += images;
        text_addf(
            found,
            "table site: %lld images of '%s' have %lld numbers in %s where %lld belong; the rest was not a number\n",
            (long long)images, store_rows_text(r, 1), (long long)store_rows_int(r, 4), column, (long long)belong);
    }
    store_rows_close(r);
    return more < 0 ? err->code : SS_OK;
}

ss_status store_find_not_finite(const store *s, text *found, int64_t *n, ss_error *err) {
    static const char *const COLUMNS[][2] = {
        {"score", "value"}, {"sink", "mass"}, {"trajectory", "latent_rmse"}, {"trajectory", "velocity_cosine"}};
    const study *y = s->study;
    const char *always = column_of_every_call(y);
    *n = 0;
    for (size_t i = 0; i < sizeof COLUMNS / sizeof *COLUMNS; i++)
        SS_TRY(count_infinite(s, COLUMNS[i][0], COLUMNS[i][1], found, n, err));
    for (int i = 0; i < y->n_probes; i++)
        for (int j = 0; j < y->probe[i]->n_columns; j++)
            SS_TRY(count_infinite(s, "site", y->probe[i]->column[j], found, n, err));
    if (always) SS_TRY(count_gaps(s, always, found, n, err));
    return found->failed ? error_no_memory(err, "what is not finite", found->len) : SS_OK;
}

/* Earlier programs took seeds that are equal modulo 2^32: one noise, counted twice (base/seed.h). */
static ss_status tell_same_noise(const store *s, notices *list, ss_error *err) {
    store_rows *r;
    SS_TRY(store_select(&r, s, err,
                        "SELECT p.text, min(x.seed), max(x.seed) FROM (SELECT DISTINCT prompt, seed FROM unit) x JOIN"
                        " prompt p ON p.prompt = x.prompt GROUP BY x.prompt, x.seed & 4294967295 HAVING count(*) > 1"
                        " ORDER BY x.prompt LIMIT 1"));
    int more = store_rows_next(r, err);
    ss_status status = more < 0 ? err->code : SS_OK;
    if (more == 1)
        status =
            notices_add(list, err,
                        "%s: the seeds %s and %s of '%s' are one noise (torch's generator takes seeds modulo 2^32): "
                        "its images are counted twice, and its n, intervals and p values are not to be trusted",
                        s->folder, store_rows_text(r, 1), store_rows_text(r, 2), store_rows_text(r, 0));
    store_rows_close(r);
    return status;
}

ss_status store_tell_older(const store *s, notices *list, ss_error *err) {
    text found = {0};
    int64_t n = 0;
    if (!s->db || s->version >= STORE_VERSION) return SS_OK;
    ss_status status = store_find_not_finite(s, &found, &n, err);
    if (status == SS_OK && n > 0)
        status = notices_add(list, err,
                             "%s: the store is of version %d and holds %lld values that are not finite, or images with "
                             "such; its figures are not to be trusted ('sinkscope verify' lists them)",
                             s->folder, s->version, (long long)n);
    text_free(&found);
    return status == SS_OK ? tell_same_noise(s, list, err) : status;
}
