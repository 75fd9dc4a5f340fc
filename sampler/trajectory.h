/* How far an image's latents are from those of its baseline, step by step (METHOD.md, section 11): the root mean square
 * of the latents' difference, and the cosine between the two steps that were taken. The step is the velocity times the
 * step's length, so the cosine is that of the velocities, guidance included. */
#ifndef SAMPLER_TRAJECTORY_H
#define SAMPLER_TRAJECTORY_H

#include "sampler/pipeline.h"

typedef struct trajectory_point {
    double latent_rmse;     /* after the step */
    double velocity_cosine; /* NAN where one of the two does not move */
} trajectory_point;

/* Latents of one image: the baseline's after every step, another's before and after one. Zero-initialise; owned. */
typedef struct trajectory {
    int steps; /* steps kept; 0 = none */
    int64_t elements;
    int seen;                /* 1 = a follower stands at its start or beyond */
    float *latents;          /* [steps + 1, elements]; of a follower [2, elements]: before and after its last step */
    trajectory_point *point; /* [steps] of a follower; NULL of the baseline */
} trajectory;

/* Memory for a baseline of `steps` steps, or for an image that follows it: equal to it before its first own step. */
ss_status trajectory_lead(trajectory *t, int steps, int64_t elements, ss_error *err);
ss_status trajectory_follow(trajectory *t, const trajectory *baseline, ss_error *err);
void trajectory_free(trajectory *t);

/* Take the latents of `d`. Of the baseline, those after as many steps as it has done; a follower is to be seen at its
 * start and then after each of its steps, and is compared with `baseline` there. */
ss_status trajectory_take(trajectory *t, const trajectory *baseline, pipeline *p, const denoise_state *d,
                          ss_error *err);

#endif
