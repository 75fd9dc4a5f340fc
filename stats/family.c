/* Corrections and verdicts; see family.h. */
#include "stats/family.h"

#include <math.h>
#include <stdlib.h>

const stats_word stats_assays[STATS_ASSAY_COUNT] = {
    [STATS_ASSAY_NONE] = {"no positive control", "nothing shows that the metric could see harm"},
    [STATS_ASSAY_DETECTED] = {"detected", "the metric told the positive control from the baseline"},
    [STATS_ASSAY_MISSED] = {"missed", "the metric did not see the positive control's harm"},
    [STATS_ASSAY_LARGER_N] = {"larger n", "detected, but with more prompts than this contrast has"},
};

const stats_word stats_verdicts[STATS_VERDICT_COUNT] = {
    [STATS_NOT_JUDGED] = {"not judged", "no family was judged"},
    [STATS_DIFFERENT] = {"different", "the difference is larger than chance explains, after correction"},
    [STATS_EQUIVALENT] = {"equivalent", "shown to lie within the margin by a metric that can see harm"},
    [STATS_UNDECIDED] = {"undecided", "neither shown different nor shown equivalent"},
    [STATS_TOO_BLUNT] = {"metric too blunt", "the metric missed the positive control, so it can show no equivalence"},
};

typedef struct member {
    double p;
    int at;
} member;

static int compare_members(const void *left, const void *right) {
    const member *x = left, *y = right;
    if (x->p != y->p) return x->p < y->p ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

/* Defined members in ascending order of p (malloc; the caller frees); `size` counts the undefined ones too. */
static ss_status sort_family(const stats_figure *p, int n, member **out, int *defined, int *size, ss_error *err) {
    size_t bytes = ((size_t)n + 1) * sizeof(member);
    member *order = malloc(bytes);
    if (!order) return error_no_memory(err, "family of tests", bytes);
    *defined = *size = 0;
    for (int i = 0; i < n; i++) {
        if (p[i].state == STATS_DEFINED) order[(*defined)++] = (member){p[i].value, i};
        *size += p[i].state != STATS_NOT_ASKED;
    }
    qsort(order, (size_t)*defined, sizeof *order, compare_members);
    *out = order;
    return SS_OK;
}

ss_status stats_holm(const stats_figure *p, int n, stats_figure *adjusted, ss_error *err) {
    member *order;
    int defined, size;
    SS_TRY(sort_family(p, n, &order, &defined, &size, err));
    for (int i = 0; i < n; i++) adjusted[i] = p[i];
    double largest = 0;
    for (int k = 0; k < defined; k++) {
        largest = fmax(largest, fmin(1.0, (size - k) * order[k].p));
        adjusted[order[k].at].value = largest;
    }
    free(order);
    return SS_OK;
}

ss_status stats_benjamini_hochberg(const stats_figure *p, int n, stats_figure *adjusted, ss_error *err) {
    member *order;
    int defined, size;
    SS_TRY(sort_family(p, n, &order, &defined, &size, err));
    for (int i = 0; i < n; i++) adjusted[i] = p[i];
    double smallest = 1;
    for (int k = defined - 1; k >= 0; k--) {
        smallest = fmin(smallest, order[k].p * size / (k + 1));
        adjusted[order[k].at].value = smallest;
    }
    free(order);
    return SS_OK;
}

stats_verdict stats_judge(stats_figure p_difference, stats_figure p_equivalence, stats_assay assay, double alpha) {
    if (stats_below(p_difference, alpha)) return STATS_DIFFERENT;
    if (assay == STATS_ASSAY_MISSED) return STATS_TOO_BLUNT;
    if (assay == STATS_ASSAY_DETECTED && stats_below(p_equivalence, alpha)) return STATS_EQUIVALENT;
    return STATS_UNDECIDED;
}
