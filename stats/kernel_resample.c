/* Kernel distances over prompts: sums of the kernel by pair of prompts, once; every resample is then a weighted sum of
 * these. The streams are those of stats/bootstrap; a resample's bits depend on its own number alone. */
#include "stats/kernel_resample.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/thread_pool.h"
#include "stats/bootstrap.h"
#include "stats/summary.h"

/* Sums over pairs of prompts g, h in both orders: at [(g * prompts + h) * 3], g < h, those within the first set, within
 * the second and between them. images[2 g], images[2 g + 1]: how many images prompt g has in each. */
typedef struct pair_sums {
    int prompts;
    double scale;
    double *sums, *images;
} pair_sums;

static int compare_labels(const void *left, const void *right) {
    int64_t x = *(const int64_t *)left, y = *(const int64_t *)right;
    return x < y ? -1 : x > y;
}

static int kernel_resample_find(const int64_t *label, int count, int64_t wanted) {
    const int64_t *at = bsearch(&wanted, label, (size_t)count, sizeof *label, compare_labels);
    return at ? (int)(at - label) : -1;
}

/* Distinct labels of prompt[n], ascending, into label[n]. */
static int distinct(const int64_t *prompt, int64_t n, int64_t *label) {
    int count = 0;
    memcpy(label, prompt, (size_t)n * sizeof *label);
    qsort(label, (size_t)n, sizeof *label, compare_labels);
    for (int64_t i = 0; i < n; i++)
        if (i == 0 || label[i] != label[i - 1]) label[count++] = label[i];
    return count;
}

/* group1[n1], group2[n2]: the place of each row's prompt among the sorted labels. */
static ss_status group_rows(const int64_t *prompt1, int64_t n1, const int64_t *prompt2, int64_t n2, int32_t *group1,
                            int32_t *group2, int *prompts, ss_error *err) {
    size_t bytes = (size_t)(n1 + n2) * sizeof(int64_t);
    int64_t *label1 = malloc(bytes), *label2 = label1 ? label1 + n1 : NULL;
    if (!label1) return error_no_memory(err, "prompts of features", bytes);
    int count1 = distinct(prompt1, n1, label1), count2 = distinct(prompt2, n2, label2);
    ss_status status = SS_OK;
    for (int g = 0; g < count1 && status == SS_OK; g++)
        if (kernel_resample_find(label2, count2, label1[g]) < 0)
            status = error_set(err, SS_ERR_INPUT, "second set",
                               "has no row of prompt %" PRId64 ", which the first set has", label1[g]);
    for (int g = 0; g < count2 && status == SS_OK; g++)
        if (kernel_resample_find(label1, count1, label2[g]) < 0)
            status = error_set(err, SS_ERR_INPUT, "first set",
                               "has no row of prompt %" PRId64 ", which the second set has", label2[g]);
    if (status == SS_OK && count1 < 3)
        status = error_set(err, SS_ERR_INPUT, NULL, "rows of %d prompt%s; resampling prompts needs 3 or more", count1,
                           count1 == 1 ? "" : "s");
    if (status == SS_OK) {
        for (int64_t i = 0; i < n1; i++) group1[i] = (int32_t)kernel_resample_find(label1, count1, prompt1[i]);
        for (int64_t i = 0; i < n2; i++) group2[i] = (int32_t)kernel_resample_find(label1, count1, prompt2[i]);
        *prompts = count1;
    }
    free(label1);
    return status;
}

/* Adds the sums of each row over groups to its pair of prompts; `part`: within first, within second, between. */
static void kernel_resample_add_rows(const double *row_sums, int64_t n, const int32_t *group, int part, pair_sums *p) {
    for (int64_t i = 0; i < n; i++)
        for (int h = 0; h < p->prompts; h++) {
            int g = group[i], low = g < h ? g : h, high = g < h ? h : g;
            double both = part == 2 ? 1 : 2; /* within a set a pair of rows came once, and counts in both orders */
            p->sums[((size_t)low * (size_t)p->prompts + (size_t)high) * 3 + (size_t)part] +=
                both * row_sums[i * p->prompts + h];
        }
}

