/* `inspect`: what a model folder holds, before anything runs. */
#include "cli/inspect_check.h"
#include "cli/tables.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "io/json.h"
#include "model/network.h"
#include "model/original.h"
#include "sampler/pipeline.h"

static void cmd_inspect_add_bytes(text *t, double bytes) {
    static const char *const UNITS[] = {"B", "KiB", "MiB", "GiB"};
    int u = 0;
    while (bytes >= 1024 && u < 3) bytes /= 1024, u++;
    text_add_fixed(t, bytes, u ? 1 : 0);
    text_addf(t, " %s", UNITS[u]);
}

static void cmd_inspect_add_tensor(const char *name, const char *type, int ndim, const int64_t *dim, const char *what,
                                   text *out) {
    text_addf(out, "    %-72s %-4s [", name, type);
    for (int d = 0; d < ndim; d++) text_addf(out, "%s%lld", d ? ", " : "", (long long)dim[d]);
    text_addf(out, "]  %s\n", what);
}

/* One line on a component, and its tensors where requested. */
static ss_status describe_component(const char *name, const model *m, const compute *c, int tensors, text *out) {
    text_addf(out, "  %-16s %-32s ", name, m->net->about.name);
    text_add_grouped(out, weights_parameter_count(&m->set));
    text_add(out, " parameters, ");
    cmd_inspect_add_bytes(out, (double)weights_packed_bytes(&m->set, c));
    const char *path = m->files ? checkpoint_path(m->files) : "", *slash = strrchr(path, '/');
    text_addf(out, " in memory, %d tensors in %s\n", m->set.n, slash ? slash + 1 : path);
    for (int i = 0; tensors && i < m->set.n; i++) {
        const weight_item *w = &m->set.item[i];
        cmd_inspect_add_tensor(w->name, w->entry ? checkpoint_stored_name(w->entry) : checkpoint_dtype_name(w->type),
                               w->ndim, w->dim, w->shape, out);
    }
    for (size_t i = 0; tensors && m->files && i < checkpoint_count(m->files); i++) {
        const checkpoint_entry *e = checkpoint_at(m->files, i);
        if (!m->set.claimed[i])
            cmd_inspect_add_tensor(e->name, checkpoint_stored_name(e), e->ndim, e->shape, "ignored", out);
    }
    return SS_OK;
}

static int is_network(const char *class_name) {
    for (int i = 0; class_name && i < MODEL_NETWORK_COUNT; i++)
        if (strcmp(MODEL_NETWORKS[i]->about.name, class_name) == 0) return 1;
    return 0;
}

/* The component folders that model_index.json names: those with a config.json of a network. */
static ss_status describe_components(const char *folder, const char *variant, compute *c, int tensors, text *out,
                                     ss_error *err) {
    json_t *index = NULL;
    char *path = file_join(folder, "model_index.json");
    ss_status status =
        path ? json_read_file(path, JSON_CONFIG_LIMIT, &index, err) : error_no_memory(err, "file name", 0);
    free(path);
    const char *name;
    json_t *value;
    if (status == SS_OK) json_object_foreach(index, name, value) {
            if (status != SS_OK || !json_is_array(value) || json_is_null(json_array_get(value, 1))) continue;
            char *component = file_join(folder, name), *config = component ? file_join(component, "config.json") : NULL;
            model *m = NULL;
            const char *class_name = json_string_value(json_array_get(value, 1));
            if (!config) status = error_no_memory(err, "file name", 0);
            else if (file_exists(config) && !is_network(class_name)) {
                text_addf(out, "  %-16s %-32s not used\n", name, class_name ? class_name : "");
            } else if (file_exists(config)) {
                int has = 0;
                if (variant) status = checkpoint_folder_has_variant(component, variant, &has, err);
                if (status == SS_OK) status = model_open_as(&m, NULL, class_name, component, has ? variant : NULL, err);
                if (status == SS_OK) status = describe_component(name, m, c, tensors, out);
            }
            model_close(m);
            free(config);
            free(component);
        }
    json_decref(index);
    return status;
}

