/* Probe `value`: what the heaviest key carries (METHOD.md, section 11): the length of its value against the mean over
 * keys, and its contribution c = m |v| / mean_i |o_i|, both also after the output projection. A sink with a small
 * projected value is a no-op (the head parks its attention there), another broadcasts the same vector to every row. */
#include <math.h>

#include "attn/internal.h"

static double mean(const float *x, int n) {
    double sum = 0;
    for (int i = 0; i < n; i++) sum += (double)x[i];
    return sum / n;
}

static float ratio(double a, double b) { return b > 0 ? (float)(a / b) : NAN; }

static void probe_value(const observation *o, float *columns) {
    int32_t top;
    attn_largest_keys(o->mass, o->keys, 1, &top);
    double length = (double)o->value_norm[top];
    columns[0] = ratio(length, mean(o->value_norm, o->keys));
    columns[1] = ratio(o->mass[top] * length, o->output_norm);
    columns[2] = columns[3] = columns[4] = NAN;
    if (!o->value_projected) return;
    double projected = (double)o->value_projected[top];
    columns[2] = ratio(projected, mean(o->value_projected, o->keys));
    columns[3] = ratio(o->mass[top] * projected, o->output_projected);
    if (!isnan(columns[2])) columns[4] = (double)columns[2] < o->noop_below;
}

const attn_probe attn_probe_value = {
    .about = {"value", "what the heaviest key carries: a value, or nothing (no-op and broadcast sinks)", NULL},
    .needs = NEED_MASS | NEED_VALUES | NEED_OUTPUTS,
    .n_columns = 5,
    .column = {"value_norm", "contribution", "value_norm_projected", "contribution_projected", "noop"},
    .column_help = {"|v| of the heaviest key over its mean over keys",
                    "m |v| of the heaviest key over the mean of the rows' |o|",
                    "|W_O v| of the heaviest key over its mean over keys",
                    "m |W_O v| over the mean of the rows' |W_O o|",
                    "1 where |W_O v| is below 0.1 (measure: noop) of its mean over keys, else 0"},
    .observe = probe_value};
