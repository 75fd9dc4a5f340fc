/* Statistics of a call: their room, and those that are not the kernel's: lengths of values and outputs, sizes of
 * activations. Relies on the backend for every look at a tensor. */
#include <math.h>

#include "attn/edit.h"

void attn_allocate_stats(compute *c, const attn_call *call, call_stats *out) {
    size_t rows = (size_t)call->args.q.dim[1], keys = (size_t)call->args.k.dim[1], batch = (size_t)call->args.q.dim[0];
    size_t pairs = batch * (size_t)call->args.q.dim[2];
    *out = (call_stats){.mass = attn_room(c, pairs * keys, sizeof(double)),
                        .entropy = attn_room(c, pairs, sizeof(double)),
                        .concentration = attn_room(c, pairs, sizeof(double)),
                        .lse = attn_room(c, pairs * rows, sizeof(double)),
                        .row_max = attn_room(c, pairs * rows, sizeof(float)),
                        .value_norm = attn_room(c, pairs * keys, sizeof(float)),
                        .value_projected = attn_room(c, pairs * keys, sizeof(float)),
                        .output_norm = attn_room(c, pairs * rows, sizeof(float)),
                        .output_projected = attn_room(c, pairs * rows, sizeof(float))};
    for (int i = 0; i < 2; i++) {
        out->input_sizes[i] = attn_room(c, batch, sizeof(float));
        out->context_sizes[i] = attn_room(c, batch, sizeof(float));
        out->output_sizes[i] = attn_room(c, pairs, sizeof(float));
    }
}

static void measure_sizes(compute *c, tensor x, float *const out[2]) {
    if (!tensor_is_none(x)) op_sizes(c, tensor_split_last(x, 1), out[0], out[1]);
}

void attn_measure_activations(compute *c, const attn_call *call, unsigned needs, const call_stats *stats) {
    if (needs & NEED_VALUES) {
        op_head_norms(c, call->args.v, call->output_gram, stats->value_norm, stats->value_projected);
        op_head_norms(c, call->args.out, call->output_gram, stats->output_norm, stats->output_projected);
    }
    if (needs & NEED_ACTIVATIONS) {
        measure_sizes(c, call->block_input, stats->input_sizes);
        measure_sizes(c, call->block_context, stats->context_sizes);
        op_sizes(c, call->args.out, stats->output_sizes[0], stats->output_sizes[1]);
    }
}

static double mean_over(const float *x, row_range rows) {
    double sum = 0;
    for (int64_t i = rows.begin; i < rows.end; i++) sum += (double)x[i];
    return sum / (double)(rows.end - rows.begin);
}

void attn_observe_activations(const attn_call *call, int b, int head, unsigned needs, const call_stats *stats,
                              observation *o) {
    size_t keys = (size_t)call->args.k.dim[1], queries = (size_t)call->args.q.dim[1];
    size_t pair = (size_t)b * (size_t)call->args.q.dim[2] + (size_t)head;
    if (needs & NEED_VALUES) {
        row_range rows;
        ss_error err; /* the kernel measured the same rows: they are there */
        o->value_norm = stats->value_norm + pair * keys;
        o->output_norm = o->output_projected = NAN;
        if (attn_find_rows(call, attn_run_measure(call->batch->item[b].run)->rows, &rows, &err) == SS_OK) {
            o->output_norm = mean_over(stats->output_norm + pair * queries, rows);
            if (call->output_gram) o->output_projected = mean_over(stats->output_projected + pair * queries, rows);
        }
        if (call->output_gram) o->value_projected = stats->value_projected + pair * keys;
    }
    if (needs & NEED_ACTIVATIONS)
        for (int i = 0; i < 2; i++) {
            o->sizes[i] = tensor_is_none(call->block_input) ? NAN : stats->input_sizes[i][b];
            o->sizes[2 + i] = tensor_is_none(call->block_context) ? NAN : stats->context_sizes[i][b];
            o->sizes[4 + i] = stats->output_sizes[i][pair];
        }
}
