/* Gather a comparison: pairs from analysis/scores, images from the store, with their checksums verified. */
#include "report/compare.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "report/compare_facts.h"
#include "score/pixels.h"

enum { PICTURE_SIDE = 256, GAIN = 2 /* of the difference image */ };

/* ---- conditions ---- */

static ss_status find_condition(const study *y, const char *name, int *out, ss_error *err) {
    int members = 0;
    text names = {0};
    *out = study_find_condition(y, name);
    for (int i = 0; *out < 0 && i < y->n_conditions; i++) {
        if (y->condition[i].role == CONDITION_SHAM || y->condition[i].role == CONDITION_CALIBRATION) continue;
        text_addf(&names, "%s'%s'", names.len ? ", " : "", y->condition[i].name);
        if (strcmp(y->condition[i].family, name) == 0) members++;
    }
    for (int i = 0; *out < 0 && members == 1 && i < y->n_conditions; i++)
        if (strcmp(y->condition[i].family, name) == 0) *out = i;
    if (*out < 0)
        error_set(err, SS_ERR_USAGE, NULL,
                  members > 1 ? "'%s' is several conditions; expected one of %s"
                              : "the study has no condition '%s'; expected one of %s",
                  name, names.failed ? "its conditions" : names.s);
    text_free(&names);
    return *out < 0 ? SS_ERR_USAGE : SS_OK;
}

/* ---- metrics ---- */

/* Condition c against the baseline, image by image; a distance or similarity as it is. */
static ss_status against_baseline(const compare_facts *f, int m, int c, score_pairs *out, ss_error *err) {
    return score_pairs_make(out, &f->scores, m, c, f->scores.metric[m].paired ? -1 : 0, err);
}

static ss_status compare_join(compare_metric *x, const score_pairs *a, const score_pairs *b, ss_error *err) {
    size_t most = (size_t)a->n + 1;
    x->prompt = malloc(most * sizeof *x->prompt);
    x->seed = malloc(most * sizeof *x->seed);
    x->a = malloc(most * sizeof *x->a);
    x->b = malloc(most * sizeof *x->b);
    if (!x->prompt || !x->seed || !x->a || !x->b) return error_no_memory(err, "a comparison", most * 32);
    for (int i = 0, j = 0; i < a->n && j < b->n;) {
        int order = a->prompt[i] != b->prompt[j] ? (a->prompt[i] < b->prompt[j] ? -1 : 1)
                                                 : (a->seed[i] > b->seed[j]) - (a->seed[i] < b->seed[j]);
        int failed = order == 0 && (a->failed_a[i] > 0 || b->failed_a[j] > 0 || a->failed_b[i] > 0);
        x->failed += failed;
        if (order == 0 && !failed) {
            x->prompt[x->n] = a->prompt[i];
            x->seed[x->n] = a->seed[i];
            x->a[x->n] = a->a[i] - a->b[i];
            x->b[x->n++] = b->a[j] - b->b[j];
        }
        i += order <= 0;
        j += order >= 0;
    }
    return SS_OK;
}

static ss_status gather_metric(compare_facts *f, int m, ss_error *err) {
    compare_metric *x = &f->metric[f->n_metrics];
    const scores_metric *about = &f->scores.metric[m];
    score_pairs p = {0}, a = {0}, b = {0};
    stats_options options = score_options(f->study, about->kind);
    *x = (compare_metric){.about = about};
    ss_status status = score_pairs_make(&p, &f->scores, m, f->a, f->b, err);
    if (status == SS_OK) status = against_baseline(f, m, f->a, &a, err);
    if (status == SS_OK) status = against_baseline(f, m, f->b, &b, err);
    if (status == SS_OK && p.n > 0) {
        stats_pairs pairs = score_pairs_stats(&p);
        f->n_metrics++;
        status = stats_contrast_compute(&pairs, &options, &x->a_b, err);
        if (status == SS_OK) status = compare_join(x, &a, &b, err);
    }
    score_pairs_free(&p);
    score_pairs_free(&a);
    score_pairs_free(&b);
    return status;
}

/* ---- images ---- */

