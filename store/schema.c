/* The schema of results.sqlite, and its views: all in docs/STORE.md. Tables are singular, views plural; a view is the
 * place to ask. */
#include "store/internal.h"

#include <string.h>

typedef struct store_table {
    const char *name;
    int since; /* the version of the store that brought it */
    const char *columns, *after;
} store_table;

/* `columns` goes between the parentheses of CREATE TABLE; `after` behind them. A table that a later version brought is
 * there, empty, in an older store that is read (store_read_older). */
static const store_table TABLES[] = {
    {"meta", 1, "key TEXT PRIMARY KEY, value TEXT NOT NULL", " WITHOUT ROWID"},
    {"class", 1, "class INTEGER PRIMARY KEY, description TEXT NOT NULL UNIQUE", ""},
    {"prompt", 1, "prompt INTEGER PRIMARY KEY, text TEXT NOT NULL, tag TEXT, metadata TEXT, swapped TEXT", ""},
    {"condition", 1,
     "condition INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, family TEXT NOT NULL,"
     " role TEXT NOT NULL, select_name TEXT, k INTEGER, edit_name TEXT, branch TEXT, rows TEXT, scope TEXT,"
     " redraw TEXT, source TEXT, draw INTEGER, draw_of INTEGER NOT NULL, written TEXT, kinds TEXT",
     ""},
    {"metric", 1,
     "metric INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, kind TEXT NOT NULL,"
     " is_binary INTEGER NOT NULL, needs_baseline INTEGER NOT NULL, is_primary INTEGER NOT NULL,"
     " added INTEGER NOT NULL, options TEXT NOT NULL",
     ""},
    {"segment", 1,
     "segment INTEGER PRIMARY KEY, name TEXT NOT NULL, kind TEXT NOT NULL, start INTEGER NOT NULL,"
     " length INTEGER NOT NULL, grid_width INTEGER NOT NULL, layout INTEGER NOT NULL",
     ""},
    {"block", 2,
     "block INTEGER PRIMARY KEY, name TEXT NOT NULL, kind TEXT NOT NULL, heads INTEGER NOT NULL,"
     " queries INTEGER NOT NULL, keys INTEGER NOT NULL, layout INTEGER NOT NULL",
     ""},
    /* seed: a whole number, from 2^63 on its digits as text (no type: INTEGER would make them a float).
     * image and pixels: NULL where the unit has failed (table failure) */
    {"unit", 1,
     "unit INTEGER PRIMARY KEY, prompt INTEGER NOT NULL REFERENCES prompt, seed NOT NULL,"
     " condition INTEGER NOT NULL REFERENCES condition, class INTEGER NOT NULL REFERENCES class,"
     " image TEXT, pixels TEXT, trace TEXT, trace_sha256 TEXT, UNIQUE(prompt, seed, condition)",
     ""},
    {"score", 1,
     "unit INTEGER NOT NULL REFERENCES unit, metric INTEGER NOT NULL REFERENCES metric,"
     " value REAL NOT NULL, unreadable INTEGER NOT NULL, note TEXT NOT NULL, PRIMARY KEY(unit, metric)",
     " WITHOUT ROWID"},
    {"sink", 1,
     "unit INTEGER NOT NULL REFERENCES unit, step INTEGER NOT NULL, block INTEGER NOT NULL,"
     " head INTEGER NOT NULL, branch INTEGER NOT NULL, rank INTEGER NOT NULL, key INTEGER NOT NULL,"
     " class INTEGER NOT NULL, mass REAL NOT NULL, PRIMARY KEY(unit, step, block, head, branch, rank)",
     " WITHOUT ROWID"},
    {"trajectory", 1,
     "unit INTEGER NOT NULL REFERENCES unit, step INTEGER NOT NULL, latent_rmse REAL NOT NULL,"
     " velocity_cosine REAL, PRIMARY KEY(unit, step)",
     " WITHOUT ROWID"},
    {"token", 1,
     "prompt INTEGER NOT NULL REFERENCES prompt, branch INTEGER NOT NULL, key INTEGER NOT NULL,"
     " class INTEGER NOT NULL, word TEXT NOT NULL, PRIMARY KEY(prompt, branch, key)",
     " WITHOUT ROWID"},
    /* a unit whose numbers were not finite; step: after which it was seen, NULL: in its image */
    {"failure", 3, "unit INTEGER PRIMARY KEY REFERENCES unit, step INTEGER, reason TEXT NOT NULL", ""},
    /* an image whose score was not finite */
    {"score_failure", 3,
     "unit INTEGER NOT NULL REFERENCES unit, metric INTEGER NOT NULL REFERENCES metric, reason TEXT NOT NULL,"
     " PRIMARY KEY(unit, metric)",
     " WITHOUT ROWID"},
    /* texts that an encoder cuts; branch 0: the prompt, 1: the negative prompt; words: what it does not see */
    {"cut", 3,
     "prompt INTEGER NOT NULL REFERENCES prompt, branch INTEGER NOT NULL, encoder TEXT NOT NULL,"
     " tokens INTEGER NOT NULL, kept INTEGER NOT NULL, words TEXT NOT NULL, PRIMARY KEY(prompt, branch, encoder)",
     " WITHOUT ROWID"},
    /* at how many sites each intervention of a unit found keys or query rows; number: in the condition, from 0 */
    {"action", 3,
     "unit INTEGER NOT NULL REFERENCES unit, number INTEGER NOT NULL, sites INTEGER NOT NULL,"
     " PRIMARY KEY(unit, number)",
     " WITHOUT ROWID"},
};

