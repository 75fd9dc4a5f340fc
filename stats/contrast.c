/* All figures of one contrast, and the verdicts of a family of contrasts. The data are arrays of doubles with
 * labels. */
#include "stats/contrast.h"

#include <math.h>
#include <stdlib.h>

#include "stats/binary.h"
#include "stats/bootstrap.h"
#include "stats/failed.h"
#include "stats/paired.h"
#include "stats/power.h"

static void compute_estimate(const stats_prompts *p, const stats_summary *s, stats_contrast *c) {
    c->mean_a = stats_summarise(p->a, p->n, p->resolution).mean;
    c->mean_b = stats_summarise(p->b, p->n, p->resolution).mean;
    c->mean = s->mean;
    c->sd = s->sd;
    c->se = s->se;
    c->d_z = s->d_z;
}

static ss_status compute_interval(const stats_prompts *p, const stats_options *o, stats_contrast *c, ss_error *err) {
    if (c->d_z.state != STATS_DEFINED) {
        c->ci_low = c->ci_high = stats_undefined(c->d_z.state);
        return SS_OK;
    }
    stats_interval interval;
    SS_TRY(stats_bca_of_mean(p->d, p->n, p->resolution, o->seed, o->resamples, o->level, &interval, err));
    c->ci_low = interval.low;
    c->ci_high = interval.high;
    return SS_OK;
}

static void take_wilcoxon(const stats_wilcoxon_result *w, stats_contrast *c) {
    c->wilcoxon_used = w->used;
    c->wilcoxon_method = (int)w->method;
    c->wilcoxon_w = w->w;
    c->wilcoxon_p = w->p;
}

static ss_status compute_tests(const stats_prompts *p, const stats_summary *s, const stats_options *o,
                               stats_contrast *c, ss_error *err) {
    stats_sign_flip_result flip;
    SS_TRY(stats_sign_flip(p->d, p->n, o->seed, o->flips_exact, o->flips, &flip, err));
    c->sign_flip_p = flip.p;
    c->sign_flip_method = (int)flip.method;

    stats_t_result t = stats_paired_t(s, o->level);
    c->t = t.t;
    c->t_df = t.df;
    c->t_p = t.p;
    c->t_low = t.interval.low;
    c->t_high = t.interval.high;

    stats_wilcoxon_result w;
    SS_TRY(stats_wilcoxon(p->d, p->n, p->resolution, (stats_zeros)o->zeros, o->ranks_exact, &w, err));
    take_wilcoxon(&w, c);
    return SS_OK;
}

static void compute_equivalence(const stats_summary *s, const stats_options *o, stats_contrast *c) {
    c->detectable_d_z = stats_detectable_effect(s->n, o->alpha, o->power);
    c->detectable = stats_undefined(stats_spread_state(s));
    if (c->detectable.state == STATS_DEFINED && c->detectable_d_z.state == STATS_DEFINED)
        c->detectable = stats_defined(c->detectable_d_z.value * s->sd.value);
    stats_interval inner = stats_paired_t(s, 1 - 2 * o->alpha).interval;
    c->tost_low = inner.low;
    c->tost_high = inner.high;
    if (o->margin <= 0) return;
    c->margin = stats_defined(o->margin);
    c->tost_p = stats_tost(s, o->margin);
    c->noninferiority_p = stats_noninferiority(s, o->margin, o->better);
}

/* Whether every value is 0 or 1. */
static int is_binary(const stats_pairs *pairs) {
    for (int i = 0; i < pairs->count; i++)
        if ((pairs->a[i] != 0 && pairs->a[i] != 1) || (pairs->b[i] != 0 && pairs->b[i] != 1)) return 0;
    return 1;
}

static void compute_binary(const stats_pairs *pairs, const stats_prompts *p, double level, stats_contrast *c) {
    stats_state state = p->n < 1            ? STATS_TOO_FEW
                        : !is_binary(pairs) ? STATS_NOT_BINARY
                        : p->seeds_max > 1  ? STATS_SEVERAL_SEEDS
                                            : STATS_DEFINED;
    if (state != STATS_DEFINED) {
        stats_figure none = stats_undefined(state);
        c->both = c->only_a = c->only_b = c->neither = none;
        c->mcnemar_p = c->newcombe_low = c->newcombe_high = none;
        c->rate_a_low = c->rate_a_high = c->rate_b_low = c->rate_b_high = none;
        return;
    }
    stats_table t = {0};
    for (int i = 0; i < p->n; i++) {
        int a = p->a[i] == 1, b = p->b[i] == 1;
        t.both += a && b;
        t.only_a += a && !b;
        t.only_b += !a && b;
        t.neither += !a && !b;
    }
    c->both = stats_defined(t.both);
    c->only_a = stats_defined(t.only_a);
    c->only_b = stats_defined(t.only_b);
    c->neither = stats_defined(t.neither);
    c->mcnemar_p = stats_mcnemar(&t);
    stats_interval newcombe = stats_newcombe(&t, level), a = stats_wilson(t.both + t.only_a, p->n, level),
                   b = stats_wilson(t.both + t.only_b, p->n, level);
    c->newcombe_low = newcombe.low;
    c->newcombe_high = newcombe.high;
    c->rate_a_low = a.low;
    c->rate_a_high = a.high;
    c->rate_b_low = b.low;
    c->rate_b_high = b.high;
}

stats_figure stats_primary_p(const stats_contrast *c) {
    return c->primary_test == STATS_PRIMARY_SIGNED_RANK ? c->wilcoxon_p : c->sign_flip_p;
}

int stats_direction(const stats_contrast *c) {
    return stats_contrast_failed(c) ? c->rank_direction : (c->mean.value > 0) - (c->mean.value < 0);
}

