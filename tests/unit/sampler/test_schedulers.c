/* Every scheduler against diffusers: the network's inputs, and a whole trajectory after each call; states copied
 * half way; what a scheduler_config.json may not say. DATA: tests/data/sampler. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "io/checkpoint.h"
#include "sampler/brownian.h"
#include "sampler/scheduler.h"
#include "sampler/torch_noise.h"
#include "tests/support/values.h"

enum { MAX_N = 16 };

static void check(ss_status status, const ss_error *err) {
    if (status != SS_OK) fail_msg("%s: %s", err->where, err->message);
}

static const checkpoint_entry *find(const checkpoint *file, const char *name, int steps, const char *part) {
    char full[64];
    if (steps) snprintf(full, sizeof full, "%s/%d/%s", name, steps, part);
    else snprintf(full, sizeof full, "%s/%s", name, part);
    const checkpoint_entry *e = checkpoint_find(file, full);
    if (!e) fail_msg("no %s in the vectors", full);
    return e;
}

static scheduler parse(const json_t *config, const char *where) {
    ss_error err = {0};
    scheduler g;
    const char *name;
    check(json_get_text(config, "_class_name", where, &name, &err), &err);
    int flow = strncmp(name, "Flow", 4) == 0 || json_is_true(json_object_get(config, "use_flow_sigmas"));
    check(scheduler_parse(config, where, flow ? SCHEDULER_FLOW : SCHEDULER_DIFFUSION, &g, &err), &err);
    assert_string_equal(scheduler_name(&g), name);
    return g;
}

/* The made-up network of the generator: its output into the slot where it belongs. */
static void network(const schedule *s, int call, const float *x, float *slots, int64_t n) {
    const schedule_call *k = &s->call[call];
    for (int64_t i = 0; i < n; i++)
        slots[k->output * n + i] =
            (float)sin(0.3 * (double)(k->input_scale * x[i]) + 0.01 * (double)k->timestep + call);
}

static double rms(const float *x, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (double)x[i] * (double)x[i];
    return sqrt(sum / (double)n);
}

static double distance(const float *x, const float *y, int64_t n) {
    double worst = 0;
    for (int64_t i = 0; i < n; i++) {
        double d = fabs((double)x[i] - (double)y[i]);
        if (!(d <= worst)) worst = d;
    }
    return worst;
}

/* ---- parity ---- */

/* Largest deviations over all cases, to be printed: relative ones of the network's inputs, x rms of the latents. */
typedef struct deviations {
    double told, path;
    int calls;
} deviations;

static void compare_calls(const schedule *s, const checkpoint_entry *e, const char *name, deviations *d) {
    assert_int_equal(e->shape[0], s->calls);
    const float *expected = values_of(e);
    for (int i = 0; i < s->calls; i++, expected += 3) {
        const schedule_call *k = &s->call[i];
        const float found[] = {k->timestep, k->input_scale, k->sigma};
        for (int j = 0; j < 3; j++) {
            double most = fabs((double)expected[j]),
                   off = isinf(found[j]) && found[j] == expected[j] ? 0 : fabs((double)found[j] - (double)expected[j]);
            if (!(off <= 2e-6 * most))
                fail_msg("%s, call %d: %s is %.9g; expected %.9g", name, i,
                         (const char *[]){"timestep", "input scale", "sigma"}[j], (double)found[j],
                         (double)expected[j]);
            if (most > 0 && off / most > d->told) d->told = off / most;
        }
        /* timesteps that are whole in the reference are exact */
        if (expected[0] == floorf(expected[0])) assert_true(k->timestep == expected[0]);
    }
}

static void draw_noise(const schedule *s, int call, torch_generator *generator, float *noise, int64_t n) {
    const schedule_call *k = &s->call[call];
    float room[(BROWNIAN_LEVELS + 2) * MAX_N];
    const brownian path = {TORCH_CPU, (uint64_t)s->path_seed, s->path_low, s->path_high};
    if (k->draws == DRAWS_FRESH) torch_generator_randn(generator, noise, n);
    if (k->draws == DRAWS_PATH) brownian_noise(&path, k->path_from, k->path_to, room, noise, n);
}