static void add_site_table(const study *y, text *out) {
    text_add(out, "CREATE TABLE site(unit INTEGER NOT NULL REFERENCES unit, step INTEGER NOT NULL,"
                  " block INTEGER NOT NULL, head INTEGER NOT NULL, branch INTEGER NOT NULL");
    for (int i = 0; i < y->n_probes; i++)
        for (int j = 0; j < y->probe[i]->n_columns; j++) text_addf(out, ", \"%s\" REAL", y->probe[i]->column[j]);
    text_add(out, ", PRIMARY KEY(unit, step, block, head, branch)) WITHOUT ROWID;");
}

static void add_tables(const char *create, int since, text *out) {
    for (size_t i = 0; i < sizeof TABLES / sizeof *TABLES; i++)
        if (TABLES[i].since >= since)
            text_addf(out, "%s %s(%s)%s;", create, TABLES[i].name, TABLES[i].columns, TABLES[i].after);
}

void store_tables(const study *y, text *out) {
    add_tables("CREATE TABLE", 1, out);
    text_add(out, "CREATE INDEX unit_condition ON unit(condition);");
    add_site_table(y, out);
}

/* "clip-t" as a column between double quotes: clip_t. */
static void add_column_name(const char *name, text *out) {
    for (; *name; name++) {
        if (*name == '"') text_add(out, "\"");
        text_add_n(out, *name == '-' ? "_" : name, 1);
    }
}

/* Columns of the unit that every view has. */
static const char UNIT_COLUMNS[] =
    "u.unit AS unit, u.prompt AS prompt, p.text AS text, p.tag AS tag, u.seed AS seed, c.name AS condition,"
    " c.family AS family, coalesce(c.select_name, c.family) AS select_name, c.k AS k, c.edit_name AS edit_name";
static const char UNIT_TABLES[] =
    " FROM unit u JOIN prompt p ON p.prompt = u.prompt JOIN condition c ON c.condition = u.condition";
static const char PROPER[] = " c.role IN ('baseline', 'studied', 'positive')"; /* not shams, not calibration */

