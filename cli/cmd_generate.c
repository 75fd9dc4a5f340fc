/* `generate`: prompts to pictures. */
#include "cli/tables.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "sampler/pipeline.h"
#include "score/geneval.h"

/* A picture's parameters, for its text chunks. */
static ss_status write_picture(const char *folder, const char *name, const rgb_image *image, const char *prompt,
                               const sample_settings *s, uint64_t seed, const pipeline *p, ss_error *err) {
    text parameters = {0};
    text_addf(&parameters, "model: %s, ", pipeline_folder(p));
    if (pipeline_form(p) != FORM_STORED) text_addf(&parameters, "weights: %s, ", WEIGHT_FORM_NAMES[pipeline_form(p)]);
    text_addf(&parameters, "seed: %llu, steps: %d, guidance: ", (unsigned long long)seed, s->steps);
    text_add_double(&parameters, s->guidance, 6);
    text_addf(&parameters, ", size: %dx%d, negative: %s", s->width, s->height, s->negative);
    picture_sizes_add_words(&s->sizes, ", ", &parameters);
    text_addf(&parameters, ", sinkscope: %s", ss_version());
    char *path = file_join(folder, name);
    ss_status status = SS_OK;
    if (!path || parameters.failed) status = error_no_memory(err, "picture", 0);
    const png_note notes[] = {{"prompt", prompt}, {"parameters", parameters.s}};
    if (status == SS_OK) status = png_write(path, image, notes, 2, err);
    free(path);
    text_free(&parameters);
    return status;
}

/* Denoise and decode one image. */
static ss_status make_picture(pipeline *p, const sample_settings *s, const embedding *e, uint64_t seed, rgb_image *out,
                              ss_error *err) {
    denoise_state *d = NULL;
    ss_status status = denoise_begin(&d, p, s, e, seed, NULL, err);
    while (status == SS_OK && denoise_step_number(d) < s->steps) {
        status = denoise_step(p, &d, 1, err);
        if (status == SS_OK) status = denoise_check(p, d, err);
    }
    if (status == SS_OK) status = denoise_decode(p, d, out, err);
    denoise_free(d);
    return status;
}

/* One prompt, `images` seeds from `seed` on. Files: <index>.png, or <index>-<seed>.png where there are several. */
static ss_status run_prompt(pipeline *p, const invocation *in, const sample_settings *s, const embedding *e,
                            const char *prompt, int index, ss_error *err) {
    uint64_t seed = (uint64_t)invocation_flag(in, "seed").integer;
    int images = (int)invocation_flag(in, "images").integer;
    const char *folder = invocation_flag(in, "out").text;
    ss_status status = SS_OK;
    for (int i = 0; status == SS_OK && i < images; i++) {
        rgb_image image = {0};
        char name[64];
        uint64_t this_seed = seed + (uint64_t)i;
        if (images == 1) snprintf(name, sizeof name, "%05d.png", index);
        else snprintf(name, sizeof name, "%05d-%llu.png", index, (unsigned long long)this_seed);
        status = make_picture(p, s, e, this_seed, &image, err);
        if (status == SS_OK) status = write_picture(folder, name, &image, prompt, s, this_seed, p, err);
        rgb_image_free(&image);
        if (status == SS_OK) printf("%s/%s  %s\n", folder, name, prompt);
        fflush(stdout);
    }
    return status;
}

/* Some prompts at a time through the text encoders, which are not in memory while pictures are made. */
static ss_status run_prompts(pipeline *p, const invocation *in, const sample_settings *s,
                             const geneval_prompts *prompts, ss_error *err) {
    enum { SOME = 16 };
    ss_status status = SS_OK;
    for (int first = 0; status == SS_OK && first < prompts->n; first += SOME) {
        embedding *e[SOME];
        const char *each[SOME];
        int n = prompts->n - first < SOME ? prompts->n - first : SOME;
        for (int i = 0; i < n; i++) each[i] = prompts->prompt[first + i].prompt;
        for (int i = 0; status == SS_OK && i < n; i++) status = pipeline_note_cuts(p, s, each[i], err);
        cli_tell(pipeline_notices(p));
        if (status != SS_OK) return status;
        status = pipeline_encode_many(p, s, each, n, e, err);
        for (int i = 0; status == SS_OK && i < n; i++) status = run_prompt(p, in, s, e[i], each[i], first + i, err);
        for (int i = 0; i < n; i++) embedding_free(e[i]);
    }
    return status;
}

static ss_status read_prompts(const invocation *in, geneval_prompts *out, ss_error *err) {
    const char *one = invocation_flag(in, "prompt").text, *file = invocation_flag(in, "prompts").text;
    if (!one == !file) return error_set(err, SS_ERR_USAGE, NULL, "give either --prompt TEXT or --prompts FILE");
    if (file) return geneval_read(file, out, err);
    out->prompt = calloc(1, sizeof *out->prompt);
    if (!out->prompt || !(out->prompt[0].prompt = text_copy(one))) return error_no_memory(err, "prompt", strlen(one));
    out->n = 1;
    return SS_OK;
}

static ss_status run(const invocation *in, ss_error *err) {
    compute *c = NULL;
    pipeline *p = NULL;
    char *folder = NULL;
    geneval_prompts prompts = {0};
    sample_settings s;
    ss_status status;
    SS_TRY_GOTO(read_prompts(in, &prompts, err), done);
    SS_TRY_GOTO(cli_find_data(invocation_arg(in, 0), &folder, err), done);
    SS_TRY_GOTO(file_make_folder(invocation_flag(in, "out").text, err), done);
    SS_TRY_GOTO(cli_compute(in, &c, err), done);
    SS_TRY_GOTO(pipeline_open(&p, c, folder, invocation_flag(in, "variant").text, err), done);
    SS_TRY_GOTO(cli_read_settings(in, p, &s, err), done);
    status = run_prompts(p, in, &s, &prompts, err);
done:
    pipeline_close(p);
    cli_compute_close(c);
    geneval_free(&prompts);
    free(folder);
    return status;
}

static const option FLAGS[] = {
    {"prompt", OPTION_TEXT, NULL, 0, 0, NULL, "what to draw"},
    {"prompts", OPTION_TEXT, NULL, 0, 0, NULL,
     "a file of prompts: text with one a line, GenEval's .jsonl, .json (a list), .csv (column prompt)"},
    {"out", OPTION_FOLDER, NULL, 0, 0, "out", "folder for the PNGs (-o)"},
    {"seed", OPTION_INT, NULL, 0, 9007199254740991.0, "0",
     "seed of the noise; the same image as diffusers' with that CPU generator"},
    {"images", OPTION_INT, NULL, 1, 1000000, "1", "images for each prompt, with seeds seed, seed + 1, ..."},
    {0},
};

const command CLI_GENERATE = {
    .about = {"generate", "pictures from prompts", FLAGS},
    .more_flags = CLI_SAMPLER_FLAGS,
    .arguments = "MODEL",
    .min_args = 1,
    .max_args = 1,
    .description = "Runs a diffusers folder's pipeline and writes PNGs with their parameters in text chunks.\n"
                   "  sinkscope generate models/shapes-sd3 --prompt 'a red circle and a blue star' --seed 7 -o out",
    .run = run,
};
