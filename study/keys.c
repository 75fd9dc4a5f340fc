/* The keys of a study file: what `help study` prints and what the loader accepts. Keys that hold lists or mappings are
 * OPTION_TEXT here and described in words; the loader reads them. */
#include "study/study.h"

const entry STUDY_PROBES[] = {
    {"census", "what the sinks are: the largest keys of every head, as tokens (view sinks)", NULL},
    {"trajectory",
     "how far the latents are from the baseline's after every step: rmse, cosine of the velocities (view trajectories)",
     NULL}};
const int STUDY_PROBE_COUNT = sizeof STUDY_PROBES / sizeof *STUDY_PROBES;

#define TEXT_KEY(name, by_default, help)                                                                               \
    { name, OPTION_TEXT, NULL, 0, 0, by_default, help }
#define INT_KEY(name, low, high, by_default, help)                                                                     \
    { name, OPTION_INT, NULL, low, high, by_default, help }
#define SEED_KEY(name, by_default, help)                                                                               \
    { name, OPTION_SEED, NULL, 0, 0, by_default, help }

const option STUDY_KEYS[] = {
    INT_KEY("format", 1, 1e9, "1", "version of the study format"),
    TEXT_KEY("study", NULL, "its name, for people and folders: letters, digits, '-', '_', '.'"),
    TEXT_KEY("question", "", "what is asked, as a sentence"),
    TEXT_KEY("series", "",
             "name that studies share which ask the same of several models: findings sets them side by side"),
    TEXT_KEY("model", NULL, "the model: a folder in diffusers' form, or a checkpoint in one file"),
    TEXT_KEY("parts", "the model's",
             "{config, tokenizer-1, tokenizer-2, tokenizer-3, text-encoder, ..., vae}: see 'generate --help'"),
    TEXT_KEY("lora", "[]", "files of LoRA added to the weights: a list of FILE, FILE:SCALE or {file, scale}"),
    TEXT_KEY("variant", "", "variant of the weights, as in model.fp16.safetensors: fp16"),
    {"weights", OPTION_WORD, "stored|int8|bf16", 0, 0, "stored",
     "of the model's denoiser; int8: linear layers in 8 bits, a quarter of float32's memory; bf16: bfloat16, inputs "
     "too; "
     "both make other pictures"},
    PIPELINE_RULE_OPTIONS,
    TEXT_KEY("prompts", NULL, "file, or {file, sample, stratify}"),
    TEXT_KEY("seeds", NULL, "image seeds of every prompt: a list, or {base: N, add: prompt}"),
    SEED_KEY("study-seed", "0", "names the random streams of the study itself"),
    TEXT_KEY("sampler", "the model's",
             "{steps, guidance, size, negative, max-text-tokens, scheduler, original-size, crop, target-size}"),
    TEXT_KEY("noise", "torch", NOISE_HELP),
    TEXT_KEY("probes", "[]", "what is measured: a list of probes (see 'sinkscope help probes')"),
    TEXT_KEY("measure", "", "{rows, r, noop, sinks, masses}: how it is measured"),
    TEXT_KEY("conditions", NULL, "name: {what differs from the baseline}; the baseline is always there"),
    TEXT_KEY("sham", "2", "prompt-and-seed groups that also run the sham conditions; 'all', 0 = none"),
    TEXT_KEY("calibration", "two seeds", "{seeds: [..]}: baseline images for calibrated margins"),
    TEXT_KEY("metrics", NULL, "a list of metrics (see 'sinkscope help metrics'); options: {clip-t: {model: DIR}}"),
    TEXT_KEY("primary", NULL, "the metric on which the contrasts are tested"),
    TEXT_KEY("contrasts", "[]", "a list of {what: a - b, margin, why}"),
    {0},
};

const option STUDY_PROMPT_KEYS[] = {
    TEXT_KEY(
        "file", NULL,
        "GenEval metadata (*.jsonl), a list (*.json), a table (*.csv, column prompt), or text with a prompt a line"),
    INT_KEY("sample", 0, 1e9, "0", "prompts to draw, in a seeded order; 0 = all"),
    {"stratify", OPTION_WORD, "tag|none", 0, 0, "tag", "draw in proportion to the tags"},
    {0},
};

#define PART_KEY(name, help)                                                                                           \
    { name, OPTION_TEXT, NULL, 0, 0, "the model's", help }

const option STUDY_PART_KEYS[] = {
    PART_KEY("config", "of a single file: a folder whose configs, scheduler and tokenizers it takes"),
    PART_KEY("tokenizer-1", "a folder"),
    PART_KEY("tokenizer-2", "a folder"),
    PART_KEY("tokenizer-3", "a folder"),
    PART_KEY("text-encoder", "a component's folder, or its weights alone"),
    PART_KEY("text-encoder-2", "the same"),
    PART_KEY("text-encoder-3", "the same, or none"),
    PART_KEY("vae", "the same"),
    {0},
};

