/* Metric `judge`: 1 where the image satisfies its prompt, by the exact judge of the world of shapes. */
#include "score/judge.h"
#include "score/metrics.h"

#include <stdio.h>

static ss_status metric_judge_score(compute *c, void *state, const metric_input *in, metric_value *out, ss_error *err) {
    (void)c, (void)state;
    judge_reading reading;
    int right = 0;
    SS_TRY(judge_read(in->image, &reading, err));
    SS_TRY(judge_decide(&reading, in->geneval, &right, out->note, sizeof out->note, err));
    out->value = right;
    out->unreadable = reading.unreadable != NULL;
    return SS_OK;
}

const metric metric_row_judge = {
    .about = {"judge", "1 where the picture does what its prompt asks (GenEval's rules; pictures of shapes only)",
              NULL},
    .kind = METRIC_ALIGNMENT,
    .binary = 1,
    .has_worst = 1, /* wrong */
    .worst = 0,
    .needs = METRIC_NEEDS_PROMPT | METRIC_NEEDS_GENEVAL,
    .score = metric_judge_score};
