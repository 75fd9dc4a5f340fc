/* The schema of results.sqlite, and its views: all in docs/STORE.md. Tables are singular, views plural; a view is the
 * place to ask. */
#include "study/store_internal.h"

#include <string.h>

const char STORE_TABLES[] =
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE class(class INTEGER PRIMARY KEY, description TEXT NOT NULL UNIQUE);"
    "CREATE TABLE prompt(prompt INTEGER PRIMARY KEY, text TEXT NOT NULL, tag TEXT, metadata TEXT, swapped TEXT);"
    "CREATE TABLE condition(condition INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, family TEXT NOT NULL,"
    " role TEXT NOT NULL, select_name TEXT, k INTEGER, edit_name TEXT, branch TEXT, rows TEXT, scope TEXT, redraw TEXT,"
    " source TEXT, draw INTEGER, draw_of INTEGER NOT NULL, written TEXT, kinds TEXT);"
    "CREATE TABLE metric(metric INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, kind TEXT NOT NULL,"
    " is_binary INTEGER NOT NULL, needs_baseline INTEGER NOT NULL, is_primary INTEGER NOT NULL,"
    " added INTEGER NOT NULL, options TEXT NOT NULL);"
    "CREATE TABLE segment(segment INTEGER PRIMARY KEY, name TEXT NOT NULL, kind TEXT NOT NULL, start INTEGER NOT NULL,"
    " length INTEGER NOT NULL, grid_width INTEGER NOT NULL, layout INTEGER NOT NULL);"
    "CREATE TABLE block(block INTEGER PRIMARY KEY, name TEXT NOT NULL, kind TEXT NOT NULL, heads INTEGER NOT NULL,"
    " queries INTEGER NOT NULL, keys INTEGER NOT NULL, layout INTEGER NOT NULL);"
    "CREATE TABLE unit(unit INTEGER PRIMARY KEY, prompt INTEGER NOT NULL REFERENCES prompt, seed INTEGER NOT NULL,"
    " condition INTEGER NOT NULL REFERENCES condition, class INTEGER NOT NULL REFERENCES class,"
    " image TEXT NOT NULL, pixels TEXT NOT NULL, trace TEXT, trace_sha256 TEXT, UNIQUE(prompt, seed, condition));"
    "CREATE INDEX unit_condition ON unit(condition);"
    "CREATE TABLE score(unit INTEGER NOT NULL REFERENCES unit, metric INTEGER NOT NULL REFERENCES metric,"
    " value REAL NOT NULL, unreadable INTEGER NOT NULL, note TEXT NOT NULL, PRIMARY KEY(unit, metric)) WITHOUT ROWID;"
    "CREATE TABLE sink(unit INTEGER NOT NULL REFERENCES unit, step INTEGER NOT NULL, block INTEGER NOT NULL,"
    " head INTEGER NOT NULL, branch INTEGER NOT NULL, rank INTEGER NOT NULL, key INTEGER NOT NULL,"
    " class INTEGER NOT NULL, mass REAL NOT NULL, PRIMARY KEY(unit, step, block, head, branch, rank)) WITHOUT ROWID;"
    "CREATE TABLE trajectory(unit INTEGER NOT NULL REFERENCES unit, step INTEGER NOT NULL, latent_rmse REAL NOT NULL,"
    " velocity_cosine REAL, PRIMARY KEY(unit, step)) WITHOUT ROWID;"
    "CREATE TABLE token(prompt INTEGER NOT NULL REFERENCES prompt, branch INTEGER NOT NULL, key INTEGER NOT NULL,"
    " class INTEGER NOT NULL, word TEXT NOT NULL, PRIMARY KEY(prompt, branch, key)) WITHOUT ROWID;";

void store_site_table(const study *y, text *out) {
    text_add(out, "CREATE TABLE site(unit INTEGER NOT NULL REFERENCES unit, step INTEGER NOT NULL,"
                  " block INTEGER NOT NULL, head INTEGER NOT NULL, branch INTEGER NOT NULL");
    for (int i = 0; i < y->n_probes; i++)
        for (int j = 0; j < y->probe[i]->n_columns; j++) text_addf(out, ", \"%s\" REAL", y->probe[i]->column[j]);
    text_add(out, ", PRIMARY KEY(unit, step, block, head, branch)) WITHOUT ROWID;");
}

/* "clip-t" as a column: clip_t. */
static void add_column_name(const char *name, text *out) {
    for (; *name; name++) text_add_n(out, *name == '-' ? "_" : name, 1);
}

