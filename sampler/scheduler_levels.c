/* The timesteps of an image and the noise levels at them. See scheduler_diffusion.h. */
#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "sampler/scheduler_diffusion.h"

static int as_solver(spacing_rule rule) { return rule == SPACE_AS_DPM_SOLVER || rule == SPACE_AS_UNIPC; }

/* numpy.arange(train, 0, -ratio) with its own arithmetic, which makes one point too many for some numbers of steps. */
static int64_t trailing_count(const diffusion_config *g, int steps) {
    double train = (double)g->train_timesteps, ratio = train / steps;
    return (int64_t)ceil((0 - train) / -ratio);
}

static double trailing_at(const diffusion_config *g, int steps, int i) {
    double train = (double)g->train_timesteps, ratio = train / steps, stride = (train - ratio) - train;
    return nearbyint(train + i * stride) - 1;
}

ss_status diffusion_check_steps(const diffusion_config *g, int steps, spacing_rule rule, ss_error *err) {
    int extra = as_solver(rule) && g->spacing != SPACING_TRAILING;
    if (steps > g->train_timesteps - extra)
        return error_set(err, SS_ERR_INPUT, NULL, "steps is %d; expected at most %lld, since the model has %lld", steps,
                         (long long)g->train_timesteps - extra, (long long)g->train_timesteps);
    if (g->spacing == SPACING_TRAILING && trailing_count(g, steps) != steps)
        return error_set(err, SS_ERR_INPUT, NULL,
                         "steps is %d; expected another number, as %d: for this one trailing timesteps are one too "
                         "many in diffusers, by a rounding error",
                         steps, steps > 1 ? steps - 1 : steps + 1);
    if (rule != SPACE_AS_DDIM || g->spacing != SPACING_LEADING) return SS_OK;
    int64_t first = (steps - 1) * (g->train_timesteps / steps) + g->steps_offset;
    if (first >= g->train_timesteps)
        return error_set(err, SS_ERR_INPUT, NULL,
                         "steps is %d; expected fewer: with steps_offset %lld the first timestep is %lld of %lld",
                         steps, (long long)g->steps_offset, (long long)first, (long long)g->train_timesteps);
    return SS_OK;
}

void diffusion_timesteps(const diffusion_config *g, int steps, spacing_rule rule, double *timestep) {
    int points = steps + (as_solver(rule));
    double last = (double)(g->train_timesteps - 1), stride = points > 1 ? last / (points - 1) : 0;
    for (int i = 0; i < steps; i++) {
        int from_end = points - 1 - i;
        if (g->spacing == SPACING_TRAILING) {
            timestep[i] = trailing_at(g, steps, i);
        } else if (g->spacing == SPACING_LEADING) {
            timestep[i] = (double)(from_end * (g->train_timesteps / points) + g->steps_offset);
        } else {
            double t = i == 0 && points > 1 ? last : from_end * stride;
            timestep[i] = rule == SPACE_AS_EULER ? (double)(float)t : nearbyint(t);
        }
    }
}

/* numpy.interp of the sigmas of training, held at both ends. */
static double sigma_at(const float *alpha_bar, int64_t n, double t) {
    if (t <= 0) return (double)diffusion_sigma(alpha_bar[0]);
    if (t >= (double)(n - 1)) return (double)diffusion_sigma(alpha_bar[n - 1]);
    int64_t below = (int64_t)t;
    double low = (double)diffusion_sigma(alpha_bar[below]), high = (double)diffusion_sigma(alpha_bar[below + 1]);
    return (high - low) * (t - (double)below) + low;
}

double timestep_of(const float *alpha_bar, int64_t n, double sigma) {
    double log_sigma = log(sigma > 1e-10 ? sigma : 1e-10);
    int64_t below = 0, above = n; /* sigmas grow with t: find the last that is not larger */
    while (above - below > 1) {
        int64_t middle = below + (above - below) / 2;
        if ((double)(float)log((double)diffusion_sigma(alpha_bar[middle])) <= log_sigma) below = middle;
        else above = middle;
    }
    if (below > n - 2) below = n - 2;
    float low = (float)log((double)diffusion_sigma(alpha_bar[below]));
    float high = (float)log((double)diffusion_sigma(alpha_bar[below + 1]));
    double w = ((double)low - log_sigma) / (double)(low - high);
    w = w < 0 ? 0 : w > 1 ? 1 : w;
    return (1 - w) * (double)below + w * (double)(below + 1);
}

/* ---- spacing of levels ---- */

/* The regularised incomplete beta function of a = b = 0.6 at x <= 1/2, by its power series (DLMF 8.17.7). */
static double beta_share(double x) {
    const double a = 0.6, b = 0.6;
    double term = 1, sum = 1 / a;
    for (int k = 1; k < 200; k++) {
        term *= (k - b) / k * x;
        sum += term / (a + k);
    }
    return pow(x, a) * sum * tgamma(a + b) / (tgamma(a) * tgamma(b));
}

