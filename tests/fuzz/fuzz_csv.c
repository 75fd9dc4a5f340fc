/* CSV tables. What reads must write and read again as the same cells. */
#include <string.h>

#include "io/csv.h"
#include "tests/fuzz/fuzz.h"

static void check_again(const csv_table *t) {
    ss_error err = {0};
    csv_table *again;
    text out = {0};
    int columns = csv_column_count(t);
    for (int c = 0; c < columns; c++) csv_add_text(&out, c, csv_column_name(t, c));
    csv_add_end(&out);
    for (int64_t r = 0; r < csv_row_count(t); r++) {
        for (int c = 0; c < columns; c++) csv_add_text(&out, c, csv_cell(t, r, c));
        csv_add_end(&out);
    }
    FUZZ_CHECK(!out.failed && csv_read_bytes(out.s, out.len, "y.csv", &again, &err) == SS_OK);
    FUZZ_CHECK(csv_column_count(again) == columns && csv_row_count(again) == csv_row_count(t));
    for (int64_t r = 0; r < csv_row_count(t); r++)
        for (int c = 0; c < columns; c++) FUZZ_CHECK(strcmp(csv_cell(t, r, c), csv_cell(again, r, c)) == 0);
    csv_close(again);
    text_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    ss_error err = {0};
    csv_table *t;
    double x;
    int64_t i;
    if (csv_read_bytes((const char *)data, size, "x.csv", &t, &err) != SS_OK) {
        FUZZ_CHECK(t == NULL && err.message[0]);
        return 0;
    }
    for (int64_t r = 0; r < csv_row_count(t) && r < 16; r++) {
        csv_get_double(t, r, 0, &x, &err);
        csv_get_int(t, r, 0, &i, &err);
    }
    check_again(t);
    csv_close(t);
    return 0;
}
