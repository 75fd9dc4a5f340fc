/* What schedulers of diffusion models share: the noise that training added, the timesteps of an image and the noise
 * levels between them. Private to the schedulers. Types follow diffusers step by step, for its timesteps are inputs of
 * the network. Papers: Karras et al., "Elucidating the Design Space of Diffusion-Based Generative Models", 2022
 * (sigmas); Lin et al., "Common Diffusion Noise Schedules and Sample Steps are Flawed", 2023 (spacings, zero terminal
 * SNR). */
#ifndef SAMPLER_SCHEDULER_DIFFUSION_H
#define SAMPLER_SCHEDULER_DIFFUSION_H

#include "base/error.h"
#include "io/json.h"

typedef enum timestep_spacing { SPACING_LEADING, SPACING_TRAILING, SPACING_LINSPACE } timestep_spacing;

/* What the network was trained to predict. */
typedef enum prediction {
    PREDICTS_EPSILON,
    PREDICTS_V,
    PREDICTS_FLOW,
    PREDICTS_EDM_EPSILON,
    PREDICTS_EDM_V
} prediction;
extern const char *const PREDICTION_NAMES[];

/* How the noise levels between the first and the last are spaced. */
typedef enum level_rule { LEVELS_OF_TIMESTEPS, LEVELS_KARRAS, LEVELS_EXPONENTIAL, LEVELS_BETA } level_rule;

/* The noise level after the last step: none, the least of training, or that of the last step again. */
typedef enum final_level { FINAL_ZERO, FINAL_SIGMA_MIN, FINAL_AGAIN } final_level;

/* Solvers of the exponential integrator: in the image (++) or in the noise, with fresh noise (sde) or without. */
typedef enum solver_algorithm { DPM_SOLVER_PP, DPM_SOLVER_PP_SDE, DPM_SOLVER, DPM_SOLVER_SDE } solver_algorithm;

typedef struct diffusion_config {
    int64_t train_timesteps;
    double beta_start, beta_end;
    int scaled_linear;   /* beta_schedule: linear in the root of beta */
    int zero_snr;        /* rescale_betas_zero_snr */
    prediction predicts; /* prediction_type */
    timestep_spacing spacing;
    int64_t steps_offset;
    level_rule levels; /* use_karras_sigmas, use_exponential_sigmas, use_beta_sigmas */
    final_level final; /* final_sigmas_type */
    int flow_sigmas;   /* use_flow_sigmas: levels of a flow, x = (1 - sigma) image + sigma noise */
    double flow_shift;
    int alpha_to_one; /* set_alpha_to_one */
    /* Solvers of a higher order */
    solver_algorithm algorithm;
    int order, heun, lower_order_final, euler_at_final;
    int bh1, predict_x0;   /* UniPC */
    double variance_power; /* DDPM: the noise is the variance to this power */
    int variance_large;    /* DDPM: the variance is beta */
    /* LCM and TCD */
    int64_t original_steps;
    int64_t noise_seed; /* DPM++ SDE: of its path; -1 = the image's */
    double timestep_scaling, eta;
    /* EDM */
    double sigma_min, sigma_max, sigma_data, rho;
} diffusion_config;

/* ---- reading: every error names the key, its value and what is supported ---- */

/* What differs between the classes' defaults. {0} and 0 beta: the usual ones, 0.0001 to 0.02. */
typedef struct diffusion_defaults {
    timestep_spacing spacing;
    double beta_start, beta_end;
    int scaled_linear;
    int may_flow; /* the class supports flow_prediction */
} diffusion_defaults;

/* The keys that all of them have. */
ss_status diffusion_parse(const json_t *json, const char *where, const diffusion_defaults *by_default,
                          diffusion_config *out, ss_error *err);
/* use_..._sigmas, of which one may be set; final_sigmas_type; rescale_betas_zero_snr: of the classes that have them. */
ss_status diffusion_parse_levels(const json_t *json, const char *where, diffusion_config *out, ss_error *err);
ss_status diffusion_parse_final(const json_t *json, const char *where, diffusion_config *out, ss_error *err);
ss_status diffusion_parse_zero_snr(const json_t *json, const char *where, diffusion_config *out, ss_error *err);

/* A key that must be `expected`, which a missing key is only where that is its default. */
ss_status diffusion_expect_flag(const json_t *json, const char *where, const char *key, int by_default, int expected,
                                ss_error *err);
/* A key that must be missing or null. */
ss_status diffusion_expect_none(const json_t *json, const char *where, const char *key, ss_error *err);
/* One of two words; *second = whether it is the second one. A NULL `b` leaves the first alone. */
ss_status diffusion_parse_word(const json_t *json, const char *where, const char *key, const char *by_default,
                               const char *a, const char *b, int *second, ss_error *err);

/* ---- spacing of levels: flows, too ---- */

ss_status levels_parse(const json_t *json, const char *where, level_rule *out, ss_error *err);
/* Level i of `steps`, from the most to the least. Not for LEVELS_OF_TIMESTEPS. */
double level_at(level_rule rule, double most, double least, int steps, int i);

/* ---- the noise of training ---- */

/* alphas_cumprod [train_timesteps], the share of the image in the variance: the caller frees *out. With zero terminal
 * SNR the last is 0. */
ss_status diffusion_alpha_bar(const diffusion_config *g, float **out, ss_error *err);

/* sqrt((1 - a) / a): noise over image. */
float diffusion_sigma(float alpha_bar);

/* ---- the timesteps of an image ---- */

/* DPM-Solver and UniPC space one point more, make them all whole numbers and space Karras' sigmas over the whole of
 * training; Euler does none of these. They differ in the levels of a flow. */
typedef enum spacing_rule { SPACE_AS_EULER, SPACE_AS_DPM_SOLVER, SPACE_AS_UNIPC, SPACE_AS_DDIM } spacing_rule;

/* Whether `steps` can be spaced. */
ss_status diffusion_check_steps(const diffusion_config *g, int steps, spacing_rule rule, ss_error *err);

/* timestep [steps], falling. */
void diffusion_timesteps(const diffusion_config *g, int steps, spacing_rule rule, double *timestep);

/* The timestep whose noise level this is, between those of training on a scale of logarithms: _sigma_to_t. */
double timestep_of(const float *alpha_bar, int64_t n, double sigma);

/* Timesteps and the noise levels at them, sigma [steps + 1]: what Euler and DPM-Solver step between. */
ss_status diffusion_sigmas(const diffusion_config *g, int steps, spacing_rule rule, float *timestep, float *sigma,
                           ss_error *err);

#endif
