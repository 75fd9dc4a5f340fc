/* `forward`: one network, tensors in, tensors out, under the reference implementation's names. With it anyone can
 * compare the networks. */
#include "cli/tables.h"

#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/finite.h"
#include "io/safetensors.h"
#include "model/culprit.h"
#include "model/network.h"

enum { MAX_TAPS = 256 }; /* the most flags of a command line */

/* A tensor of the input file as a host array: floats of any width become float32, integers int32. */
static ss_status take_input(const checkpoint_entry *e, model_arrays *in, ss_error *err) {
    int integers = e->dtype == CHECKPOINT_I32 || e->dtype == CHECKPOINT_I64;
    if (e->dtype != CHECKPOINT_F32 && !integers)
        return error_set(err, SS_ERR_INPUT, e->file, "%s is %s; expected F32, I32 or I64", e->name,
                         checkpoint_dtype_name(e->dtype));
    if (e->ndim < 1 || e->ndim > TENSOR_MAX_DIMS)
        return error_set(err, SS_ERR_INPUT, e->file, "%s has %d dimensions; expected 1 to %d", e->name, e->ndim,
                         (int)TENSOR_MAX_DIMS);
    model_array *a = model_arrays_add(in, e->name, integers, e->ndim, e->shape, err);
    if (!a) return err->code;
    if (e->dtype != CHECKPOINT_I64) return checkpoint_read(e, 0, e->count, a->f32 ? (void *)a->f32 : a->i32, err);
    const int64_t *wide = checkpoint_keep(e, err);
    for (int64_t i = 0; wide && i < e->count; i++) {
        if (wide[i] < INT32_MIN || wide[i] > INT32_MAX)
            return error_set(err, SS_ERR_INPUT, e->file, "%s holds %lld at %lld; it does not fit 32 bits", e->name,
                             (long long)wide[i], (long long)i);
        a->i32[i] = (int32_t)wide[i];
    }
    return wide ? SS_OK : err->code;
}

static ss_status read_inputs(const char *path, model_arrays *in, ss_error *err) {
    checkpoint *file;
    SS_TRY(checkpoint_open(&file, path, err));
    ss_status status = SS_OK;
    for (size_t i = 0; status == SS_OK && i < checkpoint_count(file); i++)
        status = take_input(checkpoint_at(file, i), in, err);
    checkpoint_close(file);
    return status;
}

static ss_status write_outputs(const char *path, const model_arrays *out, ss_error *err) {
    safetensors_output *list = calloc((size_t)out->n + 1, sizeof *list);
    if (!list) return error_no_memory(err, "outputs", 0);
    for (int i = 0; i < out->n; i++) {
        const model_array *a = &out->at[i];
        list[i] = (safetensors_output){.name = a->name,
                                       .dtype = a->f32 ? CHECKPOINT_F32 : CHECKPOINT_I32,
                                       .ndim = a->ndim,
                                       .data = a->f32 ? (const void *)a->f32 : (const void *)a->i32};
        for (int d = 0; d < a->ndim; d++) list[i].shape[d] = a->dim[d];
    }
    ss_status status = safetensors_write(path, list, out->n, err);
    free(list);
    return status;
}

static ss_status print_taps(const model *m, ss_error *err) {
    model_arrays taps = {0};
    ss_status status = model_list_taps(m, &taps, err);
    for (int i = 0; status == SS_OK && i < taps.n; i++) puts(taps.at[i].name);
    model_arrays_free(&taps);
    return status;
}

static int all_finite(const model_arrays *a) {
    for (int i = 0; i < a->n; i++)
        if (a->at[i].f32 && finite_first_bad(a->at[i].f32, model_array_elements(&a->at[i])) >= 0) return 0;
    return 1;
}

/* Tensors that are not finite are written as they are, since they are needed to look for a fault; a notice names the
 * first such value. */
