/* The rows of the command table, one file each; and what several commands share. */
#ifndef CLI_TABLES_H
#define CLI_TABLES_H

#include "cli/command.h"
#include "sampler/pipeline.h"
#include "store/store.h"

#define COMMAND(id) extern const command CLI_##id;
#include "cli/commands.def"

/* A compute context on the cpu backend with the threads and the stop flag of the command line; with --profile its
 * operations are timed. */
ss_status cli_compute(const invocation *in, compute **out, ss_error *err);

/* Its end, NULL allowed: first the notices that are not printed yet and, where operations were timed, the table of
 * them, to the standard error. */
void cli_compute_close(compute *c);

/* Print the notices that are not printed yet to the standard error, "sinkscope: note: ..." each. */
void cli_tell(notices *list);

/* The stream for a command's messages beside its output at `path`: standard error where `path` is standard output. */
FILE *cli_words(const char *path);

/* Open a store for reading; a note is printed where it is of an older version and holds values that are not finite. */
ss_status cli_open_store(store **out, const char *folder, ss_error *err);

/* Where the installed program keeps its models and studies: $SINKSCOPE_DATA, or the folder set at build time. */
const char *cli_data_folder(void);

/* A model folder as given, or, where there is none of that name, under the installed data folder ("models/x").
 * malloc; the caller frees. */
ss_status cli_find_data(const char *name, char **out, ss_error *err);

/* What a model is made of beside its folder or file (model_parts), as flags of every command that opens a pipeline. */
#define CLI_PART_OPTIONS                                                                                               \
    {"config",                                                                                                         \
     OPTION_TEXT,                                                                                                      \
     NULL,                                                                                                             \
     0,                                                                                                                \
     0,                                                                                                                \
     NULL,                                                                                                             \
     "of a single file: a folder in diffusers' form whose configs, scheduler and tokenizers it takes"},                \
        {"lora", OPTION_TEXT, NULL, 0, 0, NULL, "FILE[:SCALE], added to the weights; may be repeated"},                \
        {"tokenizer-1", OPTION_TEXT, NULL, 0, 0, NULL, "a folder in place of the model's tokenizer"},                  \
        {"tokenizer-2", OPTION_TEXT, NULL, 0, 0, NULL, "the same of tokenizer_2"},                                     \
        {"tokenizer-3", OPTION_TEXT, NULL, 0, 0, NULL, "the same of tokenizer_3, T5's"},                               \
        {"text-encoder",                                                                                               \
         OPTION_TEXT,                                                                                                  \
         NULL,                                                                                                         \
         0,                                                                                                            \
         0,                                                                                                            \
         NULL,                                                                                                         \
         "a component's folder, or its weights alone, in place of the model's text_encoder"},                          \
        {"text-encoder-2", OPTION_TEXT, NULL, 0, 0, NULL, "the same of text_encoder_2"},                               \
        {"text-encoder-3", OPTION_TEXT, NULL, 0, 0, NULL, "the same of text_encoder_3, T5; none: go without it"}, {    \
        "vae", OPTION_TEXT, NULL, 0, 0, NULL,                                                                          \
            "a component's folder, or its weights alone, in place of the model's vae"                                  \
    }
/* *out points into the invocation; free its LoRA paths with cli_free_parts, also after a failure. */
ss_status cli_read_parts(const invocation *in, model_parts *out, ss_error *err);
void cli_free_parts(model_parts *parts);

/* The flags PIPELINE_RULE_OPTIONS. */
void cli_read_rules(const invocation *in, pipeline_rules *out);

/* Flags of commands that make images (steps, guidance, sizes, negative, variant, rules, round), and the sampler's
 * settings that they give, completed by the model's defaults; sets the pipeline's weight format. */
extern const option CLI_SAMPLER_FLAGS[];
ss_status cli_read_settings(const invocation *in, pipeline *p, resolved_settings *out, ss_error *err);

#endif
