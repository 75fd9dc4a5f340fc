/* What several commands share: the compute context, the search for data files, settings of the sampler. */
#include "cli/tables.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include "base/file.h"
#include "base/output.h"
#include "io/hub.h"
#include "tensor/profile.h"

/* The flag, else SS_BACKEND of the environment (for tests), else the flag's default. */
static ss_status create_compute(const invocation *in, compute **out, ss_error *err) {
    option_value given = invocation_flag(in, "backend");
    const char *wanted = getenv("SS_BACKEND"), *name = given.is_set || !wanted || !*wanted ? given.text : wanted;
    ss_status status = compute_create(out, name, invocation_threads(in), 0, err);
    if (status == SS_ERR_INPUT) return err->code = SS_ERR_USAGE; /* no such backend */
    if (status == SS_OK && !compute_has_values(*out)) {
        compute_destroy(*out);
        *out = NULL;
        return error_set(err, SS_ERR_USAGE, "--backend", "%s computes no values; expected cpu or reference", name);
    }
    return status;
}

ss_status cli_compute(const invocation *in, compute **out, ss_error *err) {
    SS_TRY(create_compute(in, out, err));
    if (invocation_has(in, "verbose")) {
        char class[160];
        compute_numeric_class(*out, class, sizeof class);
        fprintf(stderr, "computing: %s, threads %d\n", class, (*out)->threads);
    }
    (*out)->stop = invocation_stop(in);
    (*out)->storage = invocation_flag(in, "weights").word ? STORAGE_FLOAT32 : STORAGE_FILE;
    return invocation_has(in, "profile") ? profile_begin(*out, err) : SS_OK;
}

static void write_profile(compute *c) {
    profile_roof roof;
    ss_error err;
    text out = {0};
    if (profile_measure_roof(c->threads, &roof, &err) == SS_OK) profile_write(c, &roof, &out);
    if (out.s && !out.failed) fputs(out.s, stderr);
    text_free(&out);
}

void cli_tell(notices *list) {
    if (list->told < list->n) fflush(stdout);
    for (; list->told < list->n; list->told++) fprintf(stderr, "sinkscope: note: %s\n", list->line[list->told]);
}

void cli_compute_close(compute *c) {
    if (c) cli_tell(&c->notices);
    if (c && c->profile) write_profile(c);
    compute_destroy(c);
}

FILE *cli_words(const char *path) { return output_is_standard(path) ? stderr : stdout; }

const char *cli_data_folder(void) {
    const char *data = getenv("SINKSCOPE_DATA");
    return data && *data ? data : SS_DATA_FOLDER;
}

ss_status cli_find_data(const char *name, char **out, ss_error *err) {
    struct stat st;
    char *data = NULL;
    *out = NULL;
    if (*name == '/') { /* opening it gives the best message */
        if (stat(name, &st) == 0) return hub_locate(name, NULL, out, err);
        return (*out = text_copy(name)) ? SS_OK : error_no_memory(err, "file name", 0);
    }
    if (stat(name, &st) != 0 && !(data = file_join(cli_data_folder(), name)))
        return error_no_memory(err, "file name", 0);
    if (data && stat(data, &st) == 0) {
        *out = data;
        return SS_OK;
    }
    free(data);
    text also = {0};
    text_addf(&also, "in %s", cli_data_folder());
    ss_status status = also.failed ? error_no_memory(err, "file name", 0) : hub_locate(name, also.s, out, err);
    text_free(&also);
    return status;
}

const option CLI_SAMPLER_FLAGS[] = {
    {"steps", OPTION_INT, NULL, 0, 1000, "0", "denoising steps; 0 = the model's default"},
    {"guidance", OPTION_DOUBLE, NULL, 0, 1000, NULL,
     "classifier-free guidance scale; the model's default if not given"},
    {"size", OPTION_TEXT, NULL, 0, 0, NULL, "WIDTHxHEIGHT in pixels; the model's default if not given"},
    PICTURE_SIZE_OPTIONS,
    {"negative", OPTION_TEXT, NULL, 0, 0, "", "negative prompt"},
    {"scheduler", OPTION_TEXT, NULL, 0, 0, NULL, SCHEDULER_HELP},
    {"noise", OPTION_TEXT, NULL, 0, 0, "torch", NOISE_HELP},
    {"variant", OPTION_TEXT, NULL, 0, 0, NULL, "weights variant, as in NAME.VARIANT.safetensors: fp16"},
    CLI_PART_OPTIONS,
    PIPELINE_RULE_OPTIONS,
    {"round", OPTION_WORD, "none|int8|bf16", 0, 0, "none",
     "weights of the denoiser; int8: linear layers in 8 bits, a quarter of float32's memory; bf16: bfloat16, inputs "
     "too, faster where the processor has AVX512-BF16; both make pictures that differ"},
    {0},
};