static ss_status note_not_finite(const model *m, compute *c, const model_arrays *inputs, ss_error *err) {
    culprit k;
    model_arrays again = {0};
    ss_error found;
    if (!all_finite(inputs)) return notices_add(&c->notices, err, "inputs are not finite, and so are outputs");
    culprit_listen(&k, c, m);
    ss_status status = model_forward(m, c, inputs, NULL, 0, &again, err);
    culprit_stop(&k);
    model_arrays_free(&again);
    SS_TRY(status);
    const culprit_case about = {.what = "outputs"};
    if (culprit_report(&k, &about, &found) != SS_ERR_INPUT) {
        *err = found;
        return found.code;
    }
    return notices_add(&c->notices, err, "%s: %s", found.where, found.message);
}

static ss_status run_network(const invocation *in, const model *m, compute *c, ss_error *err) {
    const char *from = invocation_flag(in, "in").text, *to = invocation_flag(in, "out").text;
    const char *taps[MAX_TAPS];
    int n_taps = 0;
    if (invocation_has(in, "list-hooks")) return print_taps(m, err);
    if (!from || !to)
        return error_set(err, SS_ERR_USAGE, NULL, "give --in FILE.safetensors and --out FILE.safetensors");
    while (n_taps < MAX_TAPS && (taps[n_taps] = invocation_repeat(in, "hook", n_taps)) != NULL) n_taps++;
    if (n_taps > 0 && strcmp(taps[0], "all") == 0) n_taps = -1;
    model_arrays inputs = {0}, outputs = {0};
    ss_status status = read_inputs(from, &inputs, err);
    if (status == SS_OK) status = model_forward(m, c, &inputs, taps, n_taps, &outputs, err);
    if (status == SS_OK && !all_finite(&outputs)) status = note_not_finite(m, c, &inputs, err);
    if (status == SS_OK) status = write_outputs(to, &outputs, err);
    model_arrays_free(&inputs);
    model_arrays_free(&outputs);
    return status;
}

static ss_status cmd_forward_run(const invocation *in, ss_error *err) {
    compute *c = NULL;
    model *m = NULL;
    char *folder = NULL, *component = NULL;
    ss_status status;
    SS_TRY_GOTO(cli_find_data(invocation_arg(in, 0), &folder, err), done);
    component = file_join(folder, invocation_arg(in, 1));
    if (!component) SS_TRY_GOTO(error_no_memory(err, "file name", 0), done);
    SS_TRY_GOTO(cli_compute(in, &c, err), done);
    SS_TRY_GOTO(model_open(&m, c, component, invocation_flag(in, "variant").text, err), done);
    status = run_network(in, m, c, err);
done:
    model_close(m);
    cli_compute_close(c);
    free(component);
    free(folder);
    return status;
}

static const option FLAGS[] = {
    {"in", OPTION_TEXT, NULL, 0, 0, NULL, "inputs, named as the reference implementation's arguments"},
    {"out", OPTION_FILE, NULL, 0, 0, NULL, "where the outputs and hooked tensors go (-o)"},
    {"hook", OPTION_TEXT, NULL, 0, 0, NULL, "also write this intermediate tensor; may be repeated; 'all' = every one"},
    {"list-hooks", OPTION_FLAG, NULL, 0, 0, "false", "print the names of all hooks and stop"},
    {"variant", OPTION_TEXT, NULL, 0, 0, NULL, "weights variant, as in NAME.VARIANT.safetensors: fp16"},
    {0},
};

const command CLI_FORWARD = {
    .about = {"forward", "one network: tensors in, tensors out", FLAGS},
    .arguments = "MODEL COMPONENT",
    .min_args = 2,
    .max_args = 2,
    .description =
        "Arguments and outputs have diffusers' and transformers' names and layouts:\n"
        "  transformer     hidden_states, encoder_hidden_states, pooled_projections, timestep -> sample\n"
        "  text_encoder*   input_ids -> last_hidden_state, penultimate, pooled\n"
        "  vae             latents -> decoded; sample -> mean, logvar\n"
        "Values that are not finite are written as they are; a note on standard error names the first hook with one.\n"
        "  sinkscope forward models/shapes-sd3 transformer --in x.safetensors --out y.safetensors --hook proj_out",
    .run = cmd_forward_run,
};