/* `most`: x rms that latents may be off. */
static void compare_path(const schedule *s, const checkpoint *file, const char *name, int steps, double most,
                         deviations *d) {
    const checkpoint_entry *first = find(file, name, steps, "first"), *path = find(file, name, steps, "path");
    int64_t n = first->count;
    float x[MAX_N], slots[SCHEDULE_MAX_SLOTS * MAX_N], noise[MAX_N];
    torch_generator generator; /* what the scheduler draws comes after the first noise */
    assert_true(n <= MAX_N && s->slots <= SCHEDULE_MAX_SLOTS);
    torch_generator_begin(&generator, TORCH_CPU, (uint64_t)steps);
    torch_generator_randn(&generator, noise, n);
    memcpy(x, values_of(first), (size_t)n * sizeof *x);
    for (size_t i = 0; i < sizeof slots / sizeof *slots; i++) slots[i] = NAN; /* what is not written is not read */
    for (int call = 0; call < s->calls; call++) {
        const float *expected = (const float *)values_of(path) + call * n;
        network(s, call, x, slots, n);
        draw_noise(s, call, &generator, noise, n);
        schedule_advance(s, call, x, slots, noise, n);
        double off = distance(x, expected, n) / rms(expected, n);
        if (!(off <= most)) fail_msg("%s, %d steps, call %d: %.3g x rms off", name, steps, call, off);
        if (off > d->path) d->path = off;
        d->calls++;
    }
}

/* All start from the noise of the seed that is the number of steps. */
static void compare_first(const schedule *s, const checkpoint *file, const char *name, int steps) {
    const float *scaled = values_of(find(file, name, steps, "first"));
    float noise[MAX_N];
    torch_randn((uint64_t)steps, noise, find(file, name, steps, "first")->count);
    for (int i = 0; i < 4; i++)
        assert_true(fabs((double)(noise[i] * s->initial_scale - scaled[i])) <= 2e-6 * fabs((double)scaled[i]));
}

static void compare_alphas(const scheduler *g, const checkpoint_entry *e) {
    ss_error err = {0};
    float *found;
    const float *expected = values_of(e);
    check(diffusion_alpha_bar(&g->diffusion, &found, &err), &err);
    for (int64_t i = 0; i < e->count; i++) {
        int64_t t = i + 1 < e->count ? 111 * i : g->diffusion.train_timesteps - 1;
        /* the reference replaces a last 0 by 2^-24 where it divides by it */
        if (expected[i] == 0x1p-24f) continue;
        if (!(fabs((double)(found[t] - expected[i])) <= 2e-6 * (double)expected[i]))
            fail_msg("alpha_bar[%lld] is %.9g; expected %.9g", (long long)t, (double)found[t], (double)expected[i]);
    }
    free(found);
}

static void compare_file(const char *name_, size_t expected, deviations *d) {
    ss_error err = {0};
    checkpoint *file;
    json_t *root, *cases, *counts;
    char path[256];
    snprintf(path, sizeof path, "%s/%s.safetensors", DATA, name_);
    check(checkpoint_open(&file, path, &err), &err);
    snprintf(path, sizeof path, "%s/%s.json", DATA, name_);
    check(json_read_file(path, JSON_CONFIG_LIMIT, &root, &err), &err);
    check(json_get_array(root, "cases", "cases", &cases, &err), &err);
    check(json_get_array(root, "steps", "cases", &counts, &err), &err);
    assert_int_equal(json_array_size(cases), expected);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *one = json_array_get(cases, i);
        const char *name = json_string_value(json_object_get(one, "name"));
        scheduler g = parse(json_object_get(one, "config"), name);
        /* how far diffusers' float32 is off itself, where that is much */
        const json_t *off = json_object_get(one, "off");
        char alphas[32];
        snprintf(alphas, sizeof alphas, "%s/alphas", name);
        if (checkpoint_find(file, alphas)) compare_alphas(&g, find(file, name, 0, "alphas"));
        for (size_t j = 0; j < json_array_size(counts); j++) {
            int steps = (int)json_integer_value(json_array_get(counts, j));
            schedule s;
            check(scheduler_check(&g, steps, &err), &err);
            check(scheduler_plan(&g, steps, 0, &s, &err), &err);
            compare_calls(&s, find(file, name, steps, "calls"), name, d);
            compare_first(&s, file, name, steps);
            compare_path(&s, file, name, steps, off ? json_real_value(off) : 1e-5, d);
            assert_int_equal(s.call[s.calls - 1].step, steps - 1);
            schedule_free(&s);
        }
    }
    json_decref(root);
    checkpoint_close(file);
}

