/* results.sqlite, read by all that reads it: exports, verify, analysis, report. Plain bytes would spend their luck on
 * SQLite's header, so an input is damage to a sound store (finished.h). Its first byte chooses what reads the store and
 * the kind of damage: bytes of the file (two bytes where, one how many, the new bytes), or cells, which SQLite lets be
 * of any type whatever their column says: column, row, kind of value, the value. For speed the store is opened once
 * (its other files are fuzz_manifest.c's and fuzz_study.c's) and gets another database for every run: the sound one in
 * memory, changed in a transaction that is rolled back, or the damaged bytes. */
#include <math.h>
#include <string.h>

#include "io/csv.h"
#include "report/latex.h"
#include "report/report.h"
#include "store/export.h"
#include "store/internal.h"
#include "run/verify.h"
#include "tests/fuzz/finished.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/report/wellformed.h"

enum { MAX_COLUMNS = 128, MAX_RECORDS = 64 };
enum { READ_EXPORTS = 4, READ_VERIFY = READ_EXPORTS, READ_ANALYSIS, READ_REPORT, READERS };

typedef struct input {
    const uint8_t *at, *end;
} input;

static unsigned take(input *in) { return in->at < in->end ? *in->at++ : 0; }

/* ---- damage ---- */

/* A column of a table: how to set one cell of it, how to delete its row. */
typedef struct cell_column {
    sqlite3_stmt *set, *del;
    int rows;
} cell_column;

static store *opened;
static int with_texts;           /* the damage may have written one, and that may say 'nan' by itself */
static sqlite3 *sound, *damaged; /* the store's database in memory; bytes changed */
static int n_columns;
static cell_column columns[MAX_COLUMNS];

static sqlite3_stmt *prepare(const char *sql) {
    sqlite3_stmt *q;
    FUZZ_CHECK(sqlite3_prepare_v2(sound, sql, -1, &q, NULL) == SQLITE_OK);
    return q;
}

static void add_column(const char *table, const char *column, const char *key) {
    cell_column *c = &columns[n_columns++];
    char sql[512];
    FUZZ_CHECK(n_columns <= MAX_COLUMNS);
    snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", table);
    sqlite3_stmt *q = prepare(sql);
    FUZZ_CHECK(sqlite3_step(q) == SQLITE_ROW);
    c->rows = sqlite3_column_int(q, 0);
    sqlite3_finalize(q);
    snprintf(sql, sizeof sql, "UPDATE %s SET \"%s\" = ?1 WHERE (%s) = (SELECT %s FROM %s LIMIT 1 OFFSET ?2)", table,
             column, key, key, table);
    c->set = prepare(sql);
    snprintf(sql, sizeof sql, "DELETE FROM %s WHERE (%s) = (SELECT %s FROM %s LIMIT 1 OFFSET ?2)", table, key, key,
             table);
    c->del = prepare(sql);
}

static void clean(void) {
    for (int i = 0; i < n_columns; i++) {
        sqlite3_finalize(columns[i].set);
        sqlite3_finalize(columns[i].del);
    }
    opened->db = damaged;
    sqlite3_close(sound);
    store_close(opened);
}

/* Both with the settings of store_open_db. */
static void open_databases(const finished *f) {
    ss_error err;
    FUZZ_CHECK(store_open(&opened, f->store, STORE_READ, NULL, &err) == SS_OK);
    char *path = opened->db_path;
    damaged = opened->db;
    opened->db_path = (char[]){":memory:"};
    FUZZ_CHECK(store_open_db(opened, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &err) == SS_OK);
    opened->db_path = path;
    sound = opened->db;
    sqlite3_backup *copy = sqlite3_backup_init(sound, "main", damaged, "main");
    FUZZ_CHECK(copy && sqlite3_backup_step(copy, -1) == SQLITE_DONE && sqlite3_backup_finish(copy) == SQLITE_OK);
    sqlite3_stmt *q = prepare("SELECT m.name, c.name, (SELECT group_concat(k.name) FROM pragma_table_info(m.name) k"
                              " WHERE k.pk > 0) FROM sqlite_schema m, pragma_table_info(m.name) c"
                              " WHERE m.type = 'table' ORDER BY m.name, c.cid");
    while (sqlite3_step(q) == SQLITE_ROW)
        add_column((const char *)sqlite3_column_text(q, 0), (const char *)sqlite3_column_text(q, 1),
                   (const char *)sqlite3_column_text(q, 2));
    sqlite3_finalize(q);
    atexit(clean);
}

