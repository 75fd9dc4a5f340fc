/* The edits, with the rows of their table: score path, value path, output. */
#include <math.h>

#include "attn/internal.h"

/* Edit `mask`: S - B on the set before the softmax in its exact limit, B = infinity: no weight on the set, the rest
 * rescaled by 1 / (1 - p). At the B = 1e4 of the paper's code exp(-B) is 0 in float32, so both are the same. */
static void edit_mask(const option_value *options, edit_step *step) {
    (void)options;
    step->param = 0; /* eta */
}

const attn_edit attn_edit_mask = {
    .about = {"mask", "score path: no weight on the set, the rest rescaled (a mask of -infinity)", NULL},
    .op = EDIT_SCALE,
    .configure = edit_mask};

/* Edit `scale`: weights of the set times eta, the rest times (1 - eta p) / (1 - p). eta = 1 runs through the same
 * arithmetic and gives the same bits back: the identity arm of a study. */
static const option SCALE_OPTIONS[] = {
    {"eta", OPTION_DOUBLE, NULL, 0, 1, NULL, "factor of the set's weights: 0 = mask, 1 = identity"},
    {0},
};

static void edit_scale(const option_value *options, edit_step *step) { step->param = (float)options[0].number; }

const attn_edit attn_edit_scale = {
    .about = {"scale", "score path: weights of the set times eta, the rest rescaled", SCALE_OPTIONS},
    .op = EDIT_SCALE,
    .configure = edit_scale};

/* Edit `identity`: the arithmetic of `scale` with eta = 1, which must give the baseline's bits: it shows that the
 * arithmetic itself does nothing. */
static void edit_identity(const option_value *options, edit_step *step) {
    (void)options;
    step->param = 1; /* eta */
}

const attn_edit attn_edit_identity = {
    .about = {"identity", "score path: weights of the set times 1 by the same arithmetic; changes no bit", NULL},
    .op = EDIT_SCALE,
    .configure = edit_identity};

/* Edit `identity-direct`: the same, every row recomputed. */
const attn_edit attn_edit_identity_direct = {
    .about = {"identity-direct",
              "score path: weights of the set times 1, every row recomputed from the keys outside the set and the set "
              "joined to it; how far it moves an image is the noise floor of the edits",
              NULL},
    .op = EDIT_SCALE,
    .direct = 1,
    .configure = edit_identity};

/* Edit `shift`: S - beta on the set before the softmax. beta = 0 changes nothing, a large beta is `mask`. */
static const option SHIFT_OPTIONS[] = {
    {"beta", OPTION_DOUBLE, NULL, 0, 1e4, NULL, "taken from the set's scores: 0 = identity, large = mask"},
    {0},
};

static void edit_shift(const option_value *options, edit_step *step) { step->param = (float)options[0].number; }

const attn_edit attn_edit_shift = {
    .about = {"shift", "score path: beta less on the set's scores before the softmax", SHIFT_OPTIONS},
    .op = EDIT_SHIFT,
    .configure = edit_shift};

/* Edit `zero`: the set's values become 0 under unchanged weights. Row by row (1 - p) times the output of `mask`. */
static void edit_zero(const option_value *options, edit_step *step) {
    (void)options;
    step->param = 0; /* alpha */
    step->to_mean = 0;
}

const attn_edit attn_edit_zero = {.about = {"zero", "value path: values of the set become 0, weights unchanged", NULL},
                                  .op = EDIT_VALUE_LERP,
                                  .configure = edit_zero};

/* Edit `mean`: the set's values become the mean of v over all keys of the head, under unchanged weights. */
static void edit_mean(const option_value *options, edit_step *step) {
    (void)options;
    step->param = 0; /* alpha */
    step->to_mean = 1;
}

const attn_edit attn_edit_mean = {
    .about = {"mean", "value path: values of the set become the mean over the head's keys, weights unchanged", NULL},
    .op = EDIT_VALUE_LERP,
    .configure = edit_mean};

/* Edit `lerp`: the set's values move towards the mean of v over all keys of the head: alpha v + (1 - alpha) mean. */
static const option LERP_OPTIONS[] = {
    {"alpha", OPTION_DOUBLE, NULL, 0, 1, NULL, "share of a key's own value: 1 = identity, 0 = mean"},
    {0},
};

