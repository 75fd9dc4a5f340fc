/* Statistics of a call: their room, and those that are not the kernel's: lengths of values and outputs, sizes of
 * activations. Relies on the backend for every look at a tensor. */
#include <math.h>

#include "attn/edit.h"
#include "tensor/backend.h"

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
    if (call->kind == ATTN_SELF) out->image_class = attn_room_of(c, keys, 1, KEY_IMAGE);
    for (int i = 0; i < 2; i++) {
        out->input_sizes[i] = attn_room(c, batch, sizeof(float));
        out->context_sizes[i] = attn_room(c, batch, sizeof(float));
        out->output_sizes[i] = attn_room(c, pairs, sizeof(float));
    }
}

const float *attn_gram_values(compute *c, attn_gram *g, int64_t heads) {
    if (!g) return NULL;
    if (!g->made && c->be != &backend_dry) { /* a dry run leaves nothing behind */
        weight_head_gram(c, g->w, heads, g->values);
        g->made = compute_ok(c);
    }
    return g->values;
}

static void measure_sizes(compute *c, tensor x, float *const out[2]) {
    if (!tensor_is_none(x)) op_sizes(c, tensor_split_last(x, 1), out[0], out[1]);
}

/* The query rows that an item measures; empty where it measures none. */
static row_range measured_rows(const attn_call *call, int b) {
    row_range rows = {0};
    ss_error err; /* the kernel found the same rows before */
    const attn_run *run = call->batch->item[b].run;
    if (!run || attn_find_rows(call, attn_run_measure(run)->rows, &rows, &err) != SS_OK) return (row_range){0};
    return rows;
}

/* Of one item's measured rows alone, so that no figure depends on the item's company. */
static void measure_output(compute *c, const attn_call *call, int b, unsigned needs, const float *gram,
                           const call_stats *stats) {
    row_range rows = measured_rows(call, b);
    size_t heads = (size_t)call->args.q.dim[2], pair = (size_t)b * heads, at = pair * (size_t)call->args.q.dim[1];
    if (rows.begin == rows.end) return;
    tensor out = tensor_slice(tensor_slice(call->args.out, 0, b, 1), 1, rows.begin, rows.end - rows.begin);
    if (needs & NEED_OUTPUTS) op_head_norms(c, out, gram, stats->output_norm + at, stats->output_projected + at);
    if (needs & NEED_ACTIVATIONS) op_sizes(c, out, stats->output_sizes[0] + pair, stats->output_sizes[1] + pair);
}

void attn_measure_activations(compute *c, const attn_call *call, unsigned needs, const call_stats *stats) {
    if (!(needs & (NEED_VALUES | NEED_OUTPUTS | NEED_ACTIVATIONS))) return;
    const float *gram =
        needs & (NEED_VALUES | NEED_OUTPUTS) ? attn_gram_values(c, call->output_gram, call->args.q.dim[2]) : NULL;
    if (needs & NEED_VALUES) op_head_norms(c, call->args.v, gram, stats->value_norm, stats->value_projected);
    if (needs & NEED_ACTIVATIONS) {
        measure_sizes(c, call->block_input, stats->input_sizes);
        measure_sizes(c, call->block_context, stats->context_sizes);
    }
    for (int b = 0; b < call->batch->n; b++) measure_output(c, call, b, needs, gram, stats);
}

static double mean_of(const float *x, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (double)x[i];
    return n > 0 ? sum / (double)n : (double)NAN;
}

void attn_observe_activations(const attn_call *call, int b, int head, unsigned needs, const call_stats *stats,
                              observation *o) {
    size_t keys = (size_t)call->args.k.dim[1], heads = (size_t)call->args.q.dim[2];
    size_t pair = (size_t)b * heads + (size_t)head;
    if (needs & NEED_VALUES) {
        o->value_norm = stats->value_norm + pair * keys;
        if (call->output_gram) o->value_projected = stats->value_projected + pair * keys;
    }
    if (needs & NEED_OUTPUTS) {
        row_range rows = measured_rows(call, b);
        int64_t n = rows.end - rows.begin;
        size_t at =
            (size_t)b * heads * (size_t)call->args.q.dim[1] + (size_t)(head * n); /* as measure_output puts it */
        o->output_norm = mean_of(stats->output_norm + at, n);
        o->output_projected = call->output_gram ? mean_of(stats->output_projected + at, n) : (double)NAN;
    }
    if (needs & NEED_ACTIVATIONS)
        for (int i = 0; i < 2; i++) {
            o->sizes[i] = tensor_is_none(call->block_input) ? NAN : stats->input_sizes[i][b];
            o->sizes[2 + i] = tensor_is_none(call->block_context) ? NAN : stats->context_sizes[i][b];
            o->sizes[4 + i] = stats->output_sizes[i][pair];
        }
}