static int by_difference(const void *a, const void *b) {
    const compare_pair *x = a, *y = b;
    if (x->difference != y->difference) return x->difference > y->difference ? -1 : 1;
    if (x->prompt != y->prompt) return x->prompt < y->prompt ? -1 : 1;
    return seed_compare(x->seed, y->seed);
}

static ss_status list_pairs(compare_facts *f, const store *s, ss_error *err) {
    report_table t = {0};
    text sql = {0};
    text_addf(&sql,
              "SELECT x.prompt, x.seed, x.unit, y.unit, coalesce(z.unit, -1), x.text, coalesce(x.tag, ''), x.failed, "
              "y.failed FROM units x"
              " JOIN units y ON y.prompt = x.prompt AND y.seed = x.seed AND y.condition = '%s'"
              " LEFT JOIN units z ON z.prompt = x.prompt AND z.seed = x.seed AND z.role = 'baseline'"
              " WHERE x.condition = '%s' ORDER BY x.unit", /* names have no quotes */
              f->study->condition[f->b].name, f->study->condition[f->a].name);
    ss_status status = sql.failed ? error_no_memory(err, "a question", 1) : report_table_read(&t, s, sql.s, err);
    if (status == SS_OK) f->pair = calloc((size_t)t.rows + 1, sizeof *f->pair);
    if (status == SS_OK && !f->pair) status = error_no_memory(err, "images", (unsigned long long)t.rows);
    for (int i = 0; status == SS_OK && i < t.rows; i++) {
        compare_pair *p = &f->pair[f->n_pairs++];
        *p = (compare_pair){.prompt = report_whole(&t, i, 0),
                            .seed = report_seed(&t, i, 1),
                            .unit = {report_whole(&t, i, 4), report_whole(&t, i, 2), report_whole(&t, i, 3)},
                            .words = text_copy(report_words(&t, i, 5)),
                            .tag = text_copy(report_words(&t, i, 6)),
                            .failed = {report_whole(&t, i, 7) != 0, report_whole(&t, i, 8) != 0}};
        f->n_failed += p->failed[0] || p->failed[1];
        if (!p->words || !p->tag) status = error_no_memory(err, "a prompt", 1);
    }
    if (status == SS_OK && f->n_pairs == 0)
        status = error_set(err, SS_ERR_INPUT, store_folder(s), "no prompt has an image of both '%s' and '%s' yet",
                           f->study->condition[f->a].name, f->study->condition[f->b].name);
    report_table_free(&t);
    text_free(&sql);
    return status;
}

static ss_status measure_pair(compare_pair *p, const store *s, ss_error *err) {
    rgb_image a = {0}, b = {0};
    p->difference = INFINITY; /* images that failed come first */
    if (p->failed[0] || p->failed[1]) return SS_OK;
    ss_status status = store_image(s, p->unit[1], &a, err);
    if (status == SS_OK) status = store_image(s, p->unit[2], &b, err);
    if (status == SS_OK && (a.width != b.width || a.height != b.height))
        status = error_set(err, SS_ERR_STORE, store_folder(s),
                           "images %lld and %lld are %d x %d and %d x %d pixels; expected one size",
                           (long long)p->unit[1], (long long)p->unit[2], a.width, a.height, b.width, b.height);
    if (status == SS_OK) p->difference = sqrt(pixels_mean_square(&a, &b)) / 255;
    rgb_image_free(&a);
    rgb_image_free(&b);
    return status;
}

/* |a - b| of every channel, brightened, into a. They are of one size. */
static void subtract(rgb_image *a, const rgb_image *b) {
    for (size_t i = 0; i < 3 * (size_t)a->width * (size_t)a->height; i++) {
        int d = GAIN * abs(a->rgb[i] - b->rgb[i]);
        a->rgb[i] = (unsigned char)(d > 255 ? 255 : d);
    }
}

