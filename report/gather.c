/* The facts of a report, from queries of the store's documented views. The store is only read. */
#include "report/facts.h"
#include "store/sets.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ", avg("x") AS "x"" for every probe column of the study, or those wanted; how many. */
static int add_columns(const study *y, const char *before, const char *after, const uint8_t *wanted, text *sql) {
    int n = 0, column = 0;
    for (int i = 0; i < y->n_probes; i++)
        for (int j = 0; j < y->probe[i]->n_columns; j++, column++) {
            if (wanted && !wanted[column]) continue;
            text_addf(sql, ", %s\"%s\"%s AS \"%s\"", before, y->probe[i]->column[j], after, y->probe[i]->column[j]);
            n++;
        }
    return n;
}

static ss_status ask(report_table *out, const store *s, const text *sql, ss_error *err) {
    if (sql->failed) return error_no_memory(err, "a question", sql->len);
    return report_table_read(out, s, sql->s, err);
}

/* ---- measurements ---- */

static ss_status gather_baseline(report_facts *f, const store *s, ss_error *err) {
    text sql = {0};
    text_add(&sql, "SELECT block, step");
    int n = add_columns(f->study, "avg(", ")", NULL, &sql);
    text_add(&sql, " FROM sites WHERE condition = 'baseline' GROUP BY block, step ORDER BY block, step");
    ss_status status = n > 0 ? ask(&f->baseline, s, &sql, err) : SS_OK;
    text_free(&sql);
    return status;
}

/* Probe columns that the baseline leaves empty exist where an edit acts: dose, mass after it, ... */
static int find_edit_columns(const report_facts *f, uint8_t *is_edit) {
    int n = 0;
    for (int c = 2; c < f->baseline.columns; c++) {
        is_edit[c - 2] = 1;
        for (int r = 0; r < f->baseline.rows; r++)
            if (!isnan(report_number(&f->baseline, r, c))) is_edit[c - 2] = 0;
        n += is_edit[c - 2];
    }
    return n;
}

static ss_status append_rows(report_table *to, const report_table *from, ss_error *err) {
    if (!to->name) SS_TRY(report_table_columns(to, (const char *const *)from->name, from->columns, err));
    for (int r = 0; r < from->rows; r++)
        for (int c = 0; c < from->columns; c++) {
            const report_cell *cell = &from->cell[(size_t)r * (size_t)from->columns + (size_t)c];
            SS_TRY(cell->words ? report_table_add_words(to, cell->words, err)
                               : report_table_add_number(to, cell->number, err));
        }
    return SS_OK;
}

static ss_status gather_means(report_facts *f, const store *s, ss_error *err) {
    uint8_t is_edit[STUDY_MAX_PROBES * PROBE_MAX_COLUMNS] = {0};
    ss_status status = SS_OK;
    if (find_edit_columns(f, is_edit) == 0) return SS_OK;
    for (int i = 0; status == SS_OK && i < f->study->n_conditions; i++) {
        const study_condition *c = &f->study->condition[i];
        report_table one = {0};
        text sql = {0};
        if (!c->has_intervention || c->role != CONDITION_STUDIED) continue;
        text_add(&sql, "SELECT condition");
        add_columns(f->study, "avg(", ")", is_edit, &sql);
        text_addf(&sql, " FROM sites WHERE condition = '%s' GROUP BY condition", c->name); /* names have no quotes */
        status = ask(&one, s, &sql, err);
        if (status == SS_OK) status = append_rows(&f->means, &one, err);
        report_table_free(&one);
        text_free(&sql);
    }
    return status;
}

/* ---- census ---- */

static ss_status gather_census(report_facts *f, const store *s, ss_error *err) {
    SS_TRY(report_table_read(
        &f->classes, s,
        "WITH n AS (SELECT count(*) AS n FROM (SELECT DISTINCT prompt, branch FROM keys)),"
        /* a layout of keys counts by the heads of its blocks */
        " w AS (SELECT layout, keys, sum(heads) * 1.0 / (SELECT sum(heads) FROM block) AS w FROM block GROUP BY "
        "layout),"
        " c AS (SELECT token_class, count(*) * 1.0 / (SELECT n FROM n) AS n FROM keys GROUP BY token_class),"
        " k AS (SELECT token_class, sum(n * w / keys) AS keys FROM c JOIN w ON layout IN"
        "   (SELECT layout FROM segment WHERE kind = 'text') GROUP BY token_class"
        "  UNION ALL SELECT 'image', sum(length * w / keys) FROM segment JOIN w ON w.layout = segment.layout"
        "   WHERE kind = 'image'),"
        " s AS (SELECT token_class, count(*) AS sinks, count(*) * 1.0 / sum(count(*)) OVER () AS share,"
        "  sum(rank = 0) * 1.0 / sum(sum(rank = 0)) OVER () AS strongest, avg(mass) AS mean_mass"
        "  FROM sinks WHERE condition = 'baseline' GROUP BY token_class)"
        " SELECT s.token_class AS token_class, sinks, share, strongest, mean_mass, k.keys AS keys FROM s LEFT JOIN k "
        "ON k.token_class = s.token_class ORDER BY sinks DESC, s.token_class",
        err));
    if (f->classes.rows == 0) return SS_OK;
    report_table first;
    SS_TRY(report_table_read(
        &first, s,
        "SELECT avg(row = 0 AND \"column\" = 0) FROM (SELECT coalesce(row, -1) AS row,"
        " coalesce(\"column\", -1) AS \"column\" FROM sinks WHERE condition = 'baseline' AND rank = 0)",
        err));
    f->first_image_key = first.rows ? report_number(&first, 0, 0) : (double)NAN;
    report_table_free(&first);
    SS_TRY(report_table_read(&f->blocks, s,
                             "SELECT block, token_class, count(*) * 1.0 / sum(count(*)) OVER (PARTITION BY block) AS"
                             " share FROM sinks WHERE condition = 'baseline' GROUP BY block, token_class"
                             " ORDER BY block, token_class",
                             err));
    SS_TRY(report_table_read(&f->words, s,
                             "SELECT token_class, word, count(*) AS sinks, count(*) * 1.0 / (SELECT count(*) FROM sinks"
                             " WHERE condition = 'baseline') AS share, avg(mass) AS mean_mass FROM sinks"
                             " WHERE condition = 'baseline' AND word IS NOT NULL GROUP BY token_class, word"
                             " ORDER BY sinks DESC, token_class, word LIMIT 20",
                             err));
    return report_table_read(
        &f->places, s,
        "SELECT s.row AS row, s.\"column\" AS \"column\", count(*) AS sinks, g.length / g.grid_width AS grid_height,"
        " g.grid_width AS grid_width FROM sinks s JOIN block b ON b.block = s.block JOIN segment g ON"
        " g.layout = b.layout AND g.name = s.segment AND g.grid_width > 0 WHERE condition = 'baseline'"
        " AND s.row IS NOT NULL GROUP BY 4, 5, 1, 2 ORDER BY 5 DESC, 4 DESC, 1, 2",
        err);
}

