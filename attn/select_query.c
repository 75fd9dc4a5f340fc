/* Selectors of query rows: `query`, the rows that pay most to one key (METHOD.md, section 3), and `query-random`, its
 * control. In the scope of a layer all heads share the rows, ranked by the mean over heads of max_j P_ij. */
#include <string.h>

#include "attn/internal.h"

static int rows_wanted(const select_input *in) {
    int rows = in->row_end - in->row_begin, k = in->k;
    return k < rows ? k : rows;
}

static ss_status select_query(const select_input *in, key_sets *out, ss_error *err) {
    int rows = in->row_end - in->row_begin, n = 0;
    (void)err;
    for (int head = 0; head < in->heads; head++) {
        if (attn_own_set(in, head)) {
            int first = in->scope == SCOPE_HEAD ? head : 0, last = in->scope == SCOPE_HEAD ? head : in->heads - 1;
            memset(in->scratch_mass, 0, sizeof *in->scratch_mass * (size_t)rows);
            for (int h = first; h <= last; h++) /* the sum orders rows as the mean does */
                for (int i = 0; i < rows; i++)
                    in->scratch_mass[i] +=
                        (double)in->row_max[(size_t)h * (size_t)in->queries + (size_t)(in->row_begin + i)];
            n = attn_largest_keys(in->scratch_mass, rows, rows_wanted(in), in->scratch_key);
            for (int i = 0; i < n; i++) in->scratch_key[i] += in->row_begin;
        }
        attn_sets_put(out, head, in->scratch_key, n);
    }
    return SS_OK;
}

static ss_status select_query_random(const select_input *in, key_sets *out, ss_error *err) {
    int rows = in->row_end - in->row_begin, want = rows_wanted(in);
    (void)err;
    for (int head = 0; head < in->heads; head++) {
        if (attn_own_set(in, head)) {
            philox r;
            attn_selector_stream(in, "query-random", head, &r);
            for (int i = 0; i < rows; i++) in->scratch_key[i] = in->row_begin + i;
            for (int i = 0; i < want; i++) attn_shuffle_next(&r, in->scratch_key, rows, i);
        }
        attn_sets_put(out, head, in->scratch_key, want);
    }
    return SS_OK;
}

const attn_selector attn_selector_query = {
    .about = {"query", "the k query rows that pay most to one key (largest max_j P_ij); for the edit query-mean", NULL},
    .select = select_query,
    .needs = NEED_ROW_MAX,
    .queries = 1};

const attn_selector attn_selector_query_random = {
    .about = {"query-random", "k query rows drawn uniformly without replacement; for the edit query-mean", NULL},
    .select = select_query_random,
    .queries = 1};
