/* Scoring a collection of images that no study made, with a file of results that is its own cache. */
#ifndef RUN_SCORE_FILES_H
#define RUN_SCORE_FILES_H

#include "base/file.h"
#include "run/collection.h"
#include "run/run.h"

/* One number, or why there is none. */
typedef struct file_score {
    int image, metric; /* indices; image -1 = of the whole set */
    double value;      /* NAN where `problem` is set */
    int unreadable;
    char *note, *problem; /* owned; problem: the image could not be scored, a recorded failure and never a score */
    int was_known;        /* taken from the file of results */
} file_score;

typedef struct file_scores {
    int64_t n;
    file_score *at; /* by image, then metric; those of sets last */
    int64_t known, failed;
    sha256_hex *pixels, *baseline; /* [images]: of the decoded pixels (rgb_image_hash), "" where there are none */
    sha256_hex *weights;           /* [metrics] */
} file_scores;

void file_scores_free(file_scores *s);

/* Score `c` by the `n` metrics, of which the first `n_images` are of images; the others compare the whole of `c` with
 * `others` (NULL: an error where they are asked). `out_path`: a CSV with one row a number (columns image, pixels,
 * prompt, tag, baseline, metric, weights, value, unreadable, note, problem), or NULL. What the file, or PATH.partial
 * that a killed run left, has under the same pixels, baseline, prompt, metric and weights is not computed again; the
 * file is written whole at the end. `weights` is the SHA-256 over the metric's options and the files that they name. */
ss_status score_files(const collection *c, const collection *others, const study_metric *m, int n, int n_images,
                      const char *out_path, compute *compute, const run_options *o, file_scores *out, ss_error *err);

/* Per metric and tag: how many, mean, standard deviation, failures. Tags in order of appearance; all of them first. */
void file_scores_describe(const file_scores *s, const collection *c, const study_metric *m, int n, text *out);

/* The CSV as it is written to the file. */
void file_scores_add_csv(const file_scores *s, const collection *c, const study_metric *m, text *out);

#endif