/* What every view says of the unit it speaks of. */
static const char UNIT_COLUMNS[] =
    "u.unit AS unit, u.prompt AS prompt, p.text AS text, p.tag AS tag, u.seed AS seed, c.name AS condition,"
    " c.family AS family, coalesce(c.select_name, c.family) AS select_name, c.k AS k, c.edit_name AS edit_name";
static const char UNIT_TABLES[] =
    " FROM unit u JOIN prompt p ON p.prompt = u.prompt JOIN condition c ON c.condition = u.condition";
static const char PROPER[] = " c.role IN ('baseline', 'studied', 'positive')"; /* not shams, not calibration */

/* One row an image, one column a metric. */
static ss_status add_score_view(store *s, const char *name, const char *where, text *out, ss_error *err) {
    sqlite3_stmt *metrics;
    SS_TRY(store_prepare(s, "SELECT metric, name FROM metric ORDER BY metric", &metrics, err));
    text_addf(out, "CREATE VIEW %s AS SELECT %s", name, UNIT_COLUMNS);
    int code;
    while ((code = sqlite3_step(metrics)) == SQLITE_ROW) {
        int number = sqlite3_column_int(metrics, 0);
        const unsigned char *column = sqlite3_column_text(metrics, 1);
        text_addf(out, ", (SELECT value FROM score x WHERE x.unit = u.unit AND x.metric = %d) AS \"", number);
        add_column_name(column ? (const char *)column : "", out);
        text_add(out, "\"");
    }
    text_addf(out,
              ", (SELECT max(unreadable) FROM score x WHERE x.unit = u.unit) AS unreadable, u.image AS image%s"
              " WHERE %s;",
              UNIT_TABLES, where);
    sqlite3_finalize(metrics);
    return code == SQLITE_DONE ? SS_OK : store_sql_error(s, "reading table metric", err);
}

/* Of a row x of table sink or token, in segment g. */
static const char BRANCH[] = "CASE x.branch WHEN 0 THEN 'cond' ELSE 'uncond' END AS branch";
static const char TOKEN_CLASS[] = "CASE x.class WHEN 0 THEN 'image' ELSE g.name || ' ' || CASE x.class WHEN 1 THEN"
                                  " 'start' WHEN 2 THEN 'word' WHEN 3 THEN 'end' ELSE 'padding' END END AS token_class";

/* Every text key, with its class: what a census of sinks is held against. */
static void add_key_view(const char *create, text *out) {
    text_addf(out,
              "%s VIEW keys AS SELECT p.prompt AS prompt, p.text AS text, p.tag AS tag, %s, g.name AS segment,"
              " x.key - g.start AS position, %s, x.word AS word FROM token x JOIN prompt p ON p.prompt = x.prompt"
              " JOIN segment g ON x.key >= g.start AND x.key < g.start + g.length"
              " AND g.layout = (SELECT min(layout) FROM segment WHERE kind = 'text');",
              create, BRANCH, TOKEN_CLASS);
}

/* Every block of the model with the segments of its keys, as people read them. */
static void add_block_view(const char *create, text *out) {
    text_addf(out,
              "%s VIEW blocks AS SELECT block, name, kind, heads, queries, keys, (SELECT group_concat(name || ' ' ||"
              " length, ', ') FROM (SELECT name, length FROM segment g WHERE g.layout = b.layout ORDER BY start)) AS"
              " segments FROM block b;",
              create);
}

static void add_site_views(const char *create, const study *y, text *out) {
    text_addf(out, "%s VIEW sites AS SELECT %s, x.step AS step, x.block AS block, b.kind AS kind, x.head AS head, %s",
              create, UNIT_COLUMNS, BRANCH);
    for (int i = 0; i < y->n_probes; i++)
        for (int j = 0; j < y->probe[i]->n_columns; j++)
            text_addf(out, ", x.\"%s\" AS \"%s\"", y->probe[i]->column[j], y->probe[i]->column[j]);
    text_addf(out, "%s JOIN site x ON x.unit = u.unit LEFT JOIN block b ON b.block = x.block WHERE%s;", UNIT_TABLES,
              PROPER);
    text_addf(out,
              "%s VIEW sinks AS SELECT %s, x.step AS step, x.block AS block, b.kind AS kind, x.head AS head, %s,"
              " x.rank AS rank,"
              " g.name AS segment, x.key - g.start AS position,"
              " CASE WHEN g.grid_width > 0 THEN (x.key - g.start) / g.grid_width END AS row,"
              " CASE WHEN g.grid_width > 0 THEN (x.key - g.start) %% g.grid_width END AS \"column\","
              " %s, nullif(t.word, '') AS word, x.mass AS mass%s"
              " JOIN sink x ON x.unit = u.unit JOIN block b ON b.block = x.block"
              " JOIN segment g ON g.layout = b.layout AND x.key >= g.start AND x.key < g.start + g.length"
              " LEFT JOIN token t ON t.prompt = u.prompt AND t.branch = x.branch AND t.key = x.key AND g.kind = 'text'"
              " WHERE%s;",
              create, UNIT_COLUMNS, BRANCH, TOKEN_CLASS, UNIT_TABLES, PROPER);
}

