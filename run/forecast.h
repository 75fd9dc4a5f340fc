/* What a plan will take, measured before it is carried out. */
#ifndef RUN_FORECAST_H
#define RUN_FORECAST_H

#include "study/plan.h"

/* What the plan will take on this machine: time a few seconds of its real work (texts, steps of its conditions, a
 * decode, scores) and fill the rest of `cost`. `batch`: images that will be denoised together; 0 = p->together. Another
 * load of the machine is another time. */
ss_status plan_forecast(plan *p, compute *c, pipeline *pl, int batch, ss_error *err);

#endif
