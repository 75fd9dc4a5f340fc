/* See stored.h. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>

#include "stored.h"

static sqlite3 *db;
static store *opened;
static char folder[300];

int stored_open(const world *w, const char *name) {
    char path[320];
    snprintf(folder, sizeof folder, "%s/%s", w->folder, name);
    snprintf(path, sizeof path, "%s/results.sqlite", folder);
    return sqlite3_open(path, &db) == SQLITE_OK;
}

void stored_close(void) { sqlite3_close(db); }

void stored_sql(const char *statement) {
    char *message = NULL;
    if (sqlite3_exec(db, statement, NULL, NULL, &message) != SQLITE_OK) fail_msg("%s: %s", statement, message);
}

void stored_set(int number, int condition, const char *value) {
    char statement[512];
    snprintf(statement, sizeof statement,
             "UPDATE score SET value = (SELECT %s FROM unit u WHERE u.unit = score.unit) WHERE metric = %d AND unit IN"
             " (SELECT unit FROM unit WHERE condition = %d)",
             value, number, condition);
    stored_sql(statement);
}

analysis *stored_analyse(void) {
    ss_error err;
    analysis *a;
    assert_int_equal(store_open(&opened, folder, STORE_READ, NULL, &err), SS_OK);
    if (analysis_make(&a, opened, &err) != SS_OK || analysis_add_parts(a, opened, &err) != SS_OK)
        fail_msg("%s: %s", err.where, err.message);
    return a;
}

void stored_done(analysis *a) {
    analysis_free(a);
    store_close(opened);
}

void stored_near(stats_figure f, double expected) {
    assert_int_equal(f.state, STATS_DEFINED);
    assert_true(fabs(f.value - expected) < 1e-12);
}