static void test_parity(void **state) {
    (void)state;
    deviations d = {0};
    compare_file("schedulers", 38, &d);
    print_message("%d calls: told values to %.2g, latents to %.2g x rms\n", d.calls, d.told, d.path);
    d = (deviations){0};
    compare_file("more_schedulers", 96, &d);
    print_message("%d more: told values to %.2g, latents to %.2g x rms\n", d.calls, d.told, d.path);
}

/* ---- state ---- */

/* A plan and slots copied half way go on to the same bits, and are their own. */
static void test_branches(void **state) {
    (void)state;
    static const char *const configs[] = {
        "{\"_class_name\": \"PNDMScheduler\", \"skip_prk_steps\": true}",
        "{\"_class_name\": \"DPMSolverMultistepScheduler\"}",
        "{\"_class_name\": \"EulerDiscreteScheduler\"}",
    };
    enum { STEPS = 9, N = 5, CUT = 4 };
    for (size_t i = 0; i < sizeof configs / sizeof configs[0]; i++) {
        ss_error err = {0};
        json_t *json;
        schedule s, copy = {0};
        float x[N] = {0.5f, -1, 2, 0, 0.25f}, slots[SCHEDULE_MAX_SLOTS * N] = {0}, y[N], others[SCHEDULE_MAX_SLOTS * N];
        check(json_read_bytes(configs[i], strlen(configs[i]), "s.json", &json, &err), &err);
        scheduler g = parse(json, "s.json");
        check(scheduler_plan(&g, STEPS, 0, &s, &err), &err);
        for (int call = 0; call < s.calls; call++) {
            if (call == CUT) {
                memcpy(y, x, sizeof y);
                memcpy(others, slots, sizeof others);
                check(schedule_copy(&copy, &s, &err), &err);
            }
            network(&s, call, x, slots, N);
            schedule_advance(&s, call, x, slots, NULL, N);
        }
        schedule_free(&s);
        for (int call = CUT; call < copy.calls; call++) {
            network(&copy, call, y, others, N);
            schedule_advance(&copy, call, y, others, NULL, N);
        }
        assert_memory_equal(x, y, sizeof x);
        schedule_free(&copy);
        json_decref(json);
    }
}

/* PNDM's first step has two calls; every other step of every scheduler has one. */
static void test_calls_of_steps(void **state) {
    (void)state;
    static const char config[] = "{\"_class_name\": \"PNDMScheduler\", \"skip_prk_steps\": true}";
    ss_error err = {0};
    json_t *json;
    schedule s;
    check(json_read_bytes(config, strlen(config), "s.json", &json, &err), &err);
    scheduler g = parse(json, "s.json");
    check(scheduler_plan(&g, 1, 0, &s, &err), &err);
    assert_int_equal(s.calls, 1);
    schedule_free(&s);
    check(scheduler_plan(&g, 4, 0, &s, &err), &err);
    assert_int_equal(s.calls, 5);
    for (int i = 0; i < s.calls; i++) assert_int_equal(s.call[i].step, i ? i - 1 : 0);
    assert_true(s.call[1].timestep == s.call[2].timestep && s.call[0].timestep > s.call[1].timestep);
    schedule_free(&s);
    json_decref(json);
}

