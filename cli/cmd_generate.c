/* `generate`: prompts to images. */
#include "cli/tables.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/version.h"
#include "cli/pictures.h"
#include "io/png.h"
#include "sampler/pipeline.h"
#include "score/geneval.h"

/* What the images of one command share. */
typedef struct drawing {
    pipeline *p;
    const resolved_settings *settings;
    const model_parts *parts;
    const char *folder;
    picture_seeds seeds;
} drawing;

/* An image's file, named by what it is of: the number of the prompt and the seed. */
static char *picture_path(const drawing *d, int index, image_seed seed, ss_error *err) {
    char name[64];
    seed_text words;
    snprintf(name, sizeof name, "%05d-%s.png", index, seed_write(seed, words));
    char *path = file_join(d->folder, name);
    if (!path) error_no_memory(err, "a file name", 1);
    return path;
}

/* Its parameters, for its text chunks. */
static ss_status add_parameters(const drawing *d, image_seed seed, text *out, ss_error *err) {
    const resolved_settings *s = d->settings;
    seed_text words;
    text_addf(out, "model: %s, ", pipeline_folder(d->p));
    model_parts_add_words(d->parts, out);
    if (pipeline_form(d->p) != FORM_STORED) text_addf(out, "weights: %s, ", WEIGHT_FORM_NAMES[pipeline_form(d->p)]);
    text_addf(out, "seed: %s, steps: %d, guidance: ", seed_write(seed, words), s->steps);
    text_add_double(out, s->guidance, 6);
    text_addf(out, ", size: %dx%d, negative: %s", s->width, s->height, s->negative);
    if (s->scheduler) text_addf(out, ", scheduler: %s", s->scheduler);
    if (s->noise.processors) {
        text_add(out, ", noise: ");
        torch_device_add_words(&s->noise, out);
    }
    picture_sizes_add_words(&s->sizes, ", ", out);
    pipeline_rules_add_words(pipeline_rules_of(d->p), out);
    text_addf(out, ", sinkscope: %s", version_text());
    return out->failed ? error_no_memory(err, "a picture's parameters", out->len) : SS_OK;
}

/* Write an image; without one, check that no other is in its place. */
static ss_status put_picture(const drawing *d, int index, image_seed seed, const char *prompt, const rgb_image *image,
                             ss_error *err) {
    text parameters = {0};
    char *path = picture_path(d, index, seed, err);
    ss_status status = path ? add_parameters(d, seed, &parameters, err) : err->code;
    const png_note notes[] = {{"prompt", prompt}, {"parameters", parameters.s}};
    if (status == SS_OK) status = image ? png_write(path, image, notes, 2, err) : picture_check(path, notes, 2, err);
    if (status == SS_OK && image) printf("%s  %s\n", path, prompt);
    free(path);
    text_free(&parameters);
    return status;
}

/* Before hours of work. */
static ss_status check_pictures(const drawing *d, const geneval_prompts *prompts, ss_error *err) {
    for (int i = 0; i < prompts->n; i++)
        for (int k = 0; k < d->seeds.n; k++)
            SS_TRY(put_picture(d, i, d->seeds.at[k], prompts->prompt[i].prompt, NULL, err));
    return SS_OK;
}

/* Denoise and decode one image. */
static ss_status make_picture(pipeline *p, const resolved_settings *s, const embedding *e, uint64_t seed, rgb_image *out,
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

/* One prompt, every seed. */
static ss_status run_prompt(const drawing *d, const embedding *e, const char *prompt, int index, ss_error *err) {
    ss_status status = SS_OK;
    for (int i = 0; status == SS_OK && i < d->seeds.n; i++) {
        rgb_image image = {0};
        status = make_picture(d->p, d->settings, e, d->seeds.at[i].bits, &image, err);
        if (status == SS_OK) status = put_picture(d, index, d->seeds.at[i], prompt, &image, err);
        rgb_image_free(&image);
        fflush(stdout);
    }
    return status;
}

/* Some prompts at a time through the text encoders, which are not in memory while images are made. */
static ss_status run_prompts(const drawing *d, const geneval_prompts *prompts, ss_error *err) {
    enum { SOME = 16 };
    pipeline *p = d->p;
    const resolved_settings *s = d->settings;
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
        for (int i = 0; status == SS_OK && i < n; i++) status = run_prompt(d, e[i], each[i], first + i, err);
        for (int i = 0; i < n; i++) embedding_free(e[i]);
    }
    return status;
}

