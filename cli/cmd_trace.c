/* `trace`: one image, and which keys draw the attention while it is made. Its output is in report/. */
#include "cli/tables.h"
#include "cli/trace_map.h"

#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "cli/pictures.h"
#include "io/png.h"
#include "report/trace.h"

/* The state of one trace. */
typedef struct tracing {
    compute *c;
    pipeline *p;
    char *model;
    resolved_settings settings;
    pipeline_sites sites;
    attn_block *block;
    attn_measure measure;
    trace_map map;
    attn_run *run;
    embedding *text;
    const char **word[2];
    denoise_state *state;
    rgb_image image;
    trace trace;
} tracing;

static void tracing_close(tracing *t) {
    rgb_image_free(&t->image);
    denoise_free(t->state);
    attn_run_destroy(t->run);
    free(t->word[0]);
    free(t->word[1]);
    embedding_free(t->text);
    pipeline_close(t->p);
    cli_compute_close(t->c);
    free(t->model);
    free(t->block);
    trace_map_free(&t->map);
}

/* Every probe, and the largest keys of every head. */
static attn_measure measure_all(int top) {
    attn_measure m = {.rows = ROWS_IMAGE, .r = 5, .noop_below = 0.1, .top = top};
    for (int i = 0; i < ATTN_PROBE_COUNT && i < (int)(sizeof m.probe / sizeof *m.probe); i++)
        m.probe[m.n_probes++] = ATTN_PROBES[i];
    return m;
}

static ss_status find_words(tracing *t, int branch, ss_error *err) {
    int keys = embedding_keys(t->text);
    t->word[branch] = calloc((size_t)keys + 1, sizeof *t->word[branch]);
    if (!t->word[branch]) return error_no_memory(err, "words", (unsigned long long)keys);
    for (int key = 0; key < keys; key++) t->word[branch][key] = embedding_key_word(t->text, (attn_branch)branch, key);
    t->trace.word[branch] = t->word[branch];
    t->trace.key_class[branch] = embedding_key_classes(t->text, (attn_branch)branch);
    return SS_OK;
}

static ss_status cmd_trace_open_model(tracing *t, const invocation *in, ss_error *err) {
    SS_TRY(cli_find_data(invocation_arg(in, 0), &t->model, err));
    SS_TRY(cli_compute(in, &t->c, err));
    model_parts parts = {0};
    ss_status status = cli_read_parts(in, &parts, err);
    cli_read_rules(in, &parts.rules);
    if (status == SS_OK) status = pipeline_open_parts(&t->p, t->c, t->model, &parts, err);
    cli_free_parts(&parts);
    SS_TRY(status);
    SS_TRY(cli_read_settings(in, t->p, &t->settings, err));
    int step = (int)invocation_flag(in, "step").integer;
    if (step >= t->settings.steps)
        return error_set(err, SS_ERR_USAGE, NULL, "--step is %d; expected 0 to %d, or -1 for the mean over steps", step,
                         t->settings.steps - 1);
    pipeline_sites_at(t->p, &t->settings, &t->sites);
    return pipeline_blocks(t->p, &t->settings, &t->block, err);
}

/* The folder belongs to this image, or to none yet: decided by the text in its file (`made` = 0), or by its pixels. */
static ss_status cmd_trace_check_folder(const tracing *t, const invocation *in, int made, ss_error *err) {
    const char *folder = invocation_flag(in, "out").text;
    seed_text seed;
    if (!folder || invocation_has(in, "force")) return SS_OK;
    char *path = file_join(folder, "image.png");
    if (!path) return error_no_memory(err, "a file name", strlen(folder));
    const png_note notes[] = {{"prompt", t->trace.prompt}, {"seed", seed_write(t->trace.seed, seed)}};
    ss_status status = made ? picture_check_pixels(path, &t->image, err) : picture_check(path, notes, 2, err);
    free(path);
    return status;
}

static ss_status cmd_trace_make_image(tracing *t, uint64_t seed, ss_error *err) {
    SS_TRY(denoise_begin(&t->state, t->p, &t->settings, t->text, seed, t->run, err));
    while (denoise_step_number(t->state) < t->settings.steps) {
        SS_TRY(denoise_step(t->p, &t->state, 1, err));
        SS_TRY(denoise_check(t->p, t->state, err));
    }
    return denoise_decode(t->p, t->state, &t->image, err);
}

