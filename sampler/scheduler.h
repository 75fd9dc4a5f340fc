/* Schedulers: the timestep of each call of the network, and how its outputs turn noise into an image. A scheduler is a
 * row in a table, found by "_class_name" in scheduler_config.json.
 *
 * Every one of them is linear in the latents, in the network's outputs and in fresh noise. So a row never touches
 * latents: it plans, that is, it writes the coefficients of every call, and schedule_advance carries out a call of any
 * of them. What a multistep rule remembers lies in slots of the latents' size that the caller owns beside the latents:
 * copying the two, and the generator that noise comes from, copies the whole state of sampling. What is not linear
 * (clip_sample, thresholding) is refused by name. Reference: diffusers 0.42.1, src/diffusers/schedulers. */
#ifndef SAMPLER_SCHEDULER_H
#define SAMPLER_SCHEDULER_H

#include "base/option.h"
#include "io/json.h"
#include "sampler/scheduler_diffusion.h"
#include "sampler/scheduler_flow_match.h"

/* ---- from scheduler_config.json ---- */

/* What the network was trained to do: predict the velocity of a straight path, or the noise (or v) of a diffusion. */
typedef enum scheduler_family { SCHEDULER_FLOW, SCHEDULER_DIFFUSION } scheduler_family;

typedef struct scheduler {
    const struct scheduler_row *row;
    flow_match_config flow;     /* of a row of SCHEDULER_FLOW */
    diffusion_config diffusion; /* of a row of SCHEDULER_DIFFUSION */
    int forced;                 /* it does not predict what the model predicts, and was forced */
    int unscaled; /* diffusers' pipeline of the family scales neither the first noise nor what the network sees */
} scheduler;

/* Read a scheduler_config.json that must name a scheduler which predicts what the family does. What cannot be honoured
 * is an error that names the key, its value and what would do; keys that diffusers' class does not know are ignored, as
 * it does. Members of `changes` (NULL = none) take the place of the file's. */
ss_status scheduler_open(scheduler *out, const char *path, json_t *changes, scheduler_family family, ss_error *err);

/* The same of a config that was read, which is changed; `where` names the file in errors. */
ss_status scheduler_open_config(scheduler *out, json_t *config, const char *where, json_t *changes,
                                scheduler_family family, ss_error *err);

/* The same from a tree; `where` names the file in errors. */
ss_status scheduler_parse(const json_t *json, const char *where, scheduler_family family, scheduler *out,
                          ss_error *err);

/* Another scheduler over the model's settings, as diffusers' from_config: `asked` is a class's name, and after commas
 * settings (key=value, a value as in JSON) and the word `force`. What it predicts must be what the model's own
 * predicts; with `force` it need not be, and what comes out is what diffusers makes of it. */
ss_status scheduler_choose(scheduler *out, const json_t *config, const scheduler *own, scheduler_family family,
                           const char *asked, ss_error *err);

const char *scheduler_name(const scheduler *g); /* "EulerDiscreteScheduler" */

/* What it takes the network's output for. */
prediction scheduler_predicts(const scheduler *g);

/* Whether the scheduler can make so many steps (at least 1); the error says which it can. */
ss_status scheduler_check(const scheduler *g, int steps, ss_error *err);

/* ---- the plan of one image ---- */

enum { SCHEDULE_MAX_SLOTS = 5 };

enum draws { DRAWS_NOTHING, DRAWS_FRESH, DRAWS_PATH };

/* One call of the network. x: the latents; e: what the network made of them, after guidance. */
typedef struct schedule_call {
    int step;          /* of the image, 0-based: PNDM calls twice in its first step */
    float timestep;    /* the timestep that the network gets */
    float input_scale; /* the network sees x times this */
    float sigma;       /* noise over image in x; of a flow, the share of noise. For records: nothing computes with it */
    /* e lies in slot[output], and is kept as what later calls need of it:
     *   slot[output] = of_output e + of_latents x
     *   slot[saved] = saved_latents x + sum of saved_weight[i] slot[i], where saved >= 0
     *   x = latents x + sum of weight[i] slot[i] + noise z
     * z is noise of standard deviation 1, where draws is set: fresh, or the increment of a Brownian path. */
    int output, saved, draws; /* enum draws */
    float of_output, of_latents;
    float saved_latents, saved_weight[SCHEDULE_MAX_SLOTS];
    float latents, weight[SCHEDULE_MAX_SLOTS], noise;
    double path_from, path_to; /* DRAWS_PATH: between which noise levels */
} schedule_call;

typedef struct schedule {
    int calls, slots;
    float initial_scale;        /* of the noise that x starts from */
    schedule_call *call;        /* [calls], owned */
    double path_low, path_high; /* DRAWS_PATH: the levels at the path's ends */
    int64_t path_seed;          /* -1 = the image's */
} schedule;

/* Plan an image of so many steps, which scheduler_check allows. image_tokens counts for the dynamic shift of flows
 * alone. Free with schedule_free, also after a failure. */
ss_status scheduler_plan(const scheduler *g, int steps, int64_t image_tokens, schedule *out, ss_error *err);
ss_status schedule_copy(schedule *out, const schedule *from, ss_error *err);
void schedule_free(schedule *s);

/* How many calls an image of so many steps has. */
int scheduler_calls(const scheduler *g, int steps);

/* Whether some call draws noise: the largest of enum draws. */
int schedule_draws(const schedule *s);

/* Carry out a call, in float32: x [n], slots [s->slots, n] with e in its place, fresh noise [n] where the call draws. A
 * slot whose weight is 0 is not read. */
void schedule_advance(const schedule *s, int call, float *x, float *slots, const float *noise, int64_t n);

/* ---- the table ---- */

extern const struct scheduler_row *const SCHEDULERS[];
extern const int SCHEDULER_COUNT;
const entry *scheduler_about(int i); /* name and help of a row */

#endif