static ss_status cmd_generate_read_prompts(const invocation *in, geneval_prompts *out, ss_error *err) {
    const char *one = invocation_flag(in, "prompt").text, *file = invocation_flag(in, "prompts").text;
    if (!one == !file) return error_set(err, SS_ERR_USAGE, NULL, "give either --prompt TEXT or --prompts FILE");
    if (file) return geneval_read(file, out, err);
    out->prompt = calloc(1, sizeof *out->prompt);
    if (!out->prompt || !(out->prompt[0].prompt = text_copy(one))) return error_no_memory(err, "prompt", strlen(one));
    out->n = 1;
    return SS_OK;
}

static ss_status cmd_generate_run(const invocation *in, ss_error *err) {
    compute *c = NULL;
    char *folder = NULL;
    geneval_prompts prompts = {0};
    resolved_settings s;
    model_parts parts = {0};
    drawing d = {.settings = &s, .parts = &parts, .folder = invocation_flag(in, "out").text};
    ss_status status;
    SS_TRY_GOTO(cli_read_parts(in, &parts, err), done);
    cli_read_rules(in, &parts.rules);
    SS_TRY_GOTO(
        picture_seeds_read(invocation_flag(in, "seed").text, (int)invocation_flag(in, "images").integer, &d.seeds, err),
        done);
    SS_TRY_GOTO(cmd_generate_read_prompts(in, &prompts, err), done);
    SS_TRY_GOTO(cli_find_data(invocation_arg(in, 0), &folder, err), done);
    SS_TRY_GOTO(file_make_folder(d.folder, err), done);
    SS_TRY_GOTO(cli_compute(in, &c, err), done);
    SS_TRY_GOTO(pipeline_open_parts(&d.p, c, folder, &parts, err), done);
    SS_TRY_GOTO(cli_read_settings(in, d.p, &s, err), done);
    if (!invocation_has(in, "force")) SS_TRY_GOTO(check_pictures(&d, &prompts, err), done);
    status = run_prompts(&d, &prompts, err);
done:
    pipeline_close(d.p);
    free(d.seeds.at);
    cli_compute_close(c);
    geneval_free(&prompts);
    cli_free_parts(&parts);
    free(folder);
    return status;
}

static const option FLAGS[] = {
    {"prompt", OPTION_TEXT, NULL, 0, 0, NULL, "what to draw"},
    {"prompts", OPTION_TEXT, NULL, 0, 0, NULL,
     "a file of prompts: text with one a line, GenEval's .jsonl, .json (a list), .csv (column prompt)"},
    {"out", OPTION_FOLDER, NULL, 0, 0, "out", "folder for the PNGs (-o)"},
    {"seed", OPTION_TEXT, NULL, 0, 0, "0",
     "seed of the noise, or several: 1,2,7; the same image as diffusers' with that generator (--noise)"},
    {"images", OPTION_INT, NULL, 1, 1000000, "1", "images for each prompt and seed, with seeds seed, seed + 1, ..."},
    {"force", OPTION_FLAG, NULL, 0, 0, "false", "overwrite pictures of other parameters"},
    {0},
};

const command CLI_GENERATE = {
    .about = {"generate", "pictures from prompts", FLAGS},
    .more_flags = CLI_SAMPLER_FLAGS,
    .arguments = "MODEL",
    .min_args = 1,
    .max_args = 1,
    .description = "Runs a diffusers folder's pipeline and writes PNGs with their parameters in text chunks, called\n"
                   "PROMPT-SEED.png by the number of the prompt in its file (from 0) and the seed. A picture that is\n"
                   "there already is overwritten by one of the same parameters alone.\n"
                   "  sinkscope generate models/shapes-sd3 --prompt 'a red circle and a blue star' --seed 7 -o out",
    .run = cmd_generate_run,
};
