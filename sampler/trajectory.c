/* See trajectory.h. Sums in double, in the order of the elements. */
#include "sampler/trajectory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static ss_status trajectory_reserve(trajectory *t, int steps, int64_t elements, int kept, int follows, ss_error *err) {
    size_t n = (size_t)kept * (size_t)elements;
    *t = (trajectory){.steps = steps, .elements = elements, .latents = malloc(n * sizeof *t->latents)};
    if (follows) t->point = malloc((size_t)steps * sizeof *t->point);
    if (t->latents && (t->point || !follows)) return SS_OK;
    trajectory_free(t);
    return error_no_memory(err, "a trajectory", n * sizeof *t->latents);
}

ss_status trajectory_lead(trajectory *t, int steps, int64_t elements, ss_error *err) {
    return trajectory_reserve(t, steps, elements, steps + 1, 0, err);
}

ss_status trajectory_follow(trajectory *t, const trajectory *baseline, ss_error *err) {
    SS_TRY(trajectory_reserve(t, baseline->steps, baseline->elements, 2, 1, err));
    for (int i = 0; i < t->steps; i++) t->point[i] = (trajectory_point){0, 1};
    return SS_OK;
}

void trajectory_free(trajectory *t) {
    free(t->latents);
    free(t->point);
    *t = (trajectory){0};
}

/* a0, b0 before a step; a1, b1 after it. */
static trajectory_point trajectory_compare(const float *a0, const float *a1, const float *b0, const float *b1,
                                           int64_t n) {
    double apart = 0, along = 0, a = 0, b = 0;
    for (int64_t i = 0; i < n; i++) {
        double difference = (double)a1[i] - (double)b1[i], x = (double)a1[i] - (double)a0[i],
               y = (double)b1[i] - (double)b0[i];
        apart += difference * difference;
        along += x * y;
        a += x * x;
        b += y * y;
    }
    return (trajectory_point){sqrt(apart / (double)n), a > 0 && b > 0 ? along / (sqrt(a) * sqrt(b)) : (double)NAN};
}

ss_status trajectory_take(trajectory *t, const trajectory *baseline, pipeline *p, const denoise_state *d,
                          ss_error *err) {
    int done = denoise_step_number(d);
    size_t n = (size_t)t->elements;
    if (!t->point) return denoise_latents(p, d, t->latents + (size_t)done * n, err);
    memcpy(t->latents, t->latents + n, n * sizeof *t->latents);
    SS_TRY(denoise_latents(p, d, t->latents + n, err));
    int first = !t->seen;
    t->seen = 1;
    if (first) return SS_OK; /* no step of its own yet */
    const float *then = baseline->latents + (size_t)(done - 1) * n;
    t->point[done - 1] = trajectory_compare(t->latents, t->latents + n, then, then + n, t->elements);
    return SS_OK;
}