static ss_status sum_pairs(const stats_kernel_set *x, const int32_t *group1, const stats_kernel_set *y,
                           const int32_t *group2, const stats_kernel *kernel, int threads, pair_sums *p,
                           ss_error *err) {
    int64_t n1 = x->from->n, n2 = y->from->n;
    size_t bytes = (size_t)(n1 > n2 ? n1 : n2) * (size_t)p->prompts * sizeof(double);
    double *rows = malloc(bytes);
    ss_status status;
    if (!rows) return error_no_memory(err, "sums over pairs of prompts", bytes);
    SS_TRY_GOTO(stats_kernel_sums(x, x, kernel, group1, p->prompts, threads, rows, err), done);
    kernel_resample_add_rows(rows, n1, group1, 0, p);
    SS_TRY_GOTO(stats_kernel_sums(y, y, kernel, group2, p->prompts, threads, rows, err), done);
    kernel_resample_add_rows(rows, n2, group2, 1, p);
    SS_TRY_GOTO(stats_kernel_sums(x, y, kernel, group2, p->prompts, threads, rows, err), done);
    kernel_resample_add_rows(rows, n1, group1, 2, p);
    for (int64_t i = 0; i < n1; i++) p->images[2 * group1[i]]++;
    for (int64_t i = 0; i < n2; i++) p->images[2 * group2[i] + 1]++;
done:
    free(rows);
    return status;
}

/* The statistic of prompts with weights: weight[0 .. count-1] belong to the prompts present[0 .. count-1], ascending.
 * *size: its three means without their signs. */
static double statistic(const pair_sums *p, const int32_t *present, const double *weight, int count, double *size) {
    double top[3] = {0}, all1 = 0, all2 = 0, own11 = 0, own22 = 0, own12 = 0;
    for (int i = 0; i < count; i++) {
        const double *row = p->sums + (size_t)present[i] * (size_t)p->prompts * 3, *n = p->images + 2 * present[i];
        double sum[3] = {0}, w = weight[i];
        for (int j = i + 1; j < count; j++)
            for (int part = 0; part < 3; part++) sum[part] += weight[j] * row[3 * present[j] + part];
        for (int part = 0; part < 3; part++) top[part] += w * sum[part];
        all1 += w * n[0];
        all2 += w * n[1];
        own11 += w * n[0] * w * n[0];
        own22 += w * n[1] * w * n[1];
        own12 += w * n[0] * w * n[1];
    }
    double within1 = p->scale * top[0] / (all1 * all1 - own11), within2 = p->scale * top[1] / (all2 * all2 - own22);
    double between = p->scale * top[2] / (all1 * all2 - own12);
    *size = fabs(within1) + fabs(within2) + 2 * fabs(between);
    return within1 + within2 - 2 * between;
}

/* Draws a resample: which prompts, how often. */
static int kernel_resample_draw(uint64_t seed, int resample, int prompts, int32_t *present, double *weight) {
    philox stream;
    int count = 0;
    stats_bootstrap_stream(seed, resample, &stream);
    while (count < 2) {
        for (int g = 0; g < prompts; g++) weight[g] = 0;
        for (int i = 0; i < prompts; i++) weight[philox_below(&stream, (uint32_t)prompts)]++;
        count = 0;
        for (int g = 0; g < prompts; g++) count += weight[g] > 0;
    }
    count = 0;
    for (int g = 0; g < prompts; g++) {
        if (weight[g] == 0) continue;
        present[count] = g;
        weight[count++] = weight[g];
    }
    return count;
}

/* All prompts but `left_out` (-1: all), each once. */
static int all_but(int left_out, int prompts, int32_t *present, double *weight) {
    int count = 0;
    for (int g = 0; g < prompts; g++) {
        if (g == left_out) continue;
        present[count] = g;
        weight[count++] = 1;
    }
    return count;
}

typedef struct resample_work {
    const pair_sums *p;
    double rows;
    uint64_t seed;
    double *weight;   /* [part, prompts] */
    int32_t *present; /* [part, prompts] */
    stats_mmd_resampled *out;
} resample_work;

