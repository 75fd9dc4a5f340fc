/* See scheduler_diffusion.h. Relies on base/ and libm. */
#include "sampler/scheduler_diffusion.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- reading ---- */

ss_status diffusion_expect_flag(const json_t *json, const char *where, const char *key, int by_default, int expected,
                                ss_error *err) {
    int found;
    SS_TRY(json_get_bool_or(json, key, where, by_default, &found, err));
    if (found == expected) return SS_OK;
    return error_set(err, SS_ERR_INPUT, where, "%s is %s%s; expected %s", key, found ? "true" : "false",
                     json_has(json, key) ? "" : ", as it is by default", expected ? "true" : "false");
}

ss_status diffusion_expect_none(const json_t *json, const char *where, const char *key, ss_error *err) {
    if (!json_has(json, key)) return SS_OK;
    char *value = json_dumps(json_object_get(json, key), JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(9));
    ss_status status =
        error_set(err, SS_ERR_INPUT, where, "%s is %.60s; expected null", key, value ? value : "something");
    free(value);
    return status;
}

ss_status diffusion_parse_word(const json_t *json, const char *where, const char *key, const char *by_default,
                               const char *a, const char *b, int *second, ss_error *err) {
    const char *found;
    SS_TRY(json_get_text_or(json, key, where, by_default, &found, err));
    *second = b && strcmp(found, b) == 0;
    if (*second || strcmp(found, a) == 0) return SS_OK;
    return error_set(err, SS_ERR_INPUT, where, "%s is '%s'; expected %s%s%s", key, found, a, b ? " or " : "",
                     b ? b : "");
}

static ss_status parse_spacing(const json_t *json, const char *where, timestep_spacing by_default,
                               timestep_spacing *out, ss_error *err) {
    static const char *const words[] = {
        [SPACING_LEADING] = "leading", [SPACING_TRAILING] = "trailing", [SPACING_LINSPACE] = "linspace"};
    const char *found;
    SS_TRY(json_get_text_or(json, "timestep_spacing", where, words[by_default], &found, err));
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcmp(found, words[i]) == 0) {
            *out = (timestep_spacing)i;
            return SS_OK;
        }
    return error_set(err, SS_ERR_INPUT, where, "timestep_spacing is '%s'; expected leading, trailing or linspace",
                     found);
}

ss_status diffusion_parse(const json_t *json, const char *where, timestep_spacing by_default, diffusion_config *out,
                          ss_error *err) {
    SS_TRY(json_get_int_or(json, "num_train_timesteps", where, 1000, &out->train_timesteps, err));
    if (out->train_timesteps < 2 || out->train_timesteps > 1000000)
        return error_set(err, SS_ERR_INPUT, where, "num_train_timesteps is %lld; expected 2 to 1000000",
                         (long long)out->train_timesteps);
    SS_TRY(json_get_double_or(json, "beta_start", where, 0.0001, &out->beta_start, err));
    SS_TRY(json_get_double_or(json, "beta_end", where, 0.02, &out->beta_end, err));
    if (!(out->beta_start > 0 && out->beta_start <= out->beta_end && out->beta_end < 1))
        return error_set(err, SS_ERR_INPUT, where,
                         "beta_start and beta_end: expected 0 < beta_start <= beta_end < 1, as 0.00085 and 0.012");
    SS_TRY(diffusion_parse_word(json, where, "beta_schedule", "linear", "linear", "scaled_linear", &out->scaled_linear,
                                err));
    SS_TRY(diffusion_expect_none(json, where, "trained_betas", err));
    SS_TRY(diffusion_parse_word(json, where, "prediction_type", "epsilon", "epsilon", "v_prediction",
                                &out->v_prediction, err));
    SS_TRY(parse_spacing(json, where, by_default, &out->spacing, err));
    SS_TRY(json_get_int_or(json, "steps_offset", where, 0, &out->steps_offset, err));
    if (out->steps_offset < 0 || out->steps_offset >= out->train_timesteps)
        return error_set(err, SS_ERR_INPUT, where, "steps_offset is %lld; expected 0 to %lld",
                         (long long)out->steps_offset, (long long)out->train_timesteps - 1);
    return SS_OK;
}

ss_status diffusion_parse_sigmas(const json_t *json, const char *where, diffusion_config *out, ss_error *err) {
    SS_TRY(json_get_bool_or(json, "use_karras_sigmas", where, 0, &out->karras, err));
    SS_TRY(diffusion_expect_flag(json, where, "use_exponential_sigmas", 0, 0, err));
    SS_TRY(diffusion_expect_flag(json, where, "use_beta_sigmas", 0, 0, err));
    return diffusion_parse_word(json, where, "final_sigmas_type", "zero", "zero", "sigma_min", &out->final_sigma_min,
                                err);
}