static ss_status add_pictures(compare_facts *f, compare_pair *p, const store *s, ss_error *err) {
    static const char *const WHAT[] = {"baseline", "a", "b"};
    rgb_image image[3] = {{0}};
    ss_status status = SS_OK;
    for (int i = 0; i < 3 && status == SS_OK; i++) {
        if (p->unit[i] < 0) continue;
        if (i > 0 && p->failed[i - 1]) {
            text_add(&p->img[i], "<span class=\"blank\">failed</span>");
            continue;
        }
        const char *name = i == 0 ? WHAT[0] : f->study->condition[i == 1 ? f->a : f->b].name;
        status = store_image(s, p->unit[i], &image[i], err);
        if (status == SS_OK) status = page_add_image(&p->img[i], &image[i], NULL, name, PICTURE_SIDE, err);
    }
    if (status == SS_OK && !p->failed[0] && !p->failed[1]) {
        subtract(&image[1], &image[2]);
        status = page_add_image(&p->img[3], &image[1], NULL, "difference", PICTURE_SIDE, err);
    }
    for (int i = 0; i < 3; i++) rgb_image_free(&image[i]);
    return status;
}

static ss_status gather_images(compare_facts *f, const store *s, int rows, ss_error *err) {
    SS_TRY(list_pairs(f, s, err));
    for (int i = 0; i < f->n_pairs; i++) SS_TRY(measure_pair(&f->pair[i], s, err));
    qsort(f->pair, (size_t)f->n_pairs, sizeof *f->pair, by_difference);
    f->n_shown = rows < f->n_pairs ? rows : f->n_pairs;
    for (int i = 0; i < f->n_shown; i++) SS_TRY(add_pictures(f, &f->pair[i], s, err));
    return SS_OK;
}

static ss_status gather_paths(compare_facts *f, const store *s, ss_error *err) {
    text sql = {0};
    if (!f->study->follow) return SS_OK;
    text_addf(&sql,
              "SELECT condition, step, avg(latent_rmse), avg(velocity_cosine) FROM trajectories WHERE condition IN"
              " ('%s', '%s') GROUP BY condition, step ORDER BY min(unit), step",
              f->study->condition[f->a].name, f->study->condition[f->b].name);
    ss_status status = sql.failed ? error_no_memory(err, "a question", 1) : report_table_read(&f->paths, s, sql.s, err);
    text_free(&sql);
    return status;
}

/* ---- the whole ---- */

static void release(compare_facts *f) {
    for (int i = 0; i < f->n_metrics; i++) {
        free(f->metric[i].prompt);
        free(f->metric[i].seed);
        free(f->metric[i].a);
        free(f->metric[i].b);
    }
    free(f->metric);
    for (int i = 0; i < f->n_pairs; i++) {
        free(f->pair[i].words);
        free(f->pair[i].tag);
        for (int j = 0; j < 4; j++) text_free(&f->pair[i].img[j]);
    }
    free(f->pair);
    report_table_free(&f->paths);
    scores_free(&f->scores);
    free(f);
}

static ss_status compare_gather(compare_facts *f, const store *s, const char *a, const char *b, int rows,
                                ss_error *err) {
    SS_TRY(find_condition(f->study, a, &f->a, err));
    SS_TRY(find_condition(f->study, b, &f->b, err));
    if (f->a == f->b) return error_set(err, SS_ERR_USAGE, NULL, "'%s' is compared with itself", a);
    SS_TRY(gather_images(f, s, rows, err));
    SS_TRY(scores_read(&f->scores, s, err));
    f->metric = calloc((size_t)f->scores.n_metrics + 1, sizeof *f->metric);
    if (!f->metric) return error_no_memory(err, "a comparison", (size_t)f->scores.n_metrics * sizeof *f->metric);
    for (int m = 0; m < f->scores.n_metrics; m++) SS_TRY(gather_metric(f, m, err));
    return gather_paths(f, s, err);
}

ss_status compare_write(const store *s, const char *a, const char *b, int rows, const char *path, ss_error *err) {
    compare_facts *f = calloc(1, sizeof *f);
    text page = {0};
    if (!f) return error_no_memory(err, "a comparison", sizeof *f);
    f->study = store_study((store *)(uintptr_t)s);
    f->store_folder = store_folder(s);
    ss_status status = compare_gather(f, s, a, b, rows, err);
    if (status == SS_OK) {
        compare_page(f, &page);
        status = page.failed ? error_no_memory(err, "a page", page.len) : file_write(path, page.s, page.len, err);
    }
    text_free(&page);
    release(f);
    return status;
}