static void bind_value(sqlite3_stmt *q, unsigned kind, input *in) {
    static const sqlite3_int64 WHOLE[] = {INT64_MIN, INT64_MAX, INT32_MIN, INT32_MAX, (sqlite3_int64)1 << 32,
                                          -1,        1 << 24};
    static const double REAL[] = {HUGE_VAL, -HUGE_VAL, 1e308, -1e308, 1e-320, -0.0, 1e19};
    unsigned char raw[8];
    sqlite3_int64 whole;
    double real;
    unsigned n = kind == 2 || kind == 3 ? 8 : take(in);
    if (kind == 0) sqlite3_bind_null(q, 1);
    else if (kind == 1) sqlite3_bind_int(q, 1, (int)n - 16);
    else if (kind == 2 || kind == 3) {
        for (int i = 0; i < 8; i++) raw[i] = (unsigned char)take(in);
        memcpy(&whole, raw, sizeof whole);
        memcpy(&real, raw, sizeof real);
        if (kind == 2) sqlite3_bind_int64(q, 1, whole);
        else sqlite3_bind_double(q, 1, real);
    } else if (kind == 4 || kind == 5) {
        with_texts = 1;
        size_t left = (size_t)(in->end - in->at), length = n < left ? n : left;
        if (kind == 4) sqlite3_bind_text(q, 1, (const char *)in->at, (int)length, SQLITE_TRANSIENT);
        else sqlite3_bind_blob(q, 1, in->at, (int)length, SQLITE_TRANSIENT);
        in->at += length;
    } else if (kind == 6) sqlite3_bind_int64(q, 1, WHOLE[n % (sizeof WHOLE / sizeof *WHOLE)]);
    else sqlite3_bind_double(q, 1, REAL[n % (sizeof REAL / sizeof *REAL)]);
}

/* What a constraint of the schema forbids stays undone. */
static void damage_cells(input *in) {
    enum { KINDS = 8, DELETE = KINDS };
    for (int i = 0; i < MAX_RECORDS && in->at < in->end; i++) {
        const cell_column *c = &columns[take(in) % (unsigned)n_columns];
        unsigned row = take(in), kind = take(in) % (KINDS + 1);
        if (c->rows == 0) continue;
        sqlite3_stmt *q = kind == DELETE ? c->del : c->set;
        if (kind != DELETE) bind_value(q, kind, in);
        sqlite3_bind_int(q, 2, (int)(row % (unsigned)c->rows));
        sqlite3_step(q);
        sqlite3_reset(q);
    }
}

static int damage_bytes(input *in) {
    sqlite3_int64 n;
    unsigned char *bytes = sqlite3_serialize(sound, "main", &n, 0);
    FUZZ_CHECK(bytes);
    with_texts = 1;
    while (in->at < in->end) {
        size_t at = take(in), size = (size_t)n;
        at = (at << 8 | take(in)) * 2 % size;
        for (unsigned k = take(in) % 16 + 1; k > 0 && in->at < in->end && at < size; k--)
            bytes[at++] = (unsigned char)take(in);
    }
    return sqlite3_deserialize(damaged, "main", bytes, n, n,
                               SQLITE_DESERIALIZE_FREEONCLOSE | SQLITE_DESERIALIZE_READONLY);
}

/* ---- reading ---- */

/* Two numbers of an analysis that would take a quarter of a second a run are had more cheaply: intervals from a hundred
 * resamples, and the detectable effect, which depends on the number of pairs alone, once for each. The linker puts
 * these in the place of the functions without the prefix (--wrap). */
stats_options __real_stats_options_default(void);
stats_options __wrap_stats_options_default(void);
stats_options __wrap_stats_options_default(void) {
    stats_options o = __real_stats_options_default();
    o.resamples = 100;
    return o;
}

stats_figure __real_stats_detectable_effect(int n, double alpha, double power);
stats_figure __wrap_stats_detectable_effect(int n, double alpha, double power);
stats_figure __wrap_stats_detectable_effect(int n, double alpha, double power) {
    enum { KEPT = 64 };
    static stats_figure kept[KEPT];
    static int known[KEPT];
    if (n < 0 || n >= KEPT) return __real_stats_detectable_effect(n, alpha, power);
    if (!known[n]) kept[n] = __real_stats_detectable_effect(n, alpha, power);
    known[n] = 1;
    return kept[n];
}