ss_status store_views(store *s, ss_error *err) {
    text sql = {0};
    text_add(&sql, "DROP VIEW IF EXISTS scores; DROP VIEW IF EXISTS calibrations; DROP VIEW IF EXISTS units;"
                   " DROP VIEW IF EXISTS sites; DROP VIEW IF EXISTS sinks; DROP VIEW IF EXISTS shams;"
                   " DROP VIEW IF EXISTS blocks; DROP VIEW IF EXISTS long_scores; DROP VIEW IF EXISTS keys; DROP VIEW "
                   "IF EXISTS trajectories;");
    text_addf(&sql,
              "CREATE VIEW units AS SELECT %s, c.role AS role, u.image AS image, u.pixels AS pixels,"
              " u.trace AS trace, k.description AS numeric_class%s JOIN class k ON k.class = u.class;",
              UNIT_COLUMNS, UNIT_TABLES);
    text_addf(&sql,
              "CREATE VIEW long_scores AS SELECT %s, c.role AS role, m.name AS metric, x.value AS value,"
              " x.unreadable AS unreadable, x.note AS note%s JOIN score x ON x.unit = u.unit"
              " JOIN metric m ON m.metric = x.metric;",
              UNIT_COLUMNS, UNIT_TABLES);
    text_addf(&sql,
              "CREATE VIEW shams AS SELECT %s, u.pixels = b.pixels AS equal%s JOIN unit b ON b.prompt = u.prompt AND"
              " b.seed = u.seed AND b.condition = 0 WHERE c.role = 'sham';",
              UNIT_COLUMNS, UNIT_TABLES);
    text_addf(&sql,
              "CREATE VIEW trajectories AS SELECT %s, x.step AS step, x.latent_rmse AS latent_rmse,"
              " x.velocity_cosine AS velocity_cosine%s JOIN trajectory x ON x.unit = u.unit WHERE%s;",
              UNIT_COLUMNS, UNIT_TABLES, PROPER);
    add_block_view("CREATE", &sql);
    add_key_view("CREATE", &sql);
    add_site_views("CREATE", s->study, &sql);
    ss_status status = add_score_view(s, "scores", PROPER, &sql, err);
    if (status == SS_OK) status = add_score_view(s, "calibrations", " c.role = 'calibration'", &sql, err);
    if (status == SS_OK && sql.failed) status = error_no_memory(err, "the schema", sql.len);
    if (status == SS_OK) status = store_exec(s, sql.s, err);
    text_free(&sql);
    return status;
}

/* Stores of version 1 know one joint attention, the same in every block; what has come since is laid over them, in the
 * connection alone: the file stays as it is. */
static const char SINCE_VERSION_1[] =
    "CREATE TEMP VIEW segment AS SELECT *, 0 AS layout FROM main.segment;"
    "CREATE TEMP TABLE block AS SELECT DISTINCT block AS block, '' AS name, 'joint' AS kind,"
    " (SELECT count(DISTINCT head) FROM main.site WHERE unit = (SELECT min(unit) FROM main.site)) AS heads, (SELECT "
    "sum(length) FROM main.segment) AS queries,"
    " (SELECT sum(length) FROM main.segment) AS keys, 0 AS layout FROM"
    " (SELECT block FROM main.site WHERE unit = (SELECT min(unit) FROM main.site)"
    "  UNION SELECT block FROM main.sink WHERE unit = (SELECT min(unit) FROM main.sink));";

ss_status store_read_version_1(store *s, ss_error *err) {
    text sql = {0};
    text_add(&sql, SINCE_VERSION_1);
    add_block_view("CREATE TEMP", &sql);
    add_key_view("CREATE TEMP", &sql);
    add_site_views("CREATE TEMP", s->study, &sql);
    ss_status status = sql.failed ? error_no_memory(err, "the schema", sql.len) : store_exec(s, sql.s, err);
    text_free(&sql);
    return status;
}
