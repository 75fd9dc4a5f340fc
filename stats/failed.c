/* See failed.h. */
#include "stats/failed.h"

#include <math.h>
#include <stdlib.h>

#include "stats/binary.h"

ss_status stats_failed_differences(const stats_prompts *p, int worst, double **out, double *resolution, ss_error *err) {
    const double TIE = 1e-12; /* shares of equal prompts may differ by rounding */
    double *d = malloc(((size_t)p->n + 1) * sizeof *d), largest = 0;
    *out = d;
    if (!d) return error_no_memory(err, "differences", ((size_t)p->n + 1) * sizeof *d);
    for (int i = 0; i < p->n; i++) largest = fmax(largest, fabs(p->d[i]));
    double beyond = largest > 0 ? 4 * largest : 1;
    for (int i = 0; i < p->n; i++) {
        double net = fabs(p->net[i]) < TIE ? 0 : p->net[i];
        d[i] = net == 0 ? p->d[i] : worst * copysign(beyond * (1 + fabs(net)), net);
    }
    *resolution = fmax(p->resolution, TIE * beyond);
    return SS_OK;
}

stats_interval stats_failed_bounds(const stats_prompts *p, int worst) {
    stats_interval none = stats_interval_undefined(STATS_FAILED);
    if ((p->failed_a > 0) == (p->failed_b > 0) || p->lowest > p->highest || p->n < 1) return none;
    double at = worst < 0 ? p->lowest : p->highest, sum = stats_sum(p->d, p->n);
    sum += at * stats_sum(p->net, p->n);
    stats_figure bound = stats_defined(sum / p->n), open = stats_undefined(STATS_NOT_ASKED);
    int upper = (p->failed_a > 0) == (worst < 0); /* a can only be lower, or b only higher */
    return upper ? (stats_interval){open, bound} : (stats_interval){bound, open};
}

stats_figure stats_sign_test(const double *d, int n, double resolution) {
    stats_table t = {0};
    for (int i = 0; i < n; i++)
        if (fabs(d[i]) <= resolution) t.both++;
        else if (d[i] > 0) t.only_a++;
        else t.only_b++;
    return stats_mcnemar(&t);
}
