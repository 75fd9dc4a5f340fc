/* The prompt-bootstrap of KID and CMMD (METHOD.md, section 14): how far a distance between a condition's images and
 * the baseline's would move with other prompts.
 *
 * Both sets hold images of the same prompts, from the same noise, so an image and those of its own prompt are not
 * independent draws. The estimate here is therefore the unbiased one over pairs of different prompts, in all three
 * means (with one image a prompt: the U-statistic of Gretton et al. 2012, equation 3; torch-fidelity's "u-statistic").
 * It is 0 for a condition that changes nothing, where the plain unbiased estimate is below 0.
 *
 * A resample draws prompts, the same for both sets, with the indices of stats/bootstrap.h. A prompt drawn w times has
 * weight w, and pairs of a prompt with itself stay out, so that repeats do not count as similar images; that is what
 * makes an interval possible here and not for FID, whose bias grows with every repeat. Intervals say how large a
 * distance is; where it is near 0 they are no test (the statistic is degenerate there). */
#ifndef STATS_KERNEL_RESAMPLE_H
#define STATS_KERNEL_RESAMPLE_H

#include "stats/figure.h"
#include "stats/kernel_distance.h"

/* Two conditions that were resampled with the same seed and the same prompts may be subtracted, element by element:
 * their difference is then a statistic with an interval of its own. */
typedef struct stats_mmd_resampled {
    int prompts, resamples;
    double estimate;       /* scale x MMD^2 over pairs of different prompts */
    double resolution;     /* differences of estimates below it are rounding: (n1 + n2) epsilon x the means' size */
    double *leave_one_out; /* [prompts], ascending by label; owned, one block */
    double *replicates;    /* [resamples] */
} stats_mmd_resampled;

/* prompt1[first->n], prompt2[second->n]: labels, in any order and number; both sets must have the same prompts, at
 * least three. The same bits on any number of `threads`. A resample of one prompt alone has no pairs and is drawn again
 * from its own stream. Memory: (n1 + n2) x prompts doubles. Errors: as stats_mmd_compute, and SS_ERR_INPUT for a prompt
 * that one set lacks or too few prompts. */
ss_status stats_mmd_resample(const stats_features *first, const int64_t *prompt1, const stats_features *second,
                             const int64_t *prompt2, const stats_kernel *kernel, uint64_t seed, int resamples,
                             int threads, stats_mmd_resampled *out, ss_error *err);
void stats_mmd_resampled_free(stats_mmd_resampled *r);

/* The BCa interval of r->estimate; replicates are sorted in place. */
stats_interval stats_mmd_interval(stats_mmd_resampled *r, double level);

#endif
