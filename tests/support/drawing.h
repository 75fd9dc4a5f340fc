/* A whole image by a pipeline, for tests: latents after every step, and the picture. Fails the test where anything
 * does. */
#ifndef SUPPORT_DRAWING_H
#define SUPPORT_DRAWING_H

#include "io/checkpoint.h"
#include "sampler/pipeline.h"

typedef struct drawing {
    float *latents; /* after every step, [steps, C, h, w] */
    int64_t elements;
    int steps;
    rgb_image picture;
} drawing;

/* `run` may be NULL. */
drawing drawing_make(pipeline *p, const sample_settings *s, const char *prompt, uint64_t seed, attn_run *run);
void drawing_free(drawing *d);

/* Against diffusers: <name>/latents to 2e-4 x rms; of the channel values of <name>/picture, 99.9 % within one level and
 * 99 % equal. Fails the test where it is not. */
void drawing_compare(const drawing *d, const checkpoint *file, const char *name);

/* The latents that the image was decoded from, [elements]. */
static inline const float *drawing_last(const drawing *d) { return d->latents + (d->steps - 1) * d->elements; }

#endif