static ss_status gather_modules(report_facts *f, const store *s, ss_error *err) {
    report_table kinds;
    SS_TRY(report_table_read(&f->modules, s, "SELECT * FROM blocks ORDER BY block", err));
    SS_TRY(report_table_read(&kinds, s, "SELECT count(DISTINCT kind) FROM block", err));
    f->kinds = kinds.rows ? (int)report_whole(&kinds, 0, 0) : 0;
    report_table_free(&kinds);
    return SS_OK;
}

static ss_status gather_prompts(report_facts *f, const store *s, ss_error *err) {
    report_table t;
    text all = {0};
    SS_TRY(report_table_read(&t, s, "SELECT text FROM prompt WHERE prompt IN (SELECT prompt FROM unit) ORDER BY prompt",
                             err));
    for (int i = 0; i < t.rows; i++) {
        text_add(&all, report_words(&t, i, 0));
        text_add(&all, "\n");
    }
    report_table_free(&t);
    if (all.failed) return error_no_memory(err, "the prompts", all.len);
    sha256_of(all.s, all.len, f->prompts_sha256);
    text_free(&all);
    return SS_OK;
}

static ss_status gather_sets(report_facts *f, const store *s, ss_error *err) {
    store_rows *r;
    SS_TRY(sets_select(&r, s, err));
    return report_table_take(&f->sets, r, err);
}

ss_status facts_gather(report_facts *out, const store *s, const analysis *a, const char *command, ss_error *err) {
    *out = (report_facts){
        .analysis = a, .study = a->study, .store_folder = store_folder(s), .command = command, .first_image_key = NAN};
    SS_TRY(report_table_read(&out->tags, s,
                             "SELECT tag, count(*) AS prompts FROM (SELECT DISTINCT prompt, coalesce(tag, '') AS tag"
                             " FROM units WHERE role = 'baseline') GROUP BY tag ORDER BY min(prompt)",
                             err));
    SS_TRY(gather_prompts(out, s, err));
    SS_TRY(gather_modules(out, s, err));
    SS_TRY(gather_baseline(out, s, err));
    SS_TRY(gather_means(out, s, err));
    SS_TRY(gather_census(out, s, err));
    if (a->study->follow)
        SS_TRY(report_table_read(&out->paths, s,
                                 "SELECT condition, step, avg(latent_rmse) AS latent_rmse, avg(velocity_cosine) AS"
                                 " velocity_cosine, count(*) AS images FROM trajectories GROUP BY condition, step"
                                 " ORDER BY min(unit), step",
                                 err));
    SS_TRY(report_table_read(&out->cuts, s,
                             "SELECT branch, encoder, count(*) AS prompts FROM cuts GROUP BY branch, encoder"
                             " ORDER BY branch, encoder",
                             err));
    SS_TRY(gather_sets(out, s, err));
    SS_TRY(facts_gather_pictures(out, s, err));
    return facts_gather_provenance(out, s, err);
}

void facts_free(report_facts *f) {
    report_table *const table[] = {&f->tags,   &f->baseline, &f->means, &f->classes, &f->blocks, &f->words,
                                   &f->places, &f->paths,    &f->sets,  &f->modules, &f->cuts};
    notices_free(&f->notices);
    for (int i = 0; i < (int)(sizeof table / sizeof *table); i++) report_table_free(table[i]);
    for (int i = 0; i < f->n_samples; i++) {
        free(f->sample[i].words);
        free(f->sample[i].tag);
        free(f->sample[i].swapped);
        for (int j = 0; j < f->n_columns; j++) {
            text_free(&f->picture[i][j].img);
            free(f->picture[i][j].note);
        }
    }
    for (int i = 0; i < f->n_entries; i++) {
        free(f->entry[i].name);
        free(f->entry[i].value);
    }
    free(f->entry);
    *f = (report_facts){0};
}
