/* Paired tests. Deterministic and single-threaded. */
#include "stats/paired.h"

#include <math.h>
#include <stdlib.h>

#include "base/philox.h"
#include "stats/distributions.h"

const stats_word stats_methods[STATS_METHOD_COUNT] = {
    [STATS_METHOD_NONE] = {"-", "not computed"},
    [STATS_METHOD_EXACT] = {"exact", "the whole null distribution"},
    [STATS_METHOD_SAMPLED] = {"sampled", "random draws from the null distribution, p = (b + 1) / (B + 1)"},
    [STATS_METHOD_NORMAL] = {"normal", "normal approximation with tie correction"},
};

stats_t_result stats_paired_t(const stats_summary *s, double level) {
    stats_state state = stats_spread_state(s);
    stats_figure none = stats_undefined(state);
    if (state != STATS_DEFINED) return (stats_t_result){none, none, none, {none, none}};
    double df = s->n - 1, t = s->mean.value / s->se.value;
    double half = stats_t_quantile(0.5 + 0.5 * level, df) * s->se.value;
    return (stats_t_result){.t = stats_defined(t),
                            .df = stats_defined(df),
                            .p = stats_defined(2 * stats_t_upper(fabs(t), df)),
                            .interval = {stats_defined(s->mean.value - half), stats_defined(s->mean.value + half)}};
}

stats_figure stats_tost(const stats_summary *s, double margin) {
    if (stats_spread_state(s) != STATS_DEFINED) return stats_undefined(stats_spread_state(s));
    double df = s->n - 1, above = stats_t_upper((s->mean.value + margin) / s->se.value, df),
           below = stats_t_upper((margin - s->mean.value) / s->se.value, df);
    return stats_defined(fmax(above, below));
}

stats_figure stats_noninferiority(const stats_summary *s, double margin, int better) {
    if (better == 0) return stats_undefined(STATS_NOT_ASKED);
    if (stats_spread_state(s) != STATS_DEFINED) return stats_undefined(stats_spread_state(s));
    double gain = better > 0 ? s->mean.value : -s->mean.value;
    return stats_defined(stats_t_upper((gain + margin) / s->se.value, s->n - 1));
}

/* P(W <= w) for the sum W of a random subset of `ranks` (doubled, whole): the number of subsets of each sum, built rank
 * by rank. Counts stay whole and below 2^53 for up to 53 ranks; beyond that they round, relative error 1e-16 a step. */
static ss_status subset_sum_tail(const int64_t *ranks, int n, int64_t w, double *tail, ss_error *err) {
    int64_t all = 0;
    for (int i = 0; i < n; i++) all += ranks[i];
    double *count = calloc((size_t)all + 1, sizeof *count);
    if (!count) return error_no_memory(err, "exact signed-rank distribution", ((size_t)all + 1) * sizeof *count);
    int64_t reached = 0;
    count[0] = 1;
    for (int i = 0; i < n; i++) {
        reached += ranks[i];
        for (int64_t sum = reached; sum >= ranks[i]; sum--) count[sum] += count[sum - ranks[i]];
    }
    double below = 0;
    for (int64_t sum = 0; sum <= w; sum++) below += count[sum];
    free(count);
    *tail = ldexp(below, -n);
    return SS_OK;
}

/* W of the nonzero differences, given their doubled ranks. The null distribution is symmetric about half the sum of the
 * ranks, so the two-sided p is twice the tail on the side of the smaller rank sum. */
static ss_status signed_rank(const int64_t *ranks, int used, int64_t positive, int exact_up_to,
                             stats_wilcoxon_result *out, ss_error *err) {
    int64_t all = 0;
    double squares = 0;
    for (int i = 0; i < used; i++) {
        all += ranks[i];
        squares += (double)ranks[i] * (double)ranks[i];
    }
    int64_t smaller = positive < all - positive ? positive : all - positive;
    double tail = 0;
    if (used <= exact_up_to) {
        SS_TRY(subset_sum_tail(ranks, used, smaller, &tail, err));
        out->method = STATS_METHOD_EXACT;
    } else {
        tail = stats_normal_cdf(((double)smaller - 0.5 * (double)all) / (0.5 * sqrt(squares)));
        out->method = STATS_METHOD_NORMAL;
    }
    out->used = used;
    out->w = stats_defined(0.5 * (double)positive);
    out->w_negative = 0.5 * (double)(all - positive);
    out->p = stats_defined(fmin(1.0, 2 * tail));
    return SS_OK;
}

