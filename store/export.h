/* Tables of a store as CSV. Rows are ordered by what they are (prompt, seed, condition, ...), numbers have 17 (scores)
 * or 9 (float32 measurements) significant digits, and nothing depends on when or in which order units were made: equal
 * studies give equal bytes. */
#ifndef STORE_EXPORT_H
#define STORE_EXPORT_H

#include "store/store.h"

typedef struct export_table {
    entry about;
    const char *sql; /* one SELECT over the views, ordered by what rows are */
} export_table;

/* scores (prompt, seed, condition, metric, value, ...: what `sinkscope stats` reads), units, sites, sinks. */
extern const export_table EXPORT_TABLES[];
extern const int EXPORT_TABLE_COUNT;

/* Takes bytes; returns 0, or nonzero to end the export early (a closed pipe), which is no error. */
typedef int (*export_write)(void *user, const char *bytes, size_t n);

ss_status export_csv(const store *s, const export_table *table, export_write write, void *user, ss_error *err);

#endif