ss_status diffusion_parse_zero_snr(const json_t *json, const char *where, diffusion_config *out, ss_error *err) {
    return json_get_bool_or(json, "rescale_betas_zero_snr", where, 0, &out->zero_snr, err);
}

/* ---- the noise of training ---- */

/* torch.linspace in float32, from both ends to the middle. */
static float beta_at(const diffusion_config *g, int64_t t) {
    int64_t n = g->train_timesteps;
    float first = (float)(g->scaled_linear ? sqrt(g->beta_start) : g->beta_start);
    float last = (float)(g->scaled_linear ? sqrt(g->beta_end) : g->beta_end);
    float step = (last - first) / (float)(n - 1);
    float x = t < n / 2 ? first + step * (float)t : last - step * (float)(n - 1 - t);
    return g->scaled_linear ? x * x : x;
}

/* rescale_zero_terminal_snr: the root of alpha_bar shifted so that it ends at 0, and scaled so that it begins where it
 * did. By way of betas, as the reference, each rounded. */
static void rescale_to_zero_snr(float *alpha_bar, int64_t n) {
    float first = sqrtf(alpha_bar[0]), last = sqrtf(alpha_bar[n - 1]), scale = first / (first - last), before = 1;
    double product = 1;
    for (int64_t t = 0; t < n; t++) {
        float root = (sqrtf(alpha_bar[t]) - last) * scale, square = root * root;
        float beta = 1 - square / before;
        before = square;
        product *= (double)(1 - beta);
        alpha_bar[t] = (float)product;
    }
}

ss_status diffusion_alpha_bar(const diffusion_config *g, float **out, ss_error *err) {
    size_t n = (size_t)g->train_timesteps;
    float *alpha_bar = *out = malloc(n * sizeof *alpha_bar);
    if (!alpha_bar) return error_no_memory(err, "noise schedule", n * sizeof *alpha_bar);
    double product = 1; /* torch.cumprod carries a double */
    for (size_t t = 0; t < n; t++) {
        product *= (double)(1 - beta_at(g, (int64_t)t));
        alpha_bar[t] = (float)product;
    }
    if (g->zero_snr) rescale_to_zero_snr(alpha_bar, g->train_timesteps);
    return SS_OK;
}

float diffusion_sigma(float alpha_bar) { return sqrtf((1 - alpha_bar) / alpha_bar); }

/* ---- timesteps ---- */

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
    int extra = rule == SPACE_AS_DPM_SOLVER && g->spacing != SPACING_TRAILING;
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
    int points = steps + (rule == SPACE_AS_DPM_SOLVER);
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

/* The timestep whose sigma this is, between those of training on a scale of logarithms: _sigma_to_t. */
static double timestep_of(const float *alpha_bar, int64_t n, double sigma) {
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

/* Equation 5 of Karras et al., rho = 7. */
static double karras_sigma(double most, double least, int steps, int i) {
    const double rho = 7;
    double ramp = steps < 2 ? 0 : i == steps - 1 ? 1 : i * (1.0 / (steps - 1));
    double a = pow(most, 1 / rho), b = pow(least, 1 / rho);
    return pow(a + ramp * (b - a), rho);
}

static void noise_levels(const diffusion_config *g, const float *alpha_bar, int steps, spacing_rule rule, double *exact,
                         float *timestep, float *sigma) {
    int64_t n = g->train_timesteps;
    diffusion_timesteps(g, steps, rule, exact);
    double most = sigma_at(alpha_bar, n, rule == SPACE_AS_DPM_SOLVER ? (double)n : exact[0]);
    double least = sigma_at(alpha_bar, n, rule == SPACE_AS_DPM_SOLVER ? 0 : exact[steps - 1]);
    for (int i = 0; i < steps; i++) {
        double level = g->karras ? karras_sigma(most, least, steps, i) : sigma_at(alpha_bar, n, exact[i]);
        double t = g->karras ? timestep_of(alpha_bar, n, level) : exact[i];
        sigma[i] = (float)level;
        timestep[i] = (float)(rule == SPACE_AS_DPM_SOLVER ? nearbyint(t) : t);
    }
    sigma[steps] = g->final_sigma_min ? diffusion_sigma(alpha_bar[0]) : 0;
}

ss_status diffusion_sigmas(const diffusion_config *g, int steps, spacing_rule rule, float *timestep, float *sigma,
                           ss_error *err) {
    float *alpha_bar;
    SS_TRY(diffusion_alpha_bar(g, &alpha_bar, err));
    if (g->zero_snr) alpha_bar[g->train_timesteps - 1] = 0x1p-24f; /* so that the first sigma is finite */
    double *exact = malloc((size_t)steps * sizeof *exact);
    if (exact) noise_levels(g, alpha_bar, steps, rule, exact, timestep, sigma);
    free(exact);
    free(alpha_bar);
    return exact ? SS_OK : error_no_memory(err, "schedule", (size_t)steps * sizeof *exact);
}
