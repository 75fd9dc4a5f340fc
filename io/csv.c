/* CSV in one pass over a copy of the file: fields are unquoted in place and cells point into it. Nothing is guessed: a
 * row with another number of fields than the header, or a stray quote, is an error. */
#include "io/csv.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/file.h"
#include "io/content.h"

struct csv_table {
    char *path, *data;
    int columns;
    int64_t rows; /* the header included */
    char **cells; /* [rows, columns] */
    int *lines;   /* [rows] */
    size_t cell_count, cell_capacity, line_capacity;
};

typedef struct cursor {
    csv_table *t;
    char *at, *end; /* next byte to read */
    int line;
    ss_error *err;
} cursor;

ss_status(csv_error)(ss_error *err, const char *path, int line, const char *fmt, ...) {
    char where[600], message[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    snprintf(where, sizeof where, "%s:%d", path, line);
    return error_set(err, SS_ERR_INPUT, where, "%s", message);
}

static ss_status csv_bad(const cursor *c, const char *fmt, ...) BASE_PRINTF(2, 3);
#define csv_bad(...) (csv_bad(__VA_ARGS__), error_code(SS_ERR_INPUT)) /* base/error.h */

static ss_status(csv_bad)(const cursor *c, const char *fmt, ...) {
    char where[512], message[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    snprintf(where, sizeof where, "%s:%d", c->t->path, c->line);
    return error_set(c->err, SS_ERR_INPUT, where, "%s", message);
}

/* A quoted field: doubled quotes become one, in place; the closing quote becomes the terminator. */
static ss_status read_quoted(cursor *c, char **field) {
    char *to = c->at + 1, *from = to;
    int opened = c->line;
    *field = to;
    for (; from < c->end; from++) {
        if (*from == '"') {
            if (from + 1 == c->end || from[1] != '"') break;
            from++;
        } else if (*from == '\n') {
            c->line++;
        } else if (*from == '\0') {
            return csv_bad(c, "has a NUL character");
        }
        *to++ = *from;
    }
    if (from == c->end) {
        c->line = opened;
        return csv_bad(c, "a quoted field begins here and does not end");
    }
    *to = '\0';
    c->at = from + 1;
    return SS_OK;
}

static ss_status read_bare(cursor *c, char **field) {
    *field = c->at;
    for (; c->at < c->end && *c->at != ',' && *c->at != '\n' && *c->at != '\r'; c->at++) {
        if (*c->at == '"') return csv_bad(c, "has a quote inside a field that does not begin with one");
        if (*c->at == '\0') return csv_bad(c, "has a NUL character");
    }
    return SS_OK;
}

/* One row; every field is terminated where its separator was. */
static ss_status csv_read_row(cursor *c, int *fields) {
    csv_table *t = c->t;
    *fields = 0;
    for (;;) {
        char *field;
        SS_TRY(c->at < c->end && *c->at == '"' ? read_quoted(c, &field) : read_bare(c, &field));
        char after = c->at < c->end ? *c->at : '\n';
        if (after != ',' && after != '\n' && !(after == '\r' && c->at + 1 < c->end && c->at[1] == '\n'))
            return csv_bad(c, after == '\r' ? "has a carriage return without a line feed"
                                            : "has text after a closing quote");
        SS_TRY(ARRAY_ROOM(t->cells, t->cell_capacity, t->cell_count + 1, t->path, c->err));
        t->cells[t->cell_count++] = field;
        if (++*fields > CSV_MAX_COLUMNS) return csv_bad(c, "has more than %d fields", CSV_MAX_COLUMNS);
        *c->at = '\0'; /* at the end of the data this is the terminator */
        c->at += after == '\r' ? 2 : 1;
        if (after != ',') return SS_OK;
    }
}

/* The first row as it was read. A lone field with other separators in it is a table of another kind. */
static ss_status check_header(cursor *c, int fields) {
    static const struct {
        char sign;
        const char *name;
    } OTHERS[] = {{';', "semicolons"}, {'\t', "tabs"}, {'|', "bars"}};
    c->t->columns = fields;
    for (size_t i = 0; fields == 1 && i < sizeof OTHERS / sizeof *OTHERS; i++)
        if (strchr(c->t->cells[0], OTHERS[i].sign))
            return c->line = 1,
                   csv_bad(c,
                           "has %s between its fields; expected commas: save it as CSV with commas (and with "
                           "points in numbers)",
                           OTHERS[i].name);
    return SS_OK;
}

static ss_status csv_read_rows(cursor *c) {
    csv_table *t = c->t;
    for (; c->at < c->end; c->line++) {
        int fields, line = c->line;
        SS_TRY(ARRAY_ROOM(t->lines, t->line_capacity, t->rows + 1, t->path, c->err));
        SS_TRY(csv_read_row(c, &fields));
        if (t->rows == 0) SS_TRY(check_header(c, fields));
        if (fields != t->columns) {
            c->line = line;
            return csv_bad(c, "has %d fields; expected %d, as in the header", fields, t->columns);
        }
        t->lines[t->rows++] = line;
    }
    if (t->rows == 0) return csv_bad(c, "is empty; expected a header row");
    for (int i = 0; i < t->columns; i++)
        for (int j = 0; j < i; j++)
            if (strcmp(t->cells[i], t->cells[j]) == 0)
                return c->line = 1, csv_bad(c, "has two columns called '%s'", t->cells[i]);
    return SS_OK;
}

ss_status csv_read_bytes(const char *bytes, size_t size, const char *name, csv_table **out, ss_error *err) {
    *out = NULL;
    SS_TRY(content_check(bytes, size, CONTENT_EMPTY, "CSV: a header row, then rows of fields with commas", name, err));
    csv_table *t = calloc(1, sizeof *t);
    if (!t) return error_no_memory(err, name, sizeof *t);
    t->path = text_copy(name);
    t->data = malloc(size + 1);
    if (!t->path || !t->data) {
        csv_close(t);
        return error_no_memory(err, name, size);
    }
    memcpy(t->data, bytes, size);
    t->data[size] = '\0';
    size_t mark = content_mark(bytes, size);
    cursor c = {.t = t, .at = t->data + mark, .end = t->data + size, .line = 1, .err = err};
    ss_status status = csv_read_rows(&c);
    if (status == SS_OK) *out = t;
    else csv_close(t);
    return status;
}

ss_status csv_read_file(const char *path, csv_table **out, ss_error *err) {
    char *data;
    size_t size;
    *out = NULL;
    SS_TRY(file_read(path, CSV_LIMIT, &data, &size, err));
    ss_status status = csv_read_bytes(data, size, path, out, err);
    free(data);
    return status;
}

size_t csv_whole_rows(const char *bytes, size_t size) {
    size_t whole = 0;
    int in_quotes = 0; /* a doubled quote leaves them and enters them again */
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] == '"') in_quotes = !in_quotes;
        else if (bytes[i] == '\n' && !in_quotes) whole = i + 1;
    }
    return whole;
}

