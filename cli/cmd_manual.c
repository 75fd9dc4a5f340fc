/* `manual`: the man page, in roff, from the tables of commands and flags. The build installs what it prints. */
#include "cli/tables.h"

#include <string.h>
#include "base/version.h"

/* Text with roff's special characters escaped; a line that starts with a dot or quote gets a zero-width character
 * first. */
static void put_text(const char *s) {
    int at_start = 1;
    for (; *s; s++) {
        if (at_start && (*s == '.' || *s == '\'')) fputs("\\&", stdout);
        if (*s == '\\') fputs("\\e", stdout);
        else if (*s == '-') fputs("\\-", stdout);
        else putchar(*s);
        at_start = *s == '\n';
    }
}

static void put_flags(const option *flags) {
    for (const option *o = flags; o && o->name; o++) {
        fputs(".TP\n\\fB\\-\\-", stdout);
        put_text(o->name);
        fputs("\\fR", stdout);
        if (o->type != OPTION_FLAG) printf(" \\fI%s\\fR", o->words ? o->words : option_value_name(o));
        putchar('\n');
        put_text(o->help);
        if (o->by_default && o->type != OPTION_FLAG && *o->by_default) {
            fputs(" [default: ", stdout);
            put_text(o->by_default);
            putchar(']');
        }
        putchar('\n');
    }
}

static void put_command(const command *c) {
    printf(".SS \"%s %s\"\n", c->about.name, c->arguments);
    put_text(c->about.help);
    fputs(".\n.PP\n.nf\n", stdout);
    put_text(c->description);
    fputs("\n.fi\n", stdout);
    put_flags(c->about.options);
    put_flags(c->more_flags);
}

static ss_status cmd_manual_run(const invocation *in, ss_error *err) {
    (void)in, (void)err;
    printf(".TH SINKSCOPE 1 \"\" \"sinkscope %s\" \"User Commands\"\n", version_text());
    fputs(
        ".SH NAME\nsinkscope \\- causal analysis of attention sinks in diffusion transformers\n"
        ".SH SYNOPSIS\n.B sinkscope\n.I COMMAND\n.RI [ arguments ]\n.RB [ \\-\\-flag ...]\n"
        ".SH DESCRIPTION\nRuns a text\\-to\\-image model from its diffusers folder, finds at every denoising step "
        "which keys draw\n"
        "the most attention, suppresses them on the score path or the value path, makes the same image again from the\n"
        "same noise, and says with paired statistics what the intervention did.\n.SH COMMANDS\n",
        stdout);
    for (int i = 0; i < CLI_COMMAND_COUNT; i++) put_command(CLI_COMMANDS[i]);
    fputs(".SH \"COMMON FLAGS\"\n", stdout);
    put_flags(CLI_COMMON_FLAGS);
    fputs(".SH \"EXIT STATUS\"\n0 done, 1 a defect in sinkscope, 2 usage, 3 input (model, study, prompts, images),\n"
          "4 resources (memory, disk, permissions), 5 results store, 130 interrupted.\n"
          ".SH ENVIRONMENT\n.TP\n.B SINKSCOPE_DATA\nthe folder that holds models/ and studies/, instead of the "
          "installed one\n"
          ".TP\n.B SS_ISA\nthe instruction set to compute with, instead of the best that the processor has: "
          "baseline, avx2, avx512, avx512-bf16 or amx (which AVX-512 imitates, slowly). Part of the numeric class: "
          "pictures differ in their last bits\n"
          ".SH \"SEE ALSO\"\nWu & Summa, Attention Sinks in Diffusion Transformers: A Causal Analysis (ICML 2026).\n",
          stdout);
    return SS_OK;
}

const command CLI_MANUAL = {
    .about = {"manual", "the man page, in roff", NULL},
    .arguments = "",
    .max_args = 0,
    .description = "sinkscope manual | man -l -",
    .run = cmd_manual_run,
};
