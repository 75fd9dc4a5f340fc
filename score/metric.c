/* The table of metrics (metrics.def), and how a score that is not finite is told. */
#include "score/metrics.h"

#include <math.h>
#include <stdio.h>
#include "base/finite.h"
#include "model/culprit.h"

const metric *const SCORE_METRICS[] = {
#define METRIC(id) &metric_row_##id,
#include "score/metrics.def"
};
const int SCORE_METRIC_COUNT = sizeof SCORE_METRICS / sizeof SCORE_METRICS[0];

const metric *metric_find(const char *name, const char *where, ss_error *err) {
    return (const metric *)(const void *)entry_find(SCORE_METRICS, ENTRY_POINTERS, SCORE_METRIC_COUNT, "metric", name,
                                                    where, err);
}

ss_status metric_check_pair(const metric_input *in, int min_side, ss_error *err) {
    const rgb_image *a = in->image, *b = in->baseline;
    if (a->width != b->width || a->height != b->height)
        return error_set(err, SS_ERR_INPUT, NULL, "the image is %d x %d and its baseline %d x %d; expected equal sizes",
                         a->width, a->height, b->width, b->height);
    if (a->width < min_side || a->height < min_side)
        return error_set(err, SS_ERR_INPUT, NULL, "the image is %d x %d; at least %d x %d are needed", a->width,
                         a->height, min_side, min_side);
    return SS_OK;
}

/* ---- numbers that are not finite ---- */

/* `k` has listened to the same work once more. */
static ss_status name_culprit(const metric *m, const culprit *k, ss_error *err) {
    char what[96];
    snprintf(what, sizeof what, "the numbers of the metric %s", m->about.name);
    if (!k->network) return error_set(err, SS_ERR_INPUT, NULL, "%s are not finite", what);
    return culprit_report(k, &(culprit_case){.what = what}, err);
}

ss_status metric_score(const metric *m, compute *c, void *state, const metric_input *in, metric_value *out,
                       ss_error *err) {
    culprit k;
    metric_value again = {0};
    SS_TRY(m->score(c, state, in, out, err));
    if (isfinite(out->value)) return SS_OK;
    culprit_listen(&k, c, NULL);
    ss_status status = m->score(c, state, in, &again, err);
    culprit_stop(&k);
    return status == SS_OK ? name_culprit(m, &k, err) : status;
}

ss_status metric_feature(const metric *m, compute *c, void *state, const rgb_image *image, float *out, ss_error *err) {
    culprit k;
    SS_TRY(m->feature(c, state, image, out, err));
    if (finite_first_bad(out, m->width(state)) < 0) return SS_OK;
    culprit_listen(&k, c, NULL);
    ss_status status = m->feature(c, state, image, out, err);
    culprit_stop(&k);
    return status == SS_OK ? name_culprit(m, &k, err) : status;
}