/* Blocks that are alike in one line; else a line a block. */
static void describe_blocks(const attn_block *block, const pipeline_sites *sites, text *out) {
    if (attn_blocks_alike(block, sites->blocks)) {
        text_addf(out, "\n  attention calls: %d blocks x %d heads, %d keys:", sites->blocks, sites->heads, sites->keys);
        for (int i = 0; i < block->n_segments; i++)
            text_addf(out, "%s %s %d", i ? "," : "", block->segment[i].name, block->segment[i].length);
        return;
    }
    text_addf(out, "\n  attention calls: %d blocks\n  block  kind   heads  keys  segments          module",
              sites->blocks);
    for (int i = 0; i < sites->blocks; i++) {
        text segments = {0};
        for (int k = 0; k < block[i].n_segments; k++)
            text_addf(&segments, "%s%s %d", k ? ", " : "", block[i].segment[k].name, block[i].segment[k].length);
        text_addf(out, "\n  %5d  %-5s  %5d %5d  %-16s  %s", i, ATTN_KINDS[block[i].kind].name, block[i].heads,
                  block[i].keys, text_for(&segments, out), block[i].name);
        text_free(&segments);
    }
}

/* The memory of each phase: the text encoders are freed before denoising begins. */
static void describe_memory(const pipeline_cost *cost, text *out) {
    text_add(out, "\n  memory, one image at a time: weights ");
    cmd_inspect_add_bytes(out, (double)(cost->network_bytes + cost->decoder_bytes));
    text_add(out, ", activations ");
    cmd_inspect_add_bytes(out, (double)cost->step_scratch_bytes);
    text_add(out, " denoising, ");
    cmd_inspect_add_bytes(out, (double)cost->decode_scratch_bytes);
    text_add(out, " decoding\n  memory while texts are encoded: weights ");
    cmd_inspect_add_bytes(out, (double)cost->encoder_bytes);
    text_add(out, ", activations ");
    cmd_inspect_add_bytes(out, (double)cost->encode_scratch_bytes);
}

static ss_status describe_pipeline(const char *folder, const model_parts *parts, compute *c, text *out, ss_error *err) {
    attn_block *block = NULL;
    pipeline *p = NULL;
    const sample_settings defaults = {.guidance = NAN};
    resolved_settings s;
    pipeline_sites sites;
    pipeline_cost cost;
    ss_status status = pipeline_open_parts(&p, c, folder, parts, err);
    if (status == SS_OK) status = settings_resolve(p, &defaults, &s, err);
    if (status == SS_OK) pipeline_sites_at(p, &s, &sites);
    if (status == SS_OK) status = pipeline_blocks(p, &s, &block, err);
    if (status == SS_OK) status = pipeline_cost_of(p, &s, 1, &cost, err);
    if (status == SS_OK) {
        text_addf(out, "\nat its defaults: %d x %d px, %d steps, guidance ", s.width, s.height, s.steps);
        text_add_double(out, s.guidance, 4);
        text_addf(out, ", scheduler %s", pipeline_scheduler_name(p, &s));
        describe_blocks(block, &sites, out);
        describe_memory(&cost, out);
        text_add(out, "\n  work: ");
        text_add_double(out, cost.flops_step / 1e9, 3);
        text_add(out, " GFLOP a step, ");
        text_add_double(out, (cost.flops_encode + cost.flops_step * s.steps + cost.flops_decode) / 1e9, 3);
        text_add(out, " an image\n");
    }
    free(block);
    pipeline_close(p);
    return status;
}

/* ---- a single file ---- */