void csv_close(csv_table *t) {
    if (!t) return;
    free(t->cells);
    free(t->lines);
    free(t->data);
    free(t->path);
    free(t);
}

int csv_column_count(const csv_table *t) { return t->columns; }
int64_t csv_row_count(const csv_table *t) { return t->rows - 1; }
const char *csv_column_name(const csv_table *t, int column) { return t->cells[column]; }
int csv_line(const csv_table *t, int64_t row) { return t->lines[row + 1]; }

const char *csv_cell(const csv_table *t, int64_t row, int column) {
    return t->cells[(size_t)(row + 1) * (size_t)t->columns + (size_t)column];
}

ss_status csv_find_column(const csv_table *t, const char *name, int *column, ss_error *err) {
    for (int i = 0; i < t->columns; i++)
        if (strcmp(t->cells[i], name) == 0) return *column = i, SS_OK;
    const char *nearest = text_nearest(name, (const char *const *)t->cells, t->columns);
    text list = {0};
    for (int i = 0; i < t->columns; i++) text_addf(&list, "%s%s", i ? ", " : "", t->cells[i]);
    ss_status status =
        error_set(err, SS_ERR_INPUT, t->path, "has no column '%s'%s%s%s (columns: %s)", name,
                  nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "", list.s ? list.s : "");
    text_free(&list);
    return status;
}

static ss_status not_a(const char *expected, const csv_table *t, int64_t row, int column, ss_error *err) {
    char where[512];
    snprintf(where, sizeof where, "%s:%d", t->path, csv_line(t, row));
    return error_set(err, SS_ERR_INPUT, where, "column '%s' has '%s'; expected %s", t->cells[column],
                     csv_cell(t, row, column), expected);
}

ss_status csv_get_double(const csv_table *t, int64_t row, int column, double *out, ss_error *err) {
    if (text_to_double(csv_cell(t, row, column), out) == 0 && isfinite(*out)) return SS_OK;
    return not_a("a number", t, row, column, err);
}

ss_status csv_get_int(const csv_table *t, int64_t row, int column, int64_t *out, ss_error *err) {
    return text_to_int(csv_cell(t, row, column), out) == 0 ? SS_OK : not_a("an integer", t, row, column, err);
}

static void add_comma(text *out, int column) {
    if (column > 0) text_add(out, ",");
}

/* A lone empty field is quoted, or its row would be an empty line; so is one that begins with a byte order mark, or a
 * reader would take it for the file's. */
void csv_add_text(text *out, int column, const char *s) {
    int plain = !s[strcspn(s, ",\"\r\n")] && (*s || column > 0) && !content_mark(s, strlen(s));
    add_comma(out, column);
    if (plain) {
        text_add(out, s);
        return;
    }
    text_add(out, "\"");
    for (; *s; s++) text_add_n(out, *s == '"' ? "\"\"" : s, *s == '"' ? 2 : 1);
    text_add(out, "\"");
}

void csv_add_int(text *out, int column, int64_t x) {
    add_comma(out, column);
    text_addf(out, "%lld", (long long)x);
}

void csv_add_double(text *out, int column, double x, int digits) {
    add_comma(out, column);
    if (!isnan(x)) text_add_double(out, x, digits);
}

void csv_add_end(text *out) { text_add(out, "\n"); }