ss_status cli_read_parts(const invocation *in, model_parts *out, ss_error *err) {
    static const char *const tokenizers[] = {"tokenizer-1", "tokenizer-2", "tokenizer-3"}, *const encoders[] = {
                                                                                               "text-encoder",
                                                                                               "text-encoder-2",
                                                                                               "text-encoder-3"};
    *out = (model_parts){.variant = invocation_flag(in, "variant").text,
                         .data = cli_data_folder(),
                         .config = invocation_flag(in, "config").text,
                         .vae = invocation_flag(in, "vae").text};
    for (int i = 0; i < PIPELINE_MAX_ENCODERS; i++) {
        out->tokenizer[i] = invocation_flag(in, tokenizers[i]).text;
        out->text_encoder[i] = invocation_flag(in, encoders[i]).text;
    }
    const char *given;
    for (int i = 0; (given = invocation_repeat(in, "lora", i)) != NULL; i++) {
        char *path;
        if (out->n_lora == LORA_MAX_FILES)
            return error_set(err, SS_ERR_USAGE, NULL, "more than %d LoRA files", (int)LORA_MAX_FILES);
        lora_use *use = &out->lora[out->n_lora];
        SS_TRY(lora_parse(given, "--lora", &path, &use->scale, err));
        use->path = path;
        out->n_lora++;
    }
    return SS_OK;
}

void cli_free_parts(model_parts *parts) {
    for (int i = 0; i < parts->n_lora; i++) free((void *)(uintptr_t)parts->lora[i].path);
    parts->n_lora = 0;
}

void cli_read_rules(const invocation *in, pipeline_rules *out) {
    for (int i = 0; i < PIPELINE_RULE_COUNT; i++) {
        option_value given = invocation_flag(in, PIPELINE_RULES[i].name);
        pipeline_rules_ask(out, (pipeline_rule)i, &given);
    }
}

ss_status cli_read_settings(const invocation *in, pipeline *p, resolved_settings *out, ss_error *err) {
    option_value guidance = invocation_flag(in, "guidance"), size = invocation_flag(in, "size");
    sample_settings s = {.steps = (int)invocation_flag(in, "steps").integer,
                           .guidance = guidance.is_set ? guidance.number : NAN,
                           .negative = invocation_flag(in, "negative").text,
                           .scheduler = invocation_flag(in, "scheduler").text};
    if (torch_device_read(&s.noise, invocation_flag(in, "noise").text, "--noise", err) != SS_OK)
        return err->code = SS_ERR_USAGE;
    if (size.text) {
        int64_t width, height;
        if (text_to_pair(size.text, &width, &height) != 0 || width < 1 || height < 1 || width > INT_MAX ||
            height > INT_MAX)
            return error_set(err, SS_ERR_USAGE, NULL, "--size is '%s'; expected WIDTHxHEIGHT or one side, in pixels",
                             size.text);
        s.width = (int)width;
        s.height = (int)height;
    }
    for (int i = 0; i < PICTURE_SIZES; i++) {
        const char *name = PICTURE_SIZE_KEYS[i].name;
        char flag[32];
        snprintf(flag, sizeof flag, "--%s", name);
        option_value told = invocation_flag(in, name);
        if (told.is_set && picture_sizes_read(&s.sizes, (picture_size)i, told.text, flag, err) != SS_OK)
            return err->code = SS_ERR_USAGE;
    }
    /* the flag's words are in the order of the forms, "none" for the stored one */
    pipeline_set_form(p, (weight_form)invocation_flag(in, "round").word);
    return settings_resolve(p, &s, out, err);
}

ss_status cli_open_store(store **out, const char *folder, ss_error *err) {
    notices list = {0};
    SS_TRY(store_open(out, folder, STORE_READ, cli_data_folder(), err));
    ss_status status = store_tell_older(*out, &list, err);
    cli_tell(&list);
    notices_free(&list);
    if (status == SS_OK) return SS_OK;
    store_close(*out);
    *out = NULL;
    return status;
}