/* Where diffusers divides 0 by 0: Heun's rule on a last step of no length leaves the latents alone. */
static void test_last_step_of_no_length(void **state) {
    (void)state;
    static const char config[] = "{\"_class_name\": \"DPMSolverMultistepScheduler\", \"solver_type\": \"heun\", "
                                 "\"use_karras_sigmas\": true, \"final_sigmas_type\": \"sigma_min\"}";
    ss_error err = {0};
    json_t *json;
    schedule s;
    check(json_read_bytes(config, strlen(config), "s.json", &json, &err), &err);
    scheduler g = parse(json, "s.json");
    check(scheduler_plan(&g, 20, 0, &s, &err), &err);
    float x[1] = {0.75f}, slots[2] = {1, 2};
    schedule_advance(&s, 19, x, slots, NULL, 1);
    assert_true(fabs((double)x[0] - 0.75) < 1e-6);
    schedule_free(&s);
    json_decref(json);
}

/* ---- refusals ---- */

static void test_configs_refused(void **state) {
    (void)state;
    static const char names[] =
        "EulerDiscreteScheduler, EulerAncestralDiscreteScheduler, HeunDiscreteScheduler, LMSDiscreteScheduler, "
        "DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler, DPMSolverSinglestepScheduler, "
        "DPMSolverSDEScheduler, "
        "UniPCMultistepScheduler, DEISMultistepScheduler, PNDMScheduler, LCMScheduler, TCDScheduler, EDMEulerScheduler "
        "or EDMDPMSolverMultistepScheduler";
    static const struct {
        const char *name, *rest, *message;
    } cases[] = {
        {"KDPM2DiscreteScheduler", "", NULL},
        {"FlowMatchEulerDiscreteScheduler", "", NULL},
        {"EulerDiscreteScheduler", "\"beta_schedule\": \"squaredcos_cap_v2\"",
         "beta_schedule is 'squaredcos_cap_v2'; expected linear or scaled_linear"},
        {"EulerDiscreteScheduler", "\"prediction_type\": \"sample\"",
         "prediction_type is 'sample'; expected epsilon or v_prediction"},
        {"EulerDiscreteScheduler", "\"timestep_spacing\": \"log\"",
         "timestep_spacing is 'log'; expected leading, trailing or linspace"},
        {"EulerDiscreteScheduler", "\"interpolation_type\": \"log_linear\"",
         "interpolation_type is 'log_linear'; expected linear"},
        {"EulerDiscreteScheduler", "\"timestep_type\": \"continuous\"",
         "timestep_type is 'continuous'; expected discrete"},
        {"EulerDiscreteScheduler", "\"final_sigmas_type\": \"max\"",
         "final_sigmas_type is 'max'; expected zero or sigma_min"},
        {"EulerDiscreteScheduler", "\"use_beta_sigmas\": true, \"use_karras_sigmas\": true",
         "use_karras_sigmas and use_beta_sigmas are true; expected one of them at most"},
        {"EulerDiscreteScheduler", "\"trained_betas\": [0.1, 0.2]", "trained_betas is [0.1,0.2]; expected null"},
        {"EulerDiscreteScheduler", "\"sigma_max\": 14.5", "sigma_max is 14.5; expected null"},
        {"EulerDiscreteScheduler", "\"num_train_timesteps\": 1", "num_train_timesteps is 1; expected 2 to 1000000"},
        {"EulerDiscreteScheduler", "\"steps_offset\": 1000", "steps_offset is 1000; expected 0 to 999"},
        {"EulerDiscreteScheduler", "\"steps_offset\": true", "'steps_offset' is true or false; expected an integer"},
        {"EulerDiscreteScheduler", "\"beta_start\": 0.5",
         "beta_start and beta_end: expected 0 < beta_start <= beta_end < 1, as 0.00085 and 0.012"},
        {"DDIMScheduler", "", "clip_sample is true, as it is by default; expected false"},
        {"DDIMScheduler", "\"clip_sample\": true", "clip_sample is true; expected false"},
        {"DDIMScheduler", "\"clip_sample\": false, \"thresholding\": true", "thresholding is true; expected false"},
        {"DDIMScheduler", "\"clip_sample\": false, \"rescale_betas_zero_snr\": true",
         "rescale_betas_zero_snr is true and prediction_type epsilon; expected v_prediction with it"},
        {"DPMSolverMultistepScheduler", "\"algorithm_type\": \"cosine\"",
         "algorithm_type is 'cosine'; expected dpmsolver++, sde-dpmsolver++, dpmsolver or sde-dpmsolver"},
        {"DPMSolverMultistepScheduler", "\"algorithm_type\": \"dpmsolver\"",
         "algorithm_type is 'dpmsolver' and final_sigmas_type zero; expected sigma_min with it"},
        {"DPMSolverMultistepScheduler", "\"solver_type\": \"bh3\"", "solver_type is 'bh3'; expected midpoint or heun"},
        {"DPMSolverMultistepScheduler", "\"solver_order\": 4", "solver_order is 4; expected 1, 2 or 3"},
        {"DPMSolverMultistepScheduler", "\"use_lu_lambdas\": true", "use_lu_lambdas is true; expected false"},
        {"DPMSolverMultistepScheduler", "\"use_flow_sigmas\": true",
         "prediction_type is 'epsilon' and use_flow_sigmas true; expected both of a flow or neither"},
        {"UniPCMultistepScheduler", "\"use_flow_sigmas\": true, \"prediction_type\": \"flow_prediction\"",
         "UniPCMultistepScheduler is set to prediction_type flow_prediction; the model predicts noise: expected "
         "epsilon "
         "or v_prediction"},
        {"UniPCMultistepScheduler", "\"disable_corrector\": [0]", "disable_corrector is not empty; expected []"},
        {"UniPCMultistepScheduler", "\"solver_type\": \"bh1\"",
         "final_sigmas_type is zero with solver_type bh1, which diffusers divides by zero; expected sigma_min"},
        {"DEISMultistepScheduler", "\"algorithm_type\": \"sde\"", "algorithm_type is 'sde'; expected deis"},
        {"HeunDiscreteScheduler", "\"clip_sample\": true", "clip_sample is true; expected false"},
        {"DDPMScheduler", "\"clip_sample\": false, \"variance_type\": \"learned\"",
         "variance_type is 'learned'; expected fixed_small, fixed_small_log or fixed_large"},
        {"LCMScheduler", "\"original_inference_steps\": 2000", "original_inference_steps is 2000; expected 1 to 1000"},
        {"EDMEulerScheduler", "\"sigma_min\": 0",
         "sigma_min, sigma_max, sigma_data and rho: expected positive numbers, sigma_min below sigma_max"},
        {"DPMSolverMultistepScheduler", "\"lambda_min_clipped\": -5.1", "lambda_min_clipped is -5.1; expected null"},
        {"DPMSolverMultistepScheduler", "\"variance_type\": \"learned\"",
         "variance_type is \"learned\"; expected null"},
        {"PNDMScheduler", "", "skip_prk_steps is false, as it is by default; expected true"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ss_error err = {0};
        json_t *json;
        scheduler g;
        char config[256], expected[512];
        snprintf(config, sizeof config, "{\"_class_name\": \"%s\"%s%s}", cases[i].name, *cases[i].rest ? ", " : "",
                 cases[i].rest);
        snprintf(expected, sizeof expected, "'%s' is no scheduler for this model; expected %s", cases[i].name, names);
        check(json_read_bytes(config, strlen(config), "s.json", &json, &err), &err);
        assert_int_equal(scheduler_parse(json, "s.json", SCHEDULER_DIFFUSION, &g, &err), SS_ERR_INPUT);
        assert_string_equal(err.where, "s.json");
        assert_string_equal(err.message, cases[i].message ? cases[i].message : expected);
        json_decref(json);
    }
}

static void test_steps_refused(void **state) {
    (void)state;
    static const struct {
        const char *config;
        int steps, allowed;
        const char *message;
    } cases[] = {
        {"{\"_class_name\": \"EulerDiscreteScheduler\"}", 1001, 1000,
         "steps is 1001; expected at most 1000, since the model has 1000"},
        {"{\"_class_name\": \"DPMSolverMultistepScheduler\"}", 1000, 999,
         "steps is 1000; expected at most 999, since the model has 1000"},
        {"{\"_class_name\": \"EulerDiscreteScheduler\", \"timestep_spacing\": \"trailing\"}", 61, 60,
         "steps is 61; expected another number, as 60: for this one trailing timesteps are one too many in diffusers, "
         "by a rounding error"},
        {"{\"_class_name\": \"LCMScheduler\"}", 51, 50, "steps is 51; expected at most 50, original_inference_steps"},
        {"{\"_class_name\": \"DDIMScheduler\", \"clip_sample\": false, \"steps_offset\": 1}", 1000, 999,
         "steps is 1000; expected fewer: with steps_offset 1 the first timestep is 1000 of 1000"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ss_error err = {0};
        json_t *json;
        check(json_read_bytes(cases[i].config, strlen(cases[i].config), "s.json", &json, &err), &err);
        scheduler g = parse(json, "s.json");
        assert_int_equal(scheduler_check(&g, cases[i].steps, &err), SS_ERR_INPUT);
        assert_string_equal(err.message, cases[i].message);
        check(scheduler_check(&g, cases[i].allowed, &err), &err);
        json_decref(json);
    }
}

/* Files as diffusers writes them, "lambda_min_clipped": -Infinity included. */
static void test_file(void **state) {
    (void)state;
    static const char config[] = "{\n  \"_class_name\": \"DPMSolverMultistepScheduler\",\n  \"note\": \"-Infinity \\\" "
                                 "-Infinity\",\n  \"lambda_min_clipped\": -Infinity\n}\n";
    ss_error err = {0};
    char path[] = "/tmp/sinkscope-scheduler-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    scheduler g;
    check(file_write(path, config, strlen(config), &err), &err);
    check(scheduler_open(&g, path, NULL, SCHEDULER_DIFFUSION, &err), &err);
    assert_string_equal(scheduler_name(&g), "DPMSolverMultistepScheduler");
    check(file_write(path, "{}", 2, &err), &err);
    assert_int_equal(scheduler_open(&g, path, NULL, SCHEDULER_DIFFUSION, &err), SS_ERR_INPUT);
    assert_string_equal(err.message, "has no '_class_name'; expected a string");
    unlink(path);
}

/* ---- another scheduler ---- */

static const char SD3[] = "{\"_class_name\": \"FlowMatchEulerDiscreteScheduler\", \"shift\": 3.0}";
static const char SDXL[] =
    "{\"_class_name\": \"EulerDiscreteScheduler\", \"beta_start\": 0.00085, \"beta_end\": 0.012, \"beta_schedule\": "
    "\"scaled_linear\", \"clip_sample\": false, \"timestep_spacing\": \"trailing\", \"use_karras_sigmas\": false}";

static ss_status choose(const char *config, const char *asked, scheduler *g, ss_error *err) {
    json_t *json;
    check(json_read_bytes(config, strlen(config), "s.json", &json, err), err);
    scheduler own = parse(json, "s.json");
    ss_status status =
        scheduler_choose(g, json, &own, config == SD3 ? SCHEDULER_FLOW : SCHEDULER_DIFFUSION, asked, err);
    json_decref(json);
    return status;
}

/* The model's settings are taken over, what is asked for comes on top. */
static void test_choice(void **state) {
    (void)state;
    ss_error err = {0};
    scheduler g;
    check(choose(SDXL, "DPMSolverMultistepScheduler,use_karras_sigmas=true , algorithm_type=sde-dpmsolver++", &g, &err),
          &err);
    assert_string_equal(scheduler_name(&g), "DPMSolverMultistepScheduler");
    assert_true(g.diffusion.levels == LEVELS_KARRAS && g.diffusion.algorithm == DPM_SOLVER_PP_SDE);
    assert_true(g.diffusion.spacing == SPACING_TRAILING && g.diffusion.scaled_linear && !g.forced && !g.unscaled);
    check(choose(SD3, "FlowMatchHeunDiscreteScheduler", &g, &err), &err);
    assert_true(g.flow.shift == 3 && !g.forced);
    check(choose(SD3, "UniPCMultistepScheduler, use_flow_sigmas=true, prediction_type=flow_prediction, flow_shift=3.0",
                 &g, &err),
          &err);
    assert_true(g.diffusion.flow_shift == 3 && !g.forced);
}

/* The release's Euler and DPM++ over SD3: noise predictors of the classes' own betas, whose scales the pipeline does
 * not ask for. */
static void test_forced(void **state) {
    (void)state;
    static const char *const asked[] = {"EulerDiscreteScheduler", "DPMSolverMultistepScheduler"};
    for (int i = 0; i < 2; i++) {
        ss_error err = {0};
        scheduler g;
        schedule s;
        char forced[64], expected[128];
        assert_int_equal(choose(SD3, asked[i], &g, &err), SS_ERR_INPUT);
        snprintf(expected, sizeof expected, "%s over this model's settings takes the output for epsilon;", asked[i]);
        assert_memory_equal(err.message, expected, strlen(expected));
        snprintf(forced, sizeof forced, "%s, force", asked[i]);
        check(choose(SD3, forced, &g, &err), &err);
        assert_true(g.forced && g.diffusion.beta_end == 0.02 && g.diffusion.predicts == PREDICTS_EPSILON);
        check(scheduler_plan(&g, 8, 0, &s, &err), &err);
        assert_true(s.initial_scale == 1);
        for (int call = 0; call < s.calls; call++) assert_true(s.call[call].input_scale == 1);
        schedule_free(&s);
    }
}

static void test_choices_refused(void **state) {
    (void)state;
    static const struct {
        const char *config, *asked, *message;
    } cases[] = {
        {SDXL, "FlowMatchEulerDiscreteScheduler, force",
         "'FlowMatchEulerDiscreteScheduler' is no scheduler for this model; expected "},
        {SDXL, "Euler", "'Euler' is no scheduler for this model; expected "},
        {SDXL, " ", "scheduler is empty; expected a class's name"},
        {SDXL, "DDIMScheduler, steps_offset", "scheduler DDIMScheduler: 'steps_offset'; expected a setting, as "},
        {SDXL, "DDIMScheduler, steps_offset=x", "'steps_offset' is a string; expected an integer"},
        {SDXL, "EDMEulerScheduler",
         "EDMEulerScheduler over this model's settings takes the output for EDM's epsilon; "},
        {SDXL, "DDIMScheduler, prediction_type=v_prediction", "DDIMScheduler over this model's settings takes the "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ss_error err = {0};
        scheduler g;
        assert_int_equal(choose(cases[i].config, cases[i].asked, &g, &err), SS_ERR_INPUT);
        if (strncmp(err.message, cases[i].message, strlen(cases[i].message)) != 0)
            fail_msg("'%s'; expected '%s'", err.message, cases[i].message);
    }
}

static void test_table(void **state) {
    (void)state;
    assert_int_equal(SCHEDULER_COUNT, 18);
    for (int i = 0; i < SCHEDULER_COUNT; i++) assert_true(scheduler_about(i)->help[0] != 0);
    assert_string_equal(scheduler_about(2)->name, "EulerDiscreteScheduler");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parity),
        cmocka_unit_test(test_branches),
        cmocka_unit_test(test_calls_of_steps),
        cmocka_unit_test(test_last_step_of_no_length),
        cmocka_unit_test(test_configs_refused),
        cmocka_unit_test(test_steps_refused),
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_choice),
        cmocka_unit_test(test_forced),
        cmocka_unit_test(test_choices_refused),
        cmocka_unit_test(test_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