const option STUDY_LORA_KEYS[] = {
    TEXT_KEY("file", NULL, "the file, or a folder with pytorch_lora_weights.safetensors or adapter_model.safetensors"),
    {"scale", OPTION_DOUBLE, NULL, -1e6, 1e6, "1", "how much of it"},
    {0},
};

const option STUDY_SEED_KEYS[] = {
    SEED_KEY("base", NULL, "the first prompt's image seed"),
    {"add", OPTION_WORD, "prompt", 0, 0, NULL, "add the number of the prompt (from 0) in its file"},
    {0},
};

const option STUDY_SAMPLER_KEYS[] = {
    INT_KEY("steps", 1, ATTN_MAX_STEPS, "the model's", "denoising steps"),
    {"guidance", OPTION_DOUBLE, NULL, 0, 1000, "the model's", "classifier-free guidance scale; <= 1: none"},
    TEXT_KEY("size", "the model's", "pixels: 512, or 512x768 (width x height)"),
    TEXT_KEY("negative", "", "negative prompt"),
    TEXT_KEY("scheduler", "the model's", SCHEDULER_HELP),
    INT_KEY("max-text-tokens", 1, 65536, "the model's", "tokens of the prompt that the longest text encoder reads"),
    PICTURE_SIZE_OPTIONS,
    {0},
};

const option STUDY_MEASURE_KEYS[] = {
    {"rows", OPTION_WORD, "image|all|text", 0, 0, "image", "query rows over which masses are averaged"},
    INT_KEY("r", 1, ATTN_MAX_R, "5", "largest keys in `concentration`"),
    {"noop", OPTION_DOUBLE, NULL, 0, 1e6, "0.1",
     "`value`: a sink is a no-op where its projected value is shorter than this times the mean"},
    INT_KEY("sinks", 1, 64, "1", "largest keys of every head that `census` keeps"),
    {"masses", OPTION_FLAG, NULL, 0, 0, "false", "keep the mass of every key in traces/ (HDF5)"},
    {0},
};

const option STUDY_CONDITION_KEYS[] = {
    TEXT_KEY("select", "", "which keys (see 'sinkscope help selectors'); the selector's options stand beside it"),
    TEXT_KEY("k", "1", "keys per head: a number, or a list that makes a condition of each"),
    {"share", OPTION_DOUBLE, NULL, 0, 0.5, "",
     "instead of k: this share of the keys of every call, rounded, at least one: blocks may differ in their keys"},
    TEXT_KEY("edit", "", "what is done to them (see 'sinkscope help edits'); the edit's options stand beside it"),
    TEXT_KEY("blocks", "all",
             "in which blocks: a number, a fraction of depth (0.5 = block 12 of 24), a list, ranges (2-4), 'all'"),
    TEXT_KEY(
        "kinds", "all",
        "in which kinds of attention: a list of joint, self, cross ('sinkscope inspect' lists the model's blocks); "
        "fractions of depth then count blocks of these kinds alone"),
    TEXT_KEY("heads", "all", "in which heads, likewise"),
    TEXT_KEY("steps", "all", "in which denoising steps (0 = noisiest), likewise"),
    TEXT_KEY("phase", "[0, 1]", "instead of steps: [from, to] of progress step/(steps - 1)"),
    {"branch", OPTION_WORD, "both|cond|uncond", 0, 0, "both", "guidance branches"},
    {"rows", OPTION_WORD, "image|all|text", 0, 0, "image", "query rows acted on"},
    {"scope", OPTION_WORD, "head|layer|global", 0, 0, "head",
     "each head its own k keys; one set for all heads; or the largest masses of the baseline over all selected blocks "
     "and heads of a step"},
    {"source", OPTION_WORD, "own|baseline", 0, 0, "own",
     "masses that choose: of the running image, or of its baseline at the same step"},
    {"redraw", OPTION_WORD, "step|run", 0, 0, "step", "random sets: a new one every step, or one per image"},
    INT_KEY("draws", 1, STUDY_MAX_DRAWS, "1", "random sets: images of as many draws, whose scores are averaged"),
    TEXT_KEY("also", "[]", "further interventions at once: a list of {select, k, edit, blocks, ..}"),
    {"prompt", OPTION_WORD, "swap-attribute", 0, 0, "",
     "change the prompt: swap one colour or object (scored against "
     "the original: the positive control)"},
    TEXT_KEY("seed", "{add: 0}", "{add: N}: another image seed"),
    TEXT_KEY("sampler", "{}", "{steps, guidance, original-size, crop, target-size}: other sampler settings"),
    {0},
};

const option STUDY_CONTRAST_KEYS[] = {
    TEXT_KEY("what", NULL, "two conditions: sink - random; over k where they have a list"),
    TEXT_KEY("margin", "", "of equivalence on the primary metric: 'calibrated', or a number with its `why`"),
    TEXT_KEY("why", "", "the reason for the number"),
    {0},
};

const option STUDY_CALIBRATION_KEYS[] = {
    TEXT_KEY("seeds", NULL, "at least two image seeds that the study does not use"),
    {0},
};
