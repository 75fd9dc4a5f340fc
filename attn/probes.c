/* Probes of a few lines, with the rows of their table. */
#include <math.h>
#include <string.h>

#include "attn/internal.h"

/* Probe `mass`: the largest incoming mass and its key. */
static void probe_mass(const observation *o, float *columns) {
    int32_t top;
    attn_largest_keys(o->mass, o->keys, 1, &top);
    columns[0] = (float)o->mass[top];
    columns[1] = (float)top;
}

const attn_probe attn_probe_mass = {
    .about = {"mass", "the largest incoming mass and the key that has it", NULL},
    .needs = NEED_MASS,
    .n_columns = 2,
    .column = {"max_mass", "top_key"},
    .column_help = {"largest mean weight that a key receives, 0 to 1", "the key that receives it (index of the call)"},
    .nominal = 1u << 1,
    .always = 1u << 0,
    .observe = probe_mass};

/* Probe `entropy`: mean_i H_i, H_i = lse_i - sum_j P_ij S_ij (METHOD.md, section 2). */
static void probe_entropy(const observation *o, float *columns) { columns[0] = (float)o->entropy; }

const attn_probe attn_probe_entropy = {.about = {"entropy", "mean entropy of the rows", NULL},
                                       .needs = NEED_ENTROPY,
                                       .n_columns = 1,
                                       .column = {"entropy"},
                                       .column_help = {"mean entropy of the measured rows, nats"},
                                       .always = 1u << 0,
                                       .observe = probe_entropy};

/* Probe `concentration`: mean over rows of the r largest weights' sum, and beside it the sum of the r largest masses:
 * the first is high also where every row has keys of its own, the second only where rows share them. */
static void probe_concentration(const observation *o, float *columns) {
    int32_t top[ATTN_MAX_R];
    double sum = 0;
    int n = attn_largest_keys(o->mass, o->keys, o->r, top);
    for (int i = 0; i < n; i++) sum += o->mass[top[i]];
    columns[0] = (float)o->concentration;
    columns[1] = (float)sum;
}

const attn_probe attn_probe_concentration = {
    .about = {"concentration", "how much of the weight the r largest keys hold", NULL},
    .needs = NEED_CONCENTRATION | NEED_MASS,
    .n_columns = 2,
    .column = {"concentration", "mass_top_r"},
    .column_help = {"mean over rows of the sum of the row's r largest weights, 0 to 1",
                    "sum of the r largest masses, 0 to 1"},
    .observe = probe_concentration};

/* Probe `reduction`: the mass of the edited set before and after, and the dose. Nothing where nothing was edited; sinks
 * that a matched control had to leave out are counted also where the set is empty. */
static void probe_reduction(const observation *o, float *columns) {
    columns[5] = o->edited || o->left_out > 0 ? (float)o->left_out : NAN;
    if (!o->edited) {
        for (int i = 0; i < 5; i++) columns[i] = NAN;
        return;
    }
    columns[0] = (float)(o->set_size + o->query_rows);
    columns[1] = (float)o->set_mass_before;
    columns[2] = (float)o->set_mass_after;
    columns[3] = (float)o->dose;
    columns[4] = (float)o->direct_rows;
}

const attn_probe attn_probe_reduction = {
    .about = {"reduction", "what an intervention did to its keys and to the output", NULL},
    .n_columns = 6,
    .column = {"set_size", "set_mass_before", "set_mass_after", "dose", "direct_rows", "left_out"},
    .column_help = {"keys of the set, or query rows", "mass of the set over the edited rows, before, 0 to 1",
                    "the same under the edited weights", "rms over the edited rows of |o' - o| / |o|",
                    "rows recomputed directly because the correction would cancel",
                    "sinks left out of a matched control and its paired arm, since nothing matches them"},
    .observe = probe_reduction};

/* Probe `activation`: largest and 95th-percentile size of what the block received and of the head's output: massive
 * activations (METHOD.md, section 11). The inputs are the block's, the same in the row of every head. */
static void probe_activation(const observation *o, float *columns) {
    memcpy(columns, o->magnitudes, sizeof o->magnitudes);
}

const attn_probe attn_probe_activation = {
    .about = {"activation", "how large the activations are that come in and go out (massive activations)", NULL},
    .needs = NEED_MASS | NEED_ACTIVATIONS,
    .n_columns = 6,
    .column = {"input_max", "input_p95", "context_max", "context_p95", "output_max", "output_p95"},
    .column_help = {"largest |x| of the block's image input", "95th percentile of it",
                    "largest |x| of the block's text input", "95th percentile of it",
                    "largest |x| of the head's output over the measured rows, before the output projection",
                    "95th percentile of it"},
    .observe = probe_activation};
