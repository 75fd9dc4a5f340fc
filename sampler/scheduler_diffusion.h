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

typedef struct diffusion_config {
    int64_t train_timesteps;
    double beta_start, beta_end;
    int scaled_linear; /* beta_schedule: linear in the root of beta */
    int zero_snr;      /* rescale_betas_zero_snr */
    int v_prediction;  /* prediction_type: v_prediction rather than epsilon */
    timestep_spacing spacing;
    int64_t steps_offset;
    int karras;          /* use_karras_sigmas */
    int final_sigma_min; /* final_sigmas_type: sigma_min rather than zero */
    int alpha_to_one;    /* set_alpha_to_one */
    /* DPM-Solver++ */
    int order, heun, lower_order_final, euler_at_final;
} diffusion_config;

/* ---- reading: every error names the key, its value and what is supported ---- */

/* The keys that all of them have; the class's defaults where they differ. */
ss_status diffusion_parse(const json_t *json, const char *where, timestep_spacing by_default, diffusion_config *out,
                          ss_error *err);
/* use_karras_sigmas, final_sigmas_type, rescale_betas_zero_snr: of the classes that have them. */
ss_status diffusion_parse_sigmas(const json_t *json, const char *where, diffusion_config *out, ss_error *err);
ss_status diffusion_parse_zero_snr(const json_t *json, const char *where, diffusion_config *out, ss_error *err);

/* A key that must be `expected`, which a missing key is only where that is its default. */
ss_status diffusion_expect_flag(const json_t *json, const char *where, const char *key, int by_default, int expected,
                                ss_error *err);
/* A key that must be missing or null. */
ss_status diffusion_expect_none(const json_t *json, const char *where, const char *key, ss_error *err);
/* One of two words; *second = whether it is the second one. A NULL `b` leaves the first alone. */
ss_status diffusion_parse_word(const json_t *json, const char *where, const char *key, const char *by_default,
                               const char *a, const char *b, int *second, ss_error *err);

/* ---- the noise of training ---- */

/* alphas_cumprod [train_timesteps], the share of the picture in the variance: the caller frees *out. With zero terminal
 * SNR the last is 0. */
ss_status diffusion_alpha_bar(const diffusion_config *g, float **out, ss_error *err);

/* sqrt((1 - a) / a): noise over picture. */
float diffusion_sigma(float alpha_bar);

/* ---- the timesteps of an image ---- */

/* DPM-Solver spaces one point more, rounds all of them and draws Karras' sigmas over the whole of training; Euler does
 * none of these. */
typedef enum spacing_rule { SPACE_AS_EULER, SPACE_AS_DPM_SOLVER, SPACE_AS_DDIM } spacing_rule;

/* Whether `steps` can be spaced. */
ss_status diffusion_check_steps(const diffusion_config *g, int steps, spacing_rule rule, ss_error *err);

/* timestep [steps], falling. */
void diffusion_timesteps(const diffusion_config *g, int steps, spacing_rule rule, double *timestep);

/* Timesteps and the noise levels at them, sigma [steps + 1]: what Euler and DPM-Solver step between. */
ss_status diffusion_sigmas(const diffusion_config *g, int steps, spacing_rule rule, float *timestep, float *sigma,
                           ss_error *err);

#endif