static void edit_lerp(const option_value *options, edit_step *step) {
    step->param = (float)options[0].number;
    step->to_mean = 1;
}

const attn_edit attn_edit_lerp = {
    .about = {"lerp", "value path: values of the set move towards the mean over the head's keys, weights unchanged",
              LERP_OPTIONS},
    .op = EDIT_VALUE_LERP,
    .configure = edit_lerp};

/* Edit `noise`: the set's values become N(0, sd^2), under unchanged weights. A key's noise depends on its place, not on
 * what else is in the set (attn.c draws it). */
static const option NOISE_OPTIONS[] = {
    {"sd", OPTION_DOUBLE, NULL, 0, 1e6, NULL, "standard deviation of each component of the noise"},
    {0},
};

static void edit_noise(const option_value *options, edit_step *step) { step->param = (float)options[0].number; }

const attn_edit attn_edit_noise = {
    .about = {"noise", "value path: values of the set become seeded normal noise, weights unchanged", NOISE_OPTIONS},
    .op = EDIT_VALUE_NOISE,
    .configure = edit_noise};

/* Edit `norm-matched`: o + |o' - o| u, with o' what a mask of the set would give and u a seeded random direction, row
 * by row: a control for the size of the push, in a meaningless direction (METHOD.md, section 10). */
static void edit_norm_matched(const output_input *in, double *amount) {
    for (int64_t i = in->row_begin; i < in->row_end; i++) amount[i] = in->push[i];
}

const attn_edit attn_edit_norm_matched = {
    .about = {"norm-matched",
              "output: a seeded random direction is added with, row by row, the length by which a mask of the set "
              "would move the output",
              NULL},
    .output = OUTPUT_PUSH,
    .amount = edit_norm_matched};

/* Edit `rescale`: o / (1 - p), p the set's weight in the row: what a mask does to the length of the rest, without
 * taking anything away (METHOD.md, section 10). Where nothing but the set has weight, the factor has no bound; it stops
 * at 1e6, so that an image stays a number. */
static void edit_rescale(const output_input *in, double *amount) {
    const double MOST = 1e6;
    for (int64_t i = in->row_begin; i < in->row_end; i++) amount[i] = in->rest[i] > 1 / MOST ? 1 / in->rest[i] : MOST;
}

const attn_edit attn_edit_rescale = {
    .about = {"rescale",
              "output: divided by 1 - p, the set's weight in the row: a mask's renormalisation without its removal",
              NULL},
    .output = OUTPUT_GAIN,
    .amount = edit_rescale};

/* Edit `null`: a virtual key with value 0 joins the softmax with a given score, so o' = o / (1 + exp(score - lse)): a
 * sink added, not removed (METHOD.md, section 10). */
static const option NULL_OPTIONS[] = {
    {"score", OPTION_DOUBLE, NULL, -1e4, 1e4, NULL,
     "the key's score before the softmax; its weight in a row is 1 / (1 + exp(lse - score))"},
    {0},
};

static void edit_null(const output_input *in, double *amount) {
    for (int64_t i = in->row_begin; i < in->row_end; i++) amount[i] = 1 / (1 + exp(in->options[0].number - in->lse[i]));
}

const attn_edit attn_edit_null = {
    .about = {"null", "output: as if one more key with value 0 had the given score: a sink added; takes no `select`",
              NULL_OPTIONS},
    .on = EDIT_ON_NOTHING,
    .output = OUTPUT_GAIN,
    .amount = edit_null};

/* Edit `query-mean`: the output of the chosen query rows becomes the mean of v over all keys of the head. (A constant
 * added to a whole row of scores would change nothing: softmax does not see it.) */
static void edit_query_mean(const output_input *in, double *amount) {
    for (int i = 0; i < in->n_chosen; i++) amount[in->chosen[i]] = 1;
}

const attn_edit attn_edit_query_mean = {
    .about = {"query-mean", "output: the chosen query rows become the mean of v over the head's keys", NULL},
    .on = EDIT_ON_QUERIES,
    .output = OUTPUT_MEAN,
    .amount = edit_query_mean};