/* scipy.stats.beta.ppf(p, 0.6, 0.6): the distribution is symmetric, so its lower half suffices. */
static double beta_quantile(double p) {
    if (p > 0.5) return 1 - beta_quantile(1 - p);
    double low = 0, high = 0.5;
    for (int i = 0; i < 200; i++) {
        double middle = (low + high) / 2;
        if (beta_share(middle) < p) low = middle;
        else high = middle;
    }
    return high;
}

/* Equation 5 of Karras et al., rho = 7; a geometric row; quantiles of a beta distribution (Lee et al., "Beta Sampling
 * is All You Need", 2024). */
double level_at(level_rule rule, double most, double least, int steps, int i) {
    const double rho = 7;
    double ramp = steps < 2 ? 0 : i == steps - 1 ? 1 : i * (1.0 / (steps - 1));
    if (rule == LEVELS_BETA) return least + beta_quantile(1 - ramp) * (most - least);
    if (rule == LEVELS_EXPONENTIAL) {
        double first = log(most), last = log(least), stride = steps < 2 ? 0 : (last - first) / (steps - 1);
        return exp(steps > 1 && i == steps - 1 ? last : i * stride + first);
    }
    double a = pow(most, 1 / rho), b = pow(least, 1 / rho);
    return pow(a + ramp * (b - a), rho);
}

/* Levels of a flow, shifted. DPM-Solver's begin one step below 1, UniPC's just below it. */
static double flow_level(const diffusion_config *g, int steps, spacing_rule rule, int i) {
    double last = 1.0 / (double)g->train_timesteps, stride = (last - 1) / steps;
    double level = rule == SPACE_AS_UNIPC ? i * stride + 1 : 1 - (i == 0 ? last : (steps - i) * stride + 1);
    level = g->flow_shift * level / (1 + (g->flow_shift - 1) * level);
    return rule == SPACE_AS_UNIPC && fabs(level - 1) < 1e-6 ? level - 1e-6 : level;
}

static void flow_levels(const diffusion_config *g, const float *alpha_bar, int steps, spacing_rule rule,
                        float *timestep, float *sigma) {
    double most = sigma_at(alpha_bar, g->train_timesteps, (double)g->train_timesteps),
           least = sigma_at(alpha_bar, g->train_timesteps, 0);
    for (int i = 0; i < steps; i++) {
        double level = g->levels ? level_at(g->levels, most, least, steps, i) : flow_level(g, steps, rule, i);
        if (g->levels) level = level / (level + 1);
        sigma[i] = (float)level;
        timestep[i] = (float)trunc(level * (double)g->train_timesteps);
    }
}

/* How DPM-Solver rounds the timesteps of spaced levels: those of Karras are rounded, others cut. */
static double scheduler_levels_whole(level_rule rule, double t) {
    return rule == LEVELS_EXPONENTIAL || rule == LEVELS_BETA ? trunc(t) : nearbyint(t);
}

static void noise_levels(const diffusion_config *g, const float *alpha_bar, int steps, spacing_rule rule, double *exact,
                         float *timestep, float *sigma) {
    int64_t n = g->train_timesteps;
    int solver = as_solver(rule);
    assert(steps > 0);
    diffusion_timesteps(g, steps, rule, exact);
    double most = sigma_at(alpha_bar, n, solver ? (double)n : exact[0]);
    double least = sigma_at(alpha_bar, n, solver ? 0 : exact[steps - 1]);
    for (int i = 0; i < steps; i++) {
        double level = g->levels ? level_at(g->levels, most, least, steps, i) : sigma_at(alpha_bar, n, exact[i]);
        double t = g->levels ? timestep_of(alpha_bar, n, level) : exact[i];
        sigma[i] = (float)level;
        timestep[i] = (float)(solver ? scheduler_levels_whole(g->levels, t) : t);
    }
}

ss_status diffusion_sigmas(const diffusion_config *g, int steps, spacing_rule rule, float *timestep, float *sigma,
                           ss_error *err) {
    float *alpha_bar;
    SS_TRY(diffusion_alpha_bar(g, &alpha_bar, err));
    if (g->zero_snr) alpha_bar[g->train_timesteps - 1] = 0x1p-24f; /* so that the first sigma is finite */
    double *exact = malloc((size_t)steps * sizeof *exact);
    if (exact && g->flow_sigmas) flow_levels(g, alpha_bar, steps, rule, timestep, sigma);
    else if (exact) noise_levels(g, alpha_bar, steps, rule, exact, timestep, sigma);
    if (exact)
        sigma[steps] = g->final == FINAL_ZERO    ? 0
                       : g->final == FINAL_AGAIN ? sigma[steps - 1]
                                                 : diffusion_sigma(alpha_bar[0]);
    free(exact);
    free(alpha_bar);
    return exact ? SS_OK : error_no_memory(err, "schedule", (size_t)steps * sizeof *exact);
}