ss_status stats_wilcoxon(const double *d, int n, double resolution, stats_zeros zeros, int exact_up_to,
                         stats_wilcoxon_result *out, ss_error *err) {
    size_t room = (size_t)n + 1;
    double *size = malloc(room * sizeof *size);
    int64_t *ranks = malloc(room * sizeof *ranks), positive = 0;
    ss_status status = SS_OK;
    int ranked = 0, used = 0;
    stats_state none = n < 1 ? STATS_TOO_FEW : STATS_ALL_ZERO;
    *out = (stats_wilcoxon_result){.w = stats_undefined(none), .p = stats_undefined(none)};
    if (!size || !ranks) {
        status = error_no_memory(err, "signed-rank test", room * (sizeof *size + sizeof *ranks));
        goto done;
    }
    for (int i = 0; i < n; i++)
        if (zeros == STATS_ZEROS_PRATT || fabs(d[i]) > resolution) size[ranked++] = fabs(d[i]);
    SS_TRY_GOTO(stats_doubled_ranks(size, ranked, resolution, ranks, err), done);
    for (int i = 0, at = 0; i < n; i++) {
        int is_zero = fabs(d[i]) <= resolution;
        if (is_zero) at += zeros == STATS_ZEROS_PRATT;
        else {
            if (d[i] > 0) positive += ranks[at];
            ranks[used++] = ranks[at++];
        }
    }
    if (used > 0) status = signed_rank(ranks, used, positive, exact_up_to, out, err);
done:
    free(size);
    free(ranks);
    return status;
}

/* Signed sums of up to 8 values for each of the 256 patterns of their signs (bit set = flipped): one look-up stands for
 * 8 additions, and the test for 100,000 draws of hundreds of prompts takes milliseconds. */
typedef double sign_table[256];

static void fill_sign_table(sign_table table, const double *x, int n) {
    for (int pattern = 0; pattern < 256; pattern++) {
        double sum = 0;
        for (int i = 0; i < n; i++) sum += pattern >> i & 1 ? -x[i] : x[i];
        table[pattern] = sum;
    }
}

/* Flipping every sign changes that of the sum alone, so the last prompt is kept and the others enumerated. */
static double flip_exactly(sign_table *tables, int groups, int n, double threshold) {
    uint32_t patterns = (uint32_t)1 << (n > 0 ? n - 1 : 0), extreme = 0;
    for (uint32_t pattern = 0; pattern < patterns; pattern++) {
        double sum = 0;
        for (int g = 0; g < groups; g++) sum += tables[g][pattern >> 8 * g & 255];
        extreme += fabs(sum) >= threshold;
    }
    return (double)extreme / (double)patterns;
}

static double flip_sampled(sign_table *tables, int groups, double threshold, uint64_t seed, int samples) {
    uint64_t name[2] = {philox_hash_text("sign-flip"), 0};
    int extreme = 0;
    for (int r = 0; r < samples; r++) {
        philox stream;
        name[1] = (uint64_t)r;
        philox_init(&stream, seed, name, 2);
        double sum = 0;
        uint32_t word = 0;
        for (int g = 0; g < groups; g++) {
            word = g % 4 ? word >> 8 : philox_u32(&stream);
            sum += tables[g][word & 255];
        }
        extreme += fabs(sum) >= threshold;
    }
    return (extreme + 1.0) / (samples + 1.0);
}

ss_status stats_sign_flip(const double *d, int n, uint64_t seed, int exact_up_to, int samples,
                          stats_sign_flip_result *out, ss_error *err) {
    *out = (stats_sign_flip_result){.p = stats_undefined(STATS_TOO_FEW)};
    if (n < 1) return SS_OK;
    int groups = (n + 7) / 8, used = 0;
    sign_table *tables = malloc((size_t)groups * sizeof *tables);
    double *x = malloc((size_t)n * sizeof *x), size = 0;
    if (!tables || !x) {
        free(tables);
        free(x);
        return error_no_memory(err, "sign-flip test", (size_t)groups * sizeof *tables);
    }
    for (int i = 0; i < n; i++) {
        if (d[i] != 0) x[used++] = d[i]; /* a zero's sign changes nothing */
        size += fabs(d[i]);
    }
    groups = (used + 7) / 8;
    for (int g = 0; g < groups; g++) fill_sign_table(tables[g], x + 8 * g, used - 8 * g < 8 ? used - 8 * g : 8);
    /* Sums that are equal on paper differ by rounding, far below 1e-12 of the sum of sizes; they count as extreme. */
    double threshold = fabs(stats_sum(x, used)) - 1e-12 * size;
    int exact = used <= exact_up_to;
    out->method = exact ? STATS_METHOD_EXACT : STATS_METHOD_SAMPLED;
    out->p = stats_defined(exact ? flip_exactly(tables, groups, used, threshold)
                                 : flip_sampled(tables, groups, threshold, seed, samples));
    free(tables);
    free(x);
    return SS_OK;
}