/* One row an image, one column a metric. */
static ss_status add_score_view(store *s, const char *create, const char *name, const char *where, text *out,
                                ss_error *err) {
    sqlite3_stmt *metrics;
    SS_TRY(store_prepare(s, "SELECT metric, name FROM metric ORDER BY metric", &metrics, err));
    text_addf(out, "%s VIEW %s AS SELECT %s", create, name, UNIT_COLUMNS);
    int code;
    ss_status status = SS_OK;
    while ((code = sqlite3_step(metrics)) == SQLITE_ROW) {
        int number = sqlite3_column_int(metrics, 0);
        const char *column;
        if (store_column_text(s, metrics, 1, &column, err) != SS_OK) status = err->code;
        text_addf(out, ", (SELECT value FROM score x WHERE x.unit = u.unit AND x.metric = %d) AS \"", number);
        add_column_name(column ? column : "", out);
        text_add(out, "\"");
    }
    text_addf(out,
              ", (SELECT max(unreadable) FROM score x WHERE x.unit = u.unit) AS unreadable, u.image AS image,"
              " EXISTS (SELECT 1 FROM failure f WHERE f.unit = u.unit) AS failed%s WHERE %s;",
              UNIT_TABLES, where);
    if (status == SS_OK && code != SQLITE_DONE) status = store_sql_error(s, "reading table metric", err);
    sqlite3_finalize(metrics);
    return status;
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

/* Scores that are not there because something failed: a row an image and metric that would have one. Images without a
 * image lack all of a metric's scores, but for what was scored elsewhere and not yet taken over for their condition. */
static void add_failed_score_view(const char *create, text *out) {
    text_addf(
        out,
        "%s VIEW failed_scores AS SELECT %s, c.role AS role, f.metric AS number, m.name AS metric,"
        " m.is_binary AS is_binary, c.draw_of AS draw_of, f.reason AS reason%s JOIN"
        " (SELECT unit, metric, reason FROM score_failure UNION ALL SELECT v.unit, n.metric, v.reason FROM failure v"
        " JOIN unit w ON w.unit = v.unit JOIN condition d ON d.condition = w.condition JOIN metric n"
        " WHERE d.role <> 'sham' AND NOT (n.needs_baseline AND d.role IN ('baseline', 'calibration'))"
        " AND NOT EXISTS (SELECT 1 FROM score x WHERE x.unit = v.unit AND x.metric = n.metric)"
        " AND (EXISTS (SELECT 1 FROM unit y WHERE y.condition = w.condition AND (EXISTS (SELECT 1 FROM score x"
        " WHERE x.unit = y.unit AND x.metric = n.metric) OR EXISTS (SELECT 1 FROM score_failure x WHERE x.unit ="
        " y.unit AND x.metric = n.metric))) OR NOT EXISTS (SELECT 1 FROM unit y WHERE y.condition = w.condition AND "
        "y.image"
        " IS NOT NULL))) f ON f.unit = u.unit JOIN metric m ON m.metric = f.metric;",
        create, UNIT_COLUMNS, UNIT_TABLES);
}

/* Images and scores that failed: a row each. */
static void add_failure_views(const char *create, text *out) {
    text_addf(out,
              "%s VIEW failures AS SELECT %s, c.role AS role, f.metric AS metric, f.step AS step, f.reason AS reason%s"
              " JOIN (SELECT unit, NULL AS metric, step, reason FROM failure UNION ALL SELECT x.unit, m.name, NULL,"
              " x.reason FROM score_failure x JOIN metric m ON m.metric = x.metric) f ON f.unit = u.unit;",
              create, UNIT_COLUMNS, UNIT_TABLES);
}

/* What encoders do not see of a text, and where interventions acted. */
static void add_notice_views(const char *create, text *out) {
    text_addf(out,
              "%s VIEW cuts AS SELECT p.prompt AS prompt, p.text AS text, p.tag AS tag, %s, x.encoder AS encoder,"
              " x.tokens AS tokens, x.kept AS kept, x.words AS words FROM cut x JOIN prompt p ON p.prompt = x.prompt;",
              create, BRANCH);
    text_addf(out,
              "%s VIEW actions AS SELECT %s, c.role AS role, x.number AS number, x.sites AS sites%s"
              " JOIN action x ON x.unit = u.unit;",
              create, UNIT_COLUMNS, UNIT_TABLES);
}

/* Every view; `create` is CREATE, or CREATE TEMP for this connection alone. */
static ss_status add_views(store *s, const char *create, text *out, ss_error *err) {
    text_addf(out,
              "%s VIEW units AS SELECT %s, c.role AS role, u.image AS image, u.pixels AS pixels,"
              " u.trace AS trace, k.description AS numeric_class,"
              " EXISTS (SELECT 1 FROM failure f WHERE f.unit = u.unit) AS failed%s JOIN class k ON k.class = u.class;",
              create, UNIT_COLUMNS, UNIT_TABLES);
    text_addf(out,
              "%s VIEW long_scores AS SELECT %s, c.role AS role, m.name AS metric, x.value AS value,"
              " x.unreadable AS unreadable, x.note AS note%s JOIN score x ON x.unit = u.unit"
              " JOIN metric m ON m.metric = x.metric;",
              create, UNIT_COLUMNS, UNIT_TABLES);
    text_addf(out,
              "%s VIEW shams AS SELECT %s, u.pixels = b.pixels AS equal%s JOIN unit b ON b.prompt = u.prompt AND"
              " b.seed = u.seed AND b.condition = 0 WHERE c.role = 'sham';",
              create, UNIT_COLUMNS, UNIT_TABLES);
    text_addf(out,
              "%s VIEW trajectories AS SELECT %s, x.step AS step, x.latent_rmse AS latent_rmse,"
              " x.velocity_cosine AS velocity_cosine%s JOIN trajectory x ON x.unit = u.unit WHERE%s;",
              create, UNIT_COLUMNS, UNIT_TABLES, PROPER);
    add_block_view(create, out);
    add_key_view(create, out);
    add_site_views(create, s->study, out);
    add_failure_views(create, out);
    add_notice_views(create, out);
    add_failed_score_view(create, out);
    SS_TRY(add_score_view(s, create, "scores", PROPER, out, err));
    return add_score_view(s, create, "calibrations", " c.role = 'calibration'", out, err);
}

static ss_status run_sql(store *s, text *sql, ss_status status, ss_error *err) {
    if (status == SS_OK && sql->failed) status = error_no_memory(err, "the schema", sql->len);
    if (status == SS_OK) status = store_exec(s, sql->s, err);
    text_free(sql);
    return status;
}

ss_status store_views(store *s, ss_error *err) {
    static const char *const VIEWS[] = {"units", "long_scores", "shams",  "trajectories", "blocks",
                                        "keys",  "sites",       "sinks",  "failures",     "failed_scores",
                                        "cuts",  "actions",     "scores", "calibrations"};
    text sql = {0};
    for (size_t i = 0; i < sizeof VIEWS / sizeof *VIEWS; i++) text_addf(&sql, "DROP VIEW IF EXISTS %s;", VIEWS[i]);
    ss_status status = add_views(s, "CREATE", &sql, err);
    return run_sql(s, &sql, status, err);
}

/* ---- older versions ---- */

/* What stores of up to `version` lack or have otherwise, made from what they have: laid over them in the connection
 * alone, as temporary tables and views of the same names. The file stays as it is. Tables that are simply not there
 * need no row here: they are empty. */
static const struct older {
    int version;
    const char *sql;
} OLDER[] = {
    /* one joint attention, the same in every block */
    {1,
     "CREATE TEMP VIEW segment AS SELECT *, 0 AS layout FROM main.segment;"
     "CREATE TEMP TABLE block AS SELECT DISTINCT block AS block, '' AS name, 'joint' AS kind,"
     " (SELECT count(DISTINCT head) FROM main.site WHERE unit = (SELECT min(unit) FROM main.site)) AS heads, (SELECT "
     "sum(length) FROM main.segment) AS queries,"
     " (SELECT sum(length) FROM main.segment) AS keys, 0 AS layout FROM"
     " (SELECT block FROM main.site WHERE unit = (SELECT min(unit) FROM main.site)"
     "  UNION SELECT block FROM main.sink WHERE unit = (SELECT min(unit) FROM main.sink));"},
};

ss_status store_read_older(store *s, ss_error *err) {
    text sql = {0};
    ss_status status = SS_OK;
    for (size_t i = 0; i < sizeof OLDER / sizeof *OLDER; i++)
        if (s->version <= OLDER[i].version) text_add(&sql, OLDER[i].sql);
    add_tables("CREATE TEMP TABLE IF NOT EXISTS", s->version + 1, &sql);
    SS_TRY(run_sql(s, &sql, status, err)); /* views name what is made here */
    status = add_views(s, "CREATE TEMP", &sql, err);
    return run_sql(s, &sql, status, err);
}