/* A component of the file, its names mapped and its shapes checked; what is missing is reported. */
static ss_status describe_part(const original *o, const char *name, const char *class_name, const compute *c,
                               int tensors, text *out, ss_error *err) {
    const json_t *config = original_config(o, name);
    checkpoint *weights;
    model *m;
    SS_TRY(original_weights(o, name, &weights, err));
    if (!weights) {
        text_addf(out, "  %-16s not in the file\n", name);
        return SS_OK;
    }
    SS_TRY(model_open_weights(&m, class_name, config, name, weights, err));
    text_addf(out, "  %-16s from %s*\n", name, original_prefix(o, name));
    ss_status status = describe_component(name, m, c, tensors, out);
    model_close(m);
    return status;
}

/* The kind of a file, and whether an image can be made with it: where not, the error says what is missing. */
static ss_status cmd_inspect_describe_single(const char *path, const model_parts *parts, compute *c, int tensors,
                                             text *out, ss_error *err) {
    original *o;
    const char *name;
    json_t *value;
    ss_error missing;
    SS_TRY(original_open(&o, path, parts->config, err));
    text_addf(out, "  recognised as %s (%s)\n", original_family(o),
              original_config_folder(o) ? "configs of that folder" : "by its tensors; configs are that model's own");
    ss_status status = SS_OK;
    json_object_foreach((json_t *)(uintptr_t)original_index(o), name, value) {
        const char *class_name = json_string_value(json_array_get(value, 1));
        if (status == SS_OK && is_network(class_name))
            status = describe_part(o, name, class_name, c, tensors, out, err);
    }
    original_close(o);
    SS_TRY(status);
    size_t before = out->len;
    if (describe_pipeline(path, parts, c, out, &missing) == SS_OK) return SS_OK;
    if (missing.code != SS_ERR_INPUT) return *err = missing, missing.code;
    if (!out->failed) out->s[out->len = before] = '\0';
    text_addf(out, "\nno picture can be made of it as it is:\n  %s%s%s\n", missing.where, *missing.where ? ": " : "",
              missing.message);
    return SS_OK;
}

/* --random: a checkpoint of random weights with the shapes of a config, for trying things out. */
static ss_status write_random(const invocation *in, const char *to, ss_error *err) {
    char *folder = NULL, *path = NULL;
    model *m = NULL;
    ss_status status;
    SS_TRY(cli_find_data(invocation_arg(in, 0), &folder, err));
    path = file_is_folder(folder) ? file_join(folder, "config.json") : text_copy(folder);
    if (!path) SS_TRY_GOTO(error_no_memory(err, "file name", 0), done);
    SS_TRY_GOTO(model_open_config(&m, NULL, path, WEIGHTS_LIST, 0, err), done);
    SS_TRY_GOTO(weights_write_random(&m->set, invocation_flag(in, "seed").seed.bits,
                                     (tensor_type)invocation_flag(in, "type").word, invocation_threads(in), to, err),
                done);
    fprintf(cli_words(to), "%s: %s of random weights, %d tensors\n", to, m->net->about.name, m->set.n);
done:
    model_close(m);
    free(path);
    free(folder);
    return status;
}

/* A folder without model_index.json: that of one component, which has a config.json. */
static ss_status expect_component(const char *folder, ss_error *err) {
    char *config = file_join(folder, "config.json");
    int there = config && file_exists(config);
    if (!config) return error_no_memory(err, "file name", 0);
    free(config);
    if (there) return SS_OK;
    return error_set(
        err, SS_ERR_INPUT, folder,
        "is no model's folder; expected model_index.json in it (a pipeline in diffusers' form) or config.json "
        "(one of its components). A checkpoint in one file is named itself: %s/NAME.safetensors",
        folder);
}

