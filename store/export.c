/* CSV from the store's views. Rows are ordered by their contents (ORDER BY), never by row numbers or the order of
 * insertion. */
#include "store/export.h"

#include <math.h>
#include <string.h>

#include "io/csv.h"

/* The order of conditions is that of the study file; `unit` numbers ascend by (prompt, seed, condition). */
const export_table EXPORT_TABLES[] = {
    {{"scores", "one row an image and metric: prompt, seed, condition, metric, value", NULL},
     "SELECT prompt, seed, condition, metric, value, unreadable, tag, family, role, select_name, k, edit_name, text, "
     "note FROM (SELECT unit, prompt, seed, condition, metric, value, unreadable, tag, family, role, select_name, k,"
     " edit_name, text, note FROM long_scores UNION ALL SELECT unit, prompt, seed, condition, metric, 'failed', 0, tag,"
     " family, role, select_name, k, edit_name, text, reason FROM failed_scores) ORDER BY unit, metric"},
    {{"units", "one row an image: its file, the hash of its pixels", NULL},
     "SELECT prompt, seed, condition, role, tag, family, select_name, k, edit_name, text, image, pixels"
     " FROM units ORDER BY unit"},
    {{"sites", "one row an image, step, block, head and branch: what the probes measured", NULL},
     "SELECT * FROM sites ORDER BY unit, step, block, head, branch"},
    {{"trajectories", "one row an image and step: its distance from the baseline's trajectory", NULL},
     "SELECT * FROM trajectories ORDER BY unit, step"},
    {{"sinks", "one row an image, step, block, head, branch and rank: which token the key is", NULL},
     "SELECT * FROM sinks ORDER BY unit, step, block, head, branch, rank"},
    {{"failures", "one row an image or score that is not finite: where it was seen, why", NULL},
     "SELECT prompt, seed, condition, role, tag, family, select_name, k, edit_name, text, metric, step, reason"
     " FROM failures ORDER BY unit, metric"},
    {{"blocks", "one row a block of the model: its module, kind, heads, queries, keys and their segments", NULL},
     "SELECT * FROM blocks ORDER BY block"},
    {{"cuts", "one row a text and encoder that cuts it: its tokens, and the words that the encoder does not see", NULL},
     "SELECT * FROM cuts ORDER BY prompt, branch, encoder"},
    {{"actions", "one row an image and intervention: at how many sites it found keys or query rows to act on", NULL},
     "SELECT * FROM actions ORDER BY unit, number"},
};
const int EXPORT_TABLE_COUNT = sizeof EXPORT_TABLES / sizeof *EXPORT_TABLES;

/* Shortest of the digits that reads back as the same number: float32 values where they are such. */
static void export_add_number(text *out, int column, double x) {
    csv_add_double(out, column, x, (double)(float)x == x ? 9 : 17);
}

static void export_add_row(store_rows *r, text *out) {
    for (int i = 0; i < store_rows_columns(r); i++) {
        int kind = store_rows_is_number(r, i);
        if (kind == 1) csv_add_int(out, i, store_rows_int(r, i));
        else if (kind == 2) export_add_number(out, i, store_rows_double(r, i));
        else csv_add_text(out, i, store_rows_text(r, i));
    }
    csv_add_end(out);
}

ss_status export_csv(const store *s, const export_table *table, export_write write, void *user, ss_error *err) {
    enum { CHUNK = 1 << 16 };
    store_rows *r;
    text out = {0};
    int more = 1, closed = 0;
    SS_TRY(store_select(&r, s, err, table->sql));
    for (int i = 0; i < store_rows_columns(r); i++) csv_add_text(&out, i, store_rows_name(r, i));
    csv_add_end(&out);
    while (!closed && !out.failed && (more = store_rows_next(r, err)) == 1) {
        export_add_row(r, &out);
        if (out.len < CHUNK) continue;
        closed = write(user, out.s, out.len);
        out.len = 0;
    }
    ss_status status = more < 0 ? err->code : out.failed ? error_no_memory(err, "an export", out.len) : SS_OK;
    if (status == SS_OK && !closed && out.len > 0) write(user, out.s, out.len);
    text_free(&out);
    store_rows_close(r);
    return status;
}
