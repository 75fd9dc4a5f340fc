/* `convert`: a checkpoint in one file as a folder. */
#include "cli/tables.h"

#include <stdlib.h>
#include "base/file.h"
#include "sampler/convert.h"

static void cmd_convert_tell(void *user, const char *component) {
    if (!invocation_has(user, "quiet")) fprintf(stderr, "%s\n", component);
}

/* Existing files are overwritten only where that was requested. */
static ss_status cmd_convert_check_folder(const invocation *in, const char *folder, ss_error *err) {
    char *index = file_join(folder, "model_index.json");
    if (!index) return error_no_memory(err, "path", 1);
    int there = file_exists(index);
    free(index);
    if (there && !invocation_has(in, "force"))
        return error_set(err, SS_ERR_USAGE, folder, "holds a model already; --force writes over it");
    if (file_exists(folder)) return error_set(err, SS_ERR_USAGE, folder, "is a file; expected a folder");
    return SS_OK;
}

static ss_status cmd_convert_run(const invocation *in, ss_error *err) {
    const char *folder = invocation_flag(in, "out").text;
    char *file = NULL;
    notices list = {0};
    model_parts parts = {0};
    if (!folder) return error_set(err, SS_ERR_USAGE, NULL, "say where the folder goes: -o FOLDER");
    ss_status status = cli_read_parts(in, &parts, err);
    if (status == SS_OK) status = cli_find_data(invocation_arg(in, 0), &file, err);
    if (status == SS_OK) status = cmd_convert_check_folder(in, folder, err);
    if (status == SS_OK)
        status = convert_single(file, &parts, folder, &list, cmd_convert_tell, (void *)(uintptr_t)in, err);
    if (status == SS_OK) printf("%s\n", folder);
    cli_tell(&list);
    notices_free(&list);
    cli_free_parts(&parts);
    free(file);
    return status;
}

static const option FLAGS[] = {
    {"out", OPTION_FOLDER, NULL, 0, 0, NULL, "the folder (-o); made if it is not there"},
    {"force", OPTION_FLAG, NULL, 0, 0, "false", "write over a model that is there"},
    {"variant", OPTION_TEXT, NULL, 0, 0, NULL, "of the weights of named component folders: fp16"},
    CLI_PART_OPTIONS,
    {0},
};

const command CLI_CONVERT = {
    .about = {"convert", "a checkpoint in one file, as a diffusers folder", FLAGS},
    .arguments = "FILE",
    .min_args = 1,
    .max_args = 1,
    .description =
        "Writes what is in FILE, a checkpoint of Stable Diffusion 1, 2, XL, 3 or 3.5 in its original layout, under\n"
        "diffusers' names, with configs, scheduler and CLIP's tokenizers. Values are the file's, bit for bit, and so "
        "are\n"
        "the pictures; every command takes FILE itself as well. What many such files lack is named: T5's tokenizer by\n"
        "--tokenizer-3, text encoders by --text-encoder and so on.\n"
        "  sinkscope convert sd_xl_base_1.0.safetensors -o sdxl",
    .run = cmd_convert_run,
};
