/* Probe `persistence`: whether the sinks stay. The set is that of the r heaviest keys; it is compared with the step
 * before and with the other guidance branch (METHOD.md, section 11). */
#include <math.h>

#include "attn/internal.h"

static int holds(const int32_t *set, int n, int32_t key) {
    for (int i = 0; i < n; i++)
        if (set[i] == key) return 1;
    return 0;
}

static int shared(const int32_t *a, int n_a, const int32_t *b, int n_b) {
    int n = 0;
    for (int i = 0; i < n_a; i++) n += holds(b, n_b, a[i]);
    return n;
}

/* Steps in a row, up to this one, that had the key among the r heaviest. */
static int age_of(const observation *o, int32_t key) {
    const int32_t *set;
    int age = 0;
    for (int s = o->step; s >= 0; s--, age++) {
        int n = attn_run_top(o->run, s, o->block, o->head, o->branch, &set);
        if (!holds(set, n, key)) break;
    }
    return age;
}

static float jaccard(int both, int n_a, int n_b) { return (float)both / (float)(n_a + n_b - both); }

static void probe_persistence(const observation *o, float *columns) {
    const int32_t *now, *before, *other;
    attn_branch branch = o->branch == BRANCH_COND ? BRANCH_UNCOND : BRANCH_COND;
    int n = attn_run_top(o->run, o->step, o->block, o->head, o->branch, &now);
    int n_before = o->step > 0 ? attn_run_top(o->run, o->step - 1, o->block, o->head, o->branch, &before) : 0;
    int n_other = attn_run_top(o->run, o->step, o->block, o->head, branch, &other);
    columns[0] = columns[1] = columns[3] = NAN;
    if (n_before > 0) {
        int both = shared(before, n_before, now, n);
        columns[0] = (float)both / (float)n_before;
        columns[1] = jaccard(both, n_before, n);
    }
    columns[2] = (float)age_of(o, now[0]);
    if (n_other > 0) columns[3] = jaccard(shared(other, n_other, now, n), n_other, n);
}

const attn_probe attn_probe_persistence = {
    .about = {"persistence", "whether the r heaviest keys stay from step to step, and are those of the other branch",
              NULL},
    .needs = NEED_MASS | NEED_TOP,
    .n_columns = 4,
    .column = {"persistence", "jaccard_step", "top_age", "jaccard_branch"},
    .column_help = {"share of the r heaviest keys of the step before that still are, 0 to 1",
                    "shared keys over all keys of this step's and the last step's r heaviest, 0 to 1",
                    "steps in a row, this one included, that had the heaviest key among the r heaviest",
                    "shared keys over all keys of both branches' r heaviest, 0 to 1 (in the branch seen second)"},
    .observe = probe_persistence};