static ss_status cmd_inspect_run(const invocation *in, ss_error *err) {
    const char *random = invocation_flag(in, "random").text, *variant = invocation_flag(in, "variant").text;
    if (random) return write_random(in, random, err);
    compute *c = NULL;
    char *folder = NULL, *index = NULL;
    text out = {0}, whole = {0};
    model_parts parts = {0};
    ss_status status;
    SS_TRY_GOTO(cli_read_parts(in, &parts, err), done);
    cli_read_rules(in, &parts.rules);
    SS_TRY_GOTO(cli_find_data(invocation_arg(in, 0), &folder, err), done);
    if (invocation_has(in, "check")) {
        status = inspect_check(in, folder, variant, err);
        goto done;
    }
    SS_TRY_GOTO(cli_compute(in, &c, err), done);
    text_addf(&out, "%s\n", folder);
    index = file_join(folder, "model_index.json");
    if (!index) SS_TRY_GOTO(error_no_memory(err, "file name", 0), done);
    if (file_exists(index)) {
        SS_TRY_GOTO(describe_pipeline(folder, &parts, c, &whole, err), done); /* first, since it has the best message */
        SS_TRY_GOTO(describe_components(folder, variant, c, invocation_has(in, "tensors"), &out, err), done);
        text_add(&out, text_for(&whole, &out));
    } else if (file_exists(folder)) {
        SS_TRY_GOTO(cmd_inspect_describe_single(folder, &parts, c, invocation_has(in, "tensors"), &out, err), done);
    } else {
        model *m = NULL;
        SS_TRY_GOTO(expect_component(folder, err), done);
        SS_TRY_GOTO(model_open(&m, NULL, folder, variant, err), done);
        describe_component("", m, c, invocation_has(in, "tensors"), &out);
        status = notices_add_all(&c->notices, &m->notices, err);
        model_close(m);
    }
    if (out.failed) status = error_no_memory(err, "output", out.len);
    else fputs(out.s, stdout);
done:
    cli_compute_close(c);
    cli_free_parts(&parts);
    text_free(&whole);
    text_free(&out);
    free(index);
    free(folder);
    return status;
}

static const option FLAGS[] = {
    {"tensors", OPTION_FLAG, NULL, 0, 0, "false", "list every tensor with type, shape and symbolic shape"},
    {"check", OPTION_FLAG, NULL, 0, 0, "false",
     "read every tensor of every file, count the values that are not finite, and stop"},
    {"variant", OPTION_TEXT, NULL, 0, 0, NULL, "weights variant, as in NAME.VARIANT.safetensors: fp16"},
    CLI_PART_OPTIONS,
    PIPELINE_RULE_OPTIONS,
    {"random", OPTION_FILE, NULL, 0, 0, NULL,
     "write random weights of the config's shapes to this .safetensors, and stop"},
    {"seed", OPTION_SEED, NULL, 0, 0, "1", "of the random weights"},
    {"type", OPTION_WORD, "F32|F16|BF16" /* as tensor_type */, 0, 0, "F32", "of the random weights"},
    {0},
};

const command CLI_INSPECT = {
    .about = {"inspect", "what a model folder holds: components, shapes, memory, attention calls", FLAGS},
    .arguments = "MODEL",
    .min_args = 1,
    .max_args = 1,
    .description =
        "Opens every component, checks each tensor against config.json, and says what running it takes.\n"
        "MODEL is a pipeline's folder (with model_index.json), one component's, or a checkpoint in one file, of which "
        "it\n"
        "says what it was recognised as, and what of a pipeline it holds.\n"
        "Blocks of attention that differ are listed one a line: number, kind, heads, keys, module, as a study's\n"
        "'blocks', 'heads' and 'kinds' name them.\n"
        "  sinkscope inspect models/shapes-sd3 --tensors\n"
        "With --check every value of every tensor is read; one that is NaN or infinite is named, with its tensor and\n"
        "file, and the command exits with 3. MODEL may then be a checkpoint's file, too.\n"
        "  sinkscope inspect models/shapes-sd3 --check\n"
        "With --random, MODEL is a config.json of any network listed by 'list networks', or its folder: what a\n"
        "checkpoint of that size costs can be seen without having one. Scores by such weights are labelled.\n"
        "  sinkscope inspect config.json --random model.safetensors",
    .run = cmd_inspect_run,
};
