/* Two conditions of a study side by side, from its store alone: each metric, prompt by prompt, the distance of the
 * images' latents from the baseline's, and the images, the most different first. */
#ifndef REPORT_COMPARE_H
#define REPORT_COMPARE_H

#include "store/store.h"

/* Write the page for conditions `a` and `b` (names as in the study, "sink k=5"; a family's name where it has one
 * member) with the `rows` most different images. Nothing is left half-written. Errors: an unknown condition
 * (SS_ERR_USAGE, with the nearest name), no image that both have. */
ss_status compare_write(const store *s, const char *a, const char *b, int rows, const char *path, ss_error *err);

#endif