stats_figure stats_shown_p(const stats_contrast *c) {
    return c->p_holm.state == STATS_NOT_ASKED ? stats_primary_p(c) : c->p_holm;
}

int stats_contrast_failed(const stats_contrast *c) { return c->failed_a + c->failed_b > 0; }

/* Figures that need a value for every image are undefined; those of signs and ranks are defined. */
static ss_status compute_failed(const stats_prompts *p, const stats_options *o, stats_contrast *c, ss_error *err) {
    stats_figure none = stats_undefined(STATS_FAILED);
    stats_wilcoxon_result w;
    double *d, resolution;
    int worst = o->worst ? o->worst : -o->better;
    if (!worst)
        return error_set(err, SS_ERR_USAGE, NULL,
                         "images failed, and nothing says whether they stand below the lowest value or above the "
                         "highest; give --worst or --better");
    c->failed_a = p->failed_a;
    c->failed_b = p->failed_b;
    c->mean_a = p->failed_a ? none : stats_summarise(p->a, p->n, p->resolution).mean;
    c->mean_b = p->failed_b ? none : stats_summarise(p->b, p->n, p->resolution).mean;
    c->mean = c->sd = c->se = c->d_z = c->ci_low = c->ci_high = none;
    c->sign_flip_p = c->t = c->t_df = c->t_p = c->t_low = c->t_high = none;
    c->detectable = c->tost_low = c->tost_high = none;
    if (o->margin > 0) {
        c->margin = stats_defined(o->margin);
        c->tost_p = none;
        c->noninferiority_p = o->better ? none : stats_undefined(STATS_NOT_ASKED);
    }
    c->detectable_d_z = stats_detectable_effect(p->n, o->alpha, o->power);
    c->both = c->only_a = c->only_b = c->neither = c->mcnemar_p = c->newcombe_low = c->newcombe_high = none;
    c->rate_a_low = c->rate_a_high = c->rate_b_low = c->rate_b_high = none;
    stats_interval bounds = stats_failed_bounds(p, worst);
    c->mean_at_least = bounds.low;
    c->mean_at_most = bounds.high;
    SS_TRY(stats_failed_differences(p, worst, &d, &resolution, err));
    ss_status status = stats_wilcoxon(d, p->n, resolution, (stats_zeros)o->zeros, o->ranks_exact, &w, err);
    if (status == SS_OK) {
        take_wilcoxon(&w, c);
        c->primary_test = STATS_PRIMARY_SIGNED_RANK;
        c->sign_p = stats_sign_test(d, p->n, resolution);
        c->rank_direction = (w.w.value > w.w_negative) - (w.w.value < w.w_negative);
    }
    free(d);
    return status;
}

ss_status stats_contrast_compute(const stats_pairs *pairs, const stats_options *options, stats_contrast *out,
                                 ss_error *err) {
    stats_prompts prompts;
    ss_status status;
    *out = (stats_contrast){.pairs = pairs->count, .better = options->better};
    SS_TRY(stats_aggregate(pairs, &prompts, err));
    stats_summary summary = stats_summarise(prompts.d, prompts.n, prompts.resolution);
    out->n = prompts.n;
    out->seeds_min = prompts.seeds_min;
    out->seeds_max = prompts.seeds_max;
    if (prompts.failed_a + prompts.failed_b > 0) {
        status = compute_failed(&prompts, options, out, err);
        goto done;
    }
    compute_estimate(&prompts, &summary, out);
    SS_TRY_GOTO(compute_interval(&prompts, options, out, err), done);
    SS_TRY_GOTO(compute_tests(&prompts, &summary, options, out, err), done);
    compute_equivalence(&summary, options, out);
    compute_binary(pairs, &prompts, options->level, out);
done:
    stats_prompts_free(&prompts);
    return status;
}

static stats_assay assay_of(const stats_contrast *c, const stats_contrast *positive, double alpha) {
    if (!positive) return STATS_ASSAY_NONE;
    stats_figure p = stats_shown_p(positive);
    if (p.state != STATS_DEFINED) return STATS_ASSAY_NONE;
    if (!stats_below(p, alpha) || stats_direction(positive) * positive->better > 0) return STATS_ASSAY_MISSED;
    return positive->n > c->n ? STATS_ASSAY_LARGER_N : STATS_ASSAY_DETECTED;
}

ss_status stats_contrasts_judge(stats_contrast *const *family, int n, const stats_contrast *positive, double alpha,
                                ss_error *err) {
    size_t bytes = ((size_t)n * 3 + 1) * sizeof(stats_figure);
    stats_figure *p = malloc(bytes), *q = p ? p + n : NULL, *r = p ? q + n : NULL;
    ss_status status;
    if (!p) return error_no_memory(err, "family of contrasts", bytes);
    for (int i = 0; i < n; i++) {
        p[i] = stats_primary_p(family[i]);
        r[i] = family[i]->tost_p;
    }
    SS_TRY_GOTO(stats_benjamini_hochberg(p, n, q, err), done);
    SS_TRY_GOTO(stats_holm(p, n, p, err), done);
    SS_TRY_GOTO(stats_holm(r, n, r, err), done);
    for (int i = 0; i < n; i++) {
        family[i]->p_holm = p[i];
        family[i]->p_bh = q[i];
        family[i]->tost_p_holm = r[i];
    }
    for (int i = 0; i < n; i++) {
        stats_contrast *c = family[i];
        c->assay = assay_of(c, positive, alpha);
        c->within_margin = stats_below(c->tost_p_holm, alpha);
        c->verdict = stats_judge(c->p_holm, c->tost_p_holm, (stats_assay)c->assay, alpha);
    }
done:
    free(p);
    return status;
}