/* Statistic number 0: of all prompts; 1 to `prompts`: without each; then of resamples. */
static void compute_some(void *context, int64_t first, int64_t end, int part) {
    const resample_work *w = context;
    stats_mmd_resampled *out = w->out;
    const int prompts = w->p->prompts;
    double *weight = w->weight + (size_t)part * (size_t)prompts;
    int32_t *present = w->present + (size_t)part * (size_t)prompts;
    for (int64_t number = first; number < end; number++) {
        int left_out = (int)number - 1, r = left_out - prompts;
        int count = r < 0 ? all_but(left_out, prompts, present, weight)
                          : kernel_resample_draw(w->seed, r, prompts, present, weight);
        double size, value = statistic(w->p, present, weight, count, &size);
        if (r >= 0) out->replicates[r] = value;
        else if (left_out >= 0) out->leave_one_out[left_out] = value;
        else out->estimate = value, out->resolution = DBL_EPSILON * w->rows * size;
    }
}

static ss_status compute_all(const pair_sums *p, double rows, uint64_t seed, int resamples, int threads,
                             stats_mmd_resampled *out, ss_error *err) {
    int prompts = p->prompts;
    size_t each = (size_t)prompts * (sizeof(int32_t) + sizeof(double)), numbers = (size_t)prompts + (size_t)resamples;
    double *weights = malloc((size_t)threads * each), *block = malloc(numbers * sizeof *block);
    if (!weights || !block) {
        free(weights);
        free(block);
        return error_no_memory(err, "resamples of prompts", numbers * sizeof *block);
    }
    *out = (stats_mmd_resampled){.prompts = prompts, .resamples = resamples};
    out->leave_one_out = block;
    out->replicates = block + prompts;
    resample_work work = {p, rows, seed, weights, (int32_t *)(weights + (size_t)threads * (size_t)prompts), out};
    ss_status status = thread_pool_for_once(threads, (int64_t)1 + prompts + resamples, 16, compute_some, &work, err);
    free(weights);
    if (status == SS_OK) status = stats_kernel_finite(out->estimate, err);
    if (status != SS_OK) stats_mmd_resampled_free(out);
    return status;
}

ss_status stats_mmd_resample(const stats_features *first, const int64_t *prompt1, const stats_features *second,
                             const int64_t *prompt2, const stats_kernel *kernel, uint64_t seed, int resamples,
                             int threads, stats_mmd_resampled *out, ss_error *err) {
    stats_kernel_set x = {0}, y = {0};
    pair_sums p = {.scale = kernel->scale};
    ss_status status;
    *out = (stats_mmd_resampled){0};
    SS_TRY(stats_features_check(first, second, err));
    size_t bytes = (size_t)(first->n + second->n) * sizeof(int32_t);
    int32_t *group1 = malloc(bytes), *group2 = group1 ? group1 + first->n : NULL;
    if (!group1) return error_no_memory(err, "prompts of features", bytes);
    SS_TRY_GOTO(group_rows(prompt1, first->n, prompt2, second->n, group1, group2, &p.prompts, err), done);
    SS_TRY_GOTO(stats_kernel_set_make(first, kernel, "first set", &x, err), done);
    SS_TRY_GOTO(stats_kernel_set_make(second, kernel, "second set", &y, err), done);
    size_t pairs = 3 * (size_t)p.prompts * (size_t)p.prompts, numbers = pairs + 2 * (size_t)p.prompts;
    p.sums = calloc(numbers, sizeof *p.sums);
    if (!p.sums) SS_TRY_GOTO(error_no_memory(err, "sums over pairs of prompts", numbers * sizeof *p.sums), done);
    p.images = p.sums + pairs;
    SS_TRY_GOTO(sum_pairs(&x, group1, &y, group2, kernel, threads, &p, err), done);
    status = compute_all(&p, (double)(first->n + second->n), seed, resamples, threads, out, err);
done:
    free(p.sums);
    free(group1);
    stats_kernel_set_free(&x);
    stats_kernel_set_free(&y);
    return status;
}

void stats_mmd_resampled_free(stats_mmd_resampled *r) {
    free(r->leave_one_out);
    *r = (stats_mmd_resampled){0};
}

stats_interval stats_mmd_interval(stats_mmd_resampled *r, double level) {
    return stats_bca_statistic(r->estimate, r->leave_one_out, r->prompts, r->resolution, r->replicates, r->resamples,
                               level);
}