static int keep(void *user, const char *bytes, size_t n) {
    text_add_n(user, bytes, n);
    return 0;
}

/* What was exported must be CSV. */
static void read_export(const store *s, const export_table *table, int in_cells) {
    ss_error err = {0};
    text out = {0};
    csv_table *t;
    if (export_csv(s, table, keep, &out, &err) != SS_OK) FUZZ_CHECK(err.message[0]);
    else if (in_cells && !out.failed) {
        FUZZ_CHECK(csv_read_bytes(out.s, out.len, "export.csv", &t, &err) == SS_OK);
        csv_close(t);
    }
    text_free(&out);
}

static void read_verify(const finished *f, store *s) {
    ss_error err = {0};
    verify_report v;
    if (verify_store(s, f->plan, NULL, NULL, 0, NULL, &v, &err) != SS_OK) FUZZ_CHECK(err.message[0]);
    FUZZ_CHECK(v.n_problems >= 0 && v.shams_differing <= v.shams && v.files_damaged <= v.files);
    verify_free(&v);
}

static void check_page(const report_facts *f) {
    text page = {0};
    report_page(f, &page);
    FUZZ_CHECK(page.failed || (!find_malformed(page.s) && (with_texts || !has_bad_number(page.s))));
    latex_tables(f, &page);
    const report_table *tables[] = {&f->baseline, &f->means, &f->classes, &f->blocks, &f->words, &f->places};
    for (int i = 0; i < (int)(sizeof tables / sizeof *tables); i++) report_table_add_csv(tables[i], &page);
    text_free(&page);
}

static void read_report(const store *s, const analysis *a) {
    ss_error err = {0};
    report_facts f;
    if (facts_gather(&f, s, a, "sinkscope run", &err) == SS_OK) check_page(&f);
    else FUZZ_CHECK(err.message[0]);
    facts_free(&f);
}

static void read_analysis(store *s, int with_report) {
    ss_error err = {0};
    analysis *a;
    text words = {0};
    if (analysis_make(&a, s, &err) != SS_OK) {
        FUZZ_CHECK(a == NULL && err.message[0]);
        return;
    }
    if (analysis_add_parts(a, s, &err) != SS_OK) {
        FUZZ_CHECK(err.message[0]);
        analysis_free(a);
        return;
    }
    analysis_describe(a, &words);
    analysis_describe_accuracy(a, &words);
    analysis_describe_trends(a, &words);
    report_effects_csv(a, &words);
    report_accuracy_csv(a, &words);
    report_tags_csv(a, &words);
    report_classes_csv(a, &words);
    report_scores_csv(a, &words);
    report_trends_csv(a, &words);
    text_free(&words);
    if (with_report) read_report(s, a);
    analysis_free(a);
}

static void read_with(unsigned reader, const finished *f, store *s, int in_cells) {
    ss_error err = {0};
    if (store_check_version(s, &err) != SS_OK) FUZZ_CHECK(err.message[0]);
    else if (reader < READ_EXPORTS) read_export(s, &EXPORT_TABLES[reader], in_cells);
    else if (reader == READ_VERIFY) read_verify(f, s);
    else read_analysis(s, reader == READ_REPORT);
}

/* A report takes as long as ten analyses: one input in sixteen gets one. */
static int is_one_of_many(const uint8_t *data, size_t size) {
    unsigned sum = 0;
    for (size_t i = 0; i < size; i++) sum += data[i];
    return sum % 16 == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const finished *f = finished_store();
    if (!opened) open_databases(f);
    input in = {data, data + size};
    with_texts = 0;
    unsigned first = take(&in), reader = first % 0x80 % READERS;
    if (reader == READ_REPORT && !is_one_of_many(data, size)) reader = READ_ANALYSIS;
    if (first & 0x80) {
        opened->db = sound;
        FUZZ_CHECK(sqlite3_exec(sound, "BEGIN", NULL, NULL, NULL) == SQLITE_OK);
        damage_cells(&in);
        read_with(reader, f, opened, 1);
        FUZZ_CHECK(sqlite3_exec(sound, "ROLLBACK", NULL, NULL, NULL) == SQLITE_OK);
    } else {
        opened->db = damaged;
        if (damage_bytes(&in) == SQLITE_OK) read_with(reader, f, opened, 0);
    }
    return 0;
}