static ss_status make_trace(tracing *t, const invocation *in, ss_error *err) {
    const char *prompt = invocation_flag(in, "prompt").text;
    image_seed seed = invocation_flag(in, "seed").seed;
    if (!prompt) return error_set(err, SS_ERR_USAGE, NULL, "say what to draw: --prompt TEXT");
    SS_TRY(cmd_trace_open_model(t, in, err));
    t->measure = measure_all((int)invocation_flag(in, "top").integer);
    attn_shape shape = {t->settings.steps, t->sites.blocks, t->sites.heads, t->sites.keys};
    for (int i = 0; i < t->sites.blocks; i++) /* a map's vector may lie on the queries */
        if (t->block[i].queries > shape.keys) shape.keys = t->block[i].queries;
    SS_TRY(pipeline_note_cuts(t->p, &t->settings, prompt, err));
    cli_tell(pipeline_notices(t->p));
    SS_TRY(pipeline_encode(t->p, &t->settings, prompt, &t->text, err));
    t->trace = (trace){.prompt = prompt,
                       .model = invocation_arg(in, 0),
                       .weights = pipeline_form(t->p),
                       .seed = seed,
                       .settings = &t->settings,
                       .sites = &t->sites,
                       .block = t->block,
                       .measure = &t->measure,
                       .branches = t->settings.guidance > 1 ? 2 : 1,
                       .image = &t->image};
    for (int branch = 0; branch < t->trace.branches; branch++) SS_TRY(find_words(t, branch, err));
    const char *map = invocation_flag(in, "map").text;
    if (map) {
        const trace_words words = {t->trace.word[BRANCH_COND], embedding_keys(t->text)};
        SS_TRY(trace_map_read(&t->map, map, t->block, t->sites.blocks, &words, err));
        t->measure.map = &t->map.map;
        t->trace.map = map;
    }
    SS_TRY(cmd_trace_check_folder(t, in, 0, err));
    SS_TRY(attn_run_create(&t->run, NULL, &t->measure, &(attn_stream_name){.image_seed = seed.bits}, shape, err));
    t->trace.run = t->run;
    return cmd_trace_make_image(t, seed.bits, err);
}

static ss_status cmd_trace_tell(const tracing *t, const invocation *in, ss_error *err) {
    const char *folder = invocation_flag(in, "out").text;
    int as_json = invocation_has(in, "json");
    text out = {0};
    SS_TRY(cmd_trace_check_folder(t, in, 1, err));
    if (folder) SS_TRY(trace_write(&t->trace, folder, err));
    if (as_json) trace_json(&t->trace, &out);
    else trace_describe(&t->trace, (int)invocation_flag(in, "step").integer, &out);
    if (folder && !as_json)
        text_addf(&out, "\nimage   %s/image.png\nrows    %s/trace.csv\npage    %s/trace.html\n", folder, folder,
                  folder);
    ss_status status = out.failed ? error_no_memory(err, "a trace", out.len) : SS_OK;
    if (status == SS_OK) fputs(out.s, stdout);
    text_free(&out);
    return status;
}

static ss_status cmd_trace_run(const invocation *in, ss_error *err) {
    tracing t = {0};
    ss_status status = make_trace(&t, in, err);
    if (status == SS_OK) status = cmd_trace_tell(&t, in, err);
    tracing_close(&t);
    return status;
}

static const option FLAGS[] = {
    {"prompt", OPTION_TEXT, NULL, 0, 0, NULL, "what to draw"},
    {"seed", OPTION_SEED, NULL, 0, 0, "0", "seed of the noise"},
    {"out", OPTION_FOLDER, NULL, 0, 0, NULL, "folder for image.png, trace.csv and trace.html (-o); none if not given"},
    {"top", OPTION_INT, NULL, 1, 255, "5", "keys to keep of every head and step, by falling mass"},
    {"step", OPTION_INT, NULL, -1, 1000, "-1", "the step that the table speaks of; -1 = means over all steps"},
    {"map", OPTION_TEXT, NULL, 0, 0, NULL,
     "also show a part of the attention itself on the page: 'key clip 0' or 'word red' (who looks at it), 'row 3 4' "
     "(what that place of the image looks at, in tokens of the finest grid); blocks without such a key are left out"},
    {"json", OPTION_FLAG, NULL, 0, 0, "false", "every row, as JSON"},
    {"force", OPTION_FLAG, NULL, 0, 0, "false", "overwrite the trace of another picture in the folder"},
    {0},
};

const command CLI_TRACE = {
    .about = {"trace", "one image, and which keys draw its attention", FLAGS},
    .more_flags = CLI_SAMPLER_FLAGS,
    .arguments = "MODEL",
    .min_args = 1,
    .max_args = 1,
    .description =
        "Makes one image with measurement on, and names for each step, block and head the keys of largest incoming\n"
        "mass ('t5 padding 31', 'image (3, 4)'), their mass, the entropy and concentration of the attention. Prints\n"
        "the strongest head of every block; the files have all rows, and a page with figures.\n"
        "  sinkscope trace models/shapes-sd3 --prompt 'a red circle and a blue star' -o out/trace",
    .run = cmd_trace_run,
};
