/* Comma-separated values, RFC 4180: a header row, quoted fields with doubled quotes, LF or CRLF. Every row has as
 * many fields as the header; an error names the line. */
#ifndef IO_CSV_H
#define IO_CSV_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "base/text.h"

enum { CSV_LIMIT = 1 << 30, CSV_MAX_COLUMNS = 4096 };

typedef struct csv_table csv_table;

ss_status csv_read_file(const char *path, csv_table **out, ss_error *err);
ss_status csv_read_bytes(const char *bytes, size_t size, const char *name, csv_table **out, ss_error *err);
void csv_close(csv_table *t); /* NULL is allowed */

/* Bytes of the whole rows at the beginning of a file whose last row may have been cut anywhere, also inside quotes: up
 * to the last line feed that ends a row. */
size_t csv_whole_rows(const char *bytes, size_t size);

int csv_column_count(const csv_table *t);
int64_t csv_row_count(const csv_table *t); /* without the header */
const char *csv_column_name(const csv_table *t, int column);
const char *csv_cell(const csv_table *t, int64_t row, int column);
int csv_line(const csv_table *t, int64_t row); /* 1-based line on which the row starts */

/* An input error at "path:line". */
ss_status csv_error(ss_error *err, const char *path, int line, const char *fmt, ...) BASE_PRINTF(4, 5);
#define csv_error(...) (csv_error(__VA_ARGS__), error_code(SS_ERR_INPUT)) /* base/error.h */

/* Index of the column called `name`; where there is none, an error that names the nearest and lists them all. */
ss_status csv_find_column(const csv_table *t, const char *name, int *column, ss_error *err);

/* A cell as a finite number; an error names file, line and column. */
ss_status csv_get_double(const csv_table *t, int64_t row, int column, double *out, ss_error *err);
ss_status csv_get_int(const csv_table *t, int64_t row, int column, int64_t *out, ss_error *err);

/* Append one field to a row being written, quoted where it must be; `column` 0 starts the row, others put the comma
 * first. End a row with csv_add_end ("\n"). */
void csv_add_text(text *out, int column, const char *s);
void csv_add_int(text *out, int column, int64_t x);
void csv_add_double(text *out, int column, double x, int digits); /* NaN is written as an empty field */
void csv_add_end(text *out);

#endif
