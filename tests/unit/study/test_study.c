/* Study files: what is read, how it expands, and every way to write one wrong: each message is asserted. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "fake.h"
#include "study/study.h"
#include "study/swap.h"

static const char *folder;

static int setup(void **state) {
    (void)state;
    folder = fake_folder();
    fake_prompts(folder, 12);
    return chdir("/");
}

static int teardown(void **state) {
    (void)state;
    fake_remove(folder);
    return 0;
}

static const char HEAD[] = "study: test\nmodel: model\nprompts: prompts.jsonl\nseeds: [1, 2]\n";
static const char TAIL[] = "metrics: [glow, right, pixel-rmse]\nprimary: glow\n";
static const char SINK[] = "conditions:\n  sink: {select: top, k: [1, 5], edit: mask}\n";

static ss_status load(study **y, ss_error *err, const char *a, const char *b, const char *c, const char *d) {
    char source[4096], path[128];
    snprintf(source, sizeof source, "%s%s%s%s", a, b, c, d);
    fake_write(folder, "study.yaml", source);
    snprintf(path, sizeof path, "%s/study.yaml", folder);
    *err = (ss_error){0};
    return study_load(y, path, NULL, err);
}

/* ---- what is read ---- */

static void test_expansion(void **state) {
    (void)state;
    study *y;
    ss_error err;
    assert_int_equal(
        load(&y, &err, HEAD, TAIL,
             "conditions:\n"
             "  sink:   {select: top, k: [1, 5], edit: mask, blocks: [0-1], heads: 1, phase: [0, 0.5], rows: all}\n"
             "  random: {select: random, k: [1, 5], edit: scale, eta: 0.5, redraw: run, branch: cond, scope: layer}\n"
             "  other:  {prompt: swap-attribute}\n"
             "  warm:   {sampler: {steps: 9, guidance: 2.5}, seed: {add: 7}}\n",
             "contrasts:\n"
             "  - {what: sink - baseline, margin: calibrated}\n"
             "  - {what: sink - random, margin: 0.5, why: because}\n"
             "  - {what: warm - sink}\n"
             "probes: [entropy, census]\nsampler: {steps: 8, guidance: 3, size: 16x24}\nstudy-seed: 77\n"),
        SS_OK);
    static const char *const NAMES[] = {"baseline", "sink k=1",       "sink k=5",  "random k=1", "random k=5", "other",
                                        "warm",     "baseline-again", "empty-set", "identity",   "calibration"};
    assert_int_equal(y->n_conditions, 11);
    for (int i = 0; i < 11; i++) assert_string_equal(y->condition[i].name, NAMES[i]);
    const study_condition *sink = &y->condition[2], *random = &y->condition[3], *warm = &y->condition[6];
    assert_string_equal(sink->family, "sink");
    assert_string_equal(sink->folder, "sink_k5");
    assert_int_equal(sink->intervention.k, 5);
    assert_int_equal(sink->intervention.rows, ROWS_ALL);
    assert_true(bits_get(&sink->intervention.blocks.bits, 0) && bits_get(&sink->intervention.blocks.bits, 1));
    assert_false(sink->intervention.blocks.all || bits_get(&sink->intervention.blocks.bits, 2));
    assert_true(sink->intervention.has_phase && sink->intervention.phase_high == 0.5);
    assert_true(random->intervention.edit_options[0].number == 0.5);
    assert_int_equal(random->intervention.redraw, REDRAW_RUN);
    assert_int_equal(random->intervention.branches, 1u << BRANCH_COND);
    assert_int_equal(random->intervention.scope, SCOPE_LAYER);
    assert_int_equal(y->condition[5].role, CONDITION_POSITIVE);
    assert_int_equal(warm->sampler_steps, 9);
    assert_true(warm->guidance == 2.5 && warm->seed_add == 7);
    assert_int_equal(y->condition[9].role, CONDITION_SHAM);
    assert_string_equal(y->condition[9].intervention.edit->about.name, "identity");
    assert_int_equal(y->condition[8].intervention.k, 0);

    assert_int_equal(y->n_contrasts, 7); /* 2 + 2 + 2, and the positive control's */
    assert_string_equal(y->contrast[2].name, "sink - random");
    assert_int_equal(y->contrast[3].k, 5);
    assert_int_equal(y->contrast[3].a, 2);
    assert_int_equal(y->contrast[3].b, 4);
    assert_int_equal(y->contrast[3].margin_kind, MARGIN_NUMBER);
    assert_string_equal(y->contrast[3].why, "because");
    assert_int_equal(y->contrast[5].k, 5);
    assert_string_equal(y->contrast[6].name, "other - baseline");
    assert_true(y->contrast[6].is_positive && y->contrast[6].is_added);

    assert_int_equal(y->n_calibration, 2); /* by default: the two after the largest */
    assert_int_equal(y->calibration_seed[0].bits, 3);
    assert_int_equal(y->n_probes, 1);
    assert_int_equal(y->top, 1);
    assert_int_equal(y->study_seed, 77);
    assert_int_equal(y->sampler.width, 16);
    assert_int_equal(y->sampler.height, 24);
    assert_string_equal(y->metric[0].options[0].text + strlen(folder), "/model");
    study_free(y);
}

/* Sets that have no k; conditioned on sizes to the network, the study's and a condition's own; the series. */
static void test_shares_sizes_and_series(void **state) {
    (void)state;
    study *y;
    ss_error err;
    assert_int_equal(
        load(&y, &err, HEAD, TAIL,
             "series: pair\nsampler: {original-size: 300x200, crop: 1x2}\n"
             "conditions:\n"
             "  share: {select: top, share: 0.25, edit: mask, also: [{select: index, segment: clip, share: 0.5, "
             "edit: zero}]}\n"
             "  until: {select: until, edit: mask}\n"
             "  told:  {sampler: {crop: 3x4, target-size: 64}}\n",
             ""),
        SS_OK);
    const study_intervention *share = &y->condition[1].intervention, *until = &y->condition[2].intervention;
    assert_string_equal(y->series, "pair");
    assert_string_equal(y->condition[1].name, "share");
    assert_true(share->share == 0.25 && share->k == 0 && study_has_no_k(share));
    assert_true(y->condition[1].also[0].share == 0.5 && y->condition[1].also[0].k == 0);
    assert_true(until->share == 0 && until->k == 0 && study_has_no_k(until));
    assert_int_equal(y->sampler.sizes.given, 1u << ORIGINAL_SIZE | 1u << CROP);
    assert_true(y->sampler.sizes.across[ORIGINAL_SIZE] == 300 && y->sampler.sizes.down[CROP] == 2);
    assert_int_equal(y->condition[1].sizes.given, 0);
    assert_int_equal(y->condition[3].sizes.given, 1u << CROP | 1u << TARGET_SIZE);
    assert_true(y->condition[3].sizes.across[CROP] == 3 && y->condition[3].sizes.down[TARGET_SIZE] == 64);
    study_free(y);
    assert_int_equal(load(&y, &err, HEAD, TAIL, SINK, ""), SS_OK);
    assert_string_equal(y->series, "");
    assert_false(study_has_no_k(&y->condition[1].intervention));
    study_free(y);
}

/* Draws make conditions of their own, which contrasts see as one; `also` adds interventions; an edit that chooses
 * nothing needs no selector. */
static void test_draws_and_more_interventions(void **state) {
    (void)state;
    study *y;
    ss_error err;
    assert_int_equal(load(&y, &err, HEAD, TAIL,
                          "conditions:\n"
                          "  sink:   {select: top, k: [1, 5], edit: mask, source: baseline, scope: global}\n"
                          "  random: {select: random, k: [1, 5], edit: mask, draws: 2}\n"
                          "  both:   {select: top, edit: mask, blocks: 0,\n"
                          "           also: [{select: index, segment: clip, k: 3, edit: scale, eta: 0.5, blocks: 1}]}\n"
                          "  gain:   {edit: gain, eta: 1, rows: all}\n"
                          "  rows:   {select: row, k: 4, edit: row-mean}\n",
                          "contrasts:\n  - {what: sink - random}\n"),
                     SS_OK);
    static const char *const NAMES[] = {
        "baseline",   "sink k=1",          "sink k=5", "random k=1", "random k=1 draw 2",
        "random k=5", "random k=5 draw 2", "both",     "gain",       "rows"};
    static const int DRAW_OF[] = {0, 1, 2, 3, 3, 5, 5, 7, 8, 9};
    for (int i = 0; i < 10; i++) {
        assert_string_equal(y->condition[i].name, NAMES[i]);
        assert_int_equal(y->condition[i].draw_of, DRAW_OF[i]);
        assert_int_equal(y->condition[i].draw, i == 4 || i == 6);
    }
    assert_string_equal(y->condition[6].folder, "random_k5_draw2");
    assert_int_equal(y->n_contrasts, 2);
    assert_int_equal(y->contrast[1].b, 5);
    assert_int_equal(y->condition[1].intervention.source, SOURCE_BASELINE);
    assert_int_equal(y->condition[1].intervention.scope, SCOPE_GLOBAL);
    const study_condition *both = &y->condition[7];
    assert_int_equal(both->n_also, 1);
    assert_string_equal(both->also[0].selector->about.name, "index");
    assert_int_equal(both->also[0].k, 3);
    assert_true(both->also[0].edit_options[0].number == 0.5 && bits_get(&both->also[0].blocks.bits, 1));
    assert_true(both->intervention.k == 1 && bits_get(&both->intervention.blocks.bits, 0));
    assert_true(y->condition[8].has_intervention && y->condition[8].intervention.k == 0);
    assert_true(y->condition[9].intervention.selector->queries && y->condition[9].intervention.k == 4);
    study_free(y);
}

static void test_scalars_and_defaults(void **state) {
    (void)state;
    study *y;
    ss_error err;
    assert_int_equal(
        load(&y, &err,
             "format: 1\nstudy: test\nmodel: model\nprompts: {file: prompts.jsonl, sample: 4, stratify: none}\n"
             "seeds: {base: 1000, add: prompt}\n",
             TAIL, "conditions: {sink: {select: index, segment: clip, edit: zero}}\n",
             "sham: 0\ncalibration: {seeds: [5, 6, 7]}\nmeasure: {rows: text, r: 3}\n"),
        SS_OK);
    assert_int_equal(y->n_conditions, 3); /* baseline, sink, calibration */
    assert_string_equal(y->condition[1].name, "sink");
    assert_int_equal(y->condition[1].intervention.k, 1);
    assert_true(y->condition[1].intervention.blocks.all);
    assert_int_equal(y->condition[1].intervention.branches, 3);
    assert_string_equal(y->condition[1].intervention.selector_options[0].text, "clip");
    assert_true(y->seeds_by_prompt && y->seed[0].bits == 1000 && y->n_seeds == 1);
    assert_int_equal(y->sample, 4);
    assert_int_equal(y->stratify, 0);
    assert_int_equal(y->n_calibration, 3);
    assert_int_equal(y->rows, ROWS_TEXT);
    assert_true(isnan(y->sampler.guidance) && y->sampler.steps == 0);
    study_free(y);
}

static void test_places(void **state) {
    (void)state;
    study *y;
    ss_error err;
    char other[128], path[160];
    assert_int_equal(load(&y, &err, HEAD, TAIL, SINK, ""), SS_OK);
    study_free(y);
    snprintf(other, sizeof other, "%s/elsewhere", folder);
    assert_int_equal(file_make_folder(other, &err), SS_OK);
    snprintf(path, sizeof path, "%s/moved.yaml", other);
    char source[1024];
    snprintf(source, sizeof source, "%s%s%s", HEAD, TAIL, SINK);
    fake_write(other, "moved.yaml", source);
    assert_int_equal(study_load(&y, path, NULL, &err), SS_ERR_INPUT);
    assert_non_null(strstr(err.message, "model 'model' is not there"));
    assert_non_null(strstr(err.message, "looked in /"));
    assert_int_equal(study_load(&y, path, &(study_places){.data = folder}, &err), SS_OK);
    study_free(y);
    assert_int_equal(study_load(&y, path, &(study_places){.current = folder}, &err), SS_OK);
    study_free(y);
}

/* ---- every way to write one wrong ---- */

typedef struct wrong {
    const char *text;    /* replaces the whole file where it begins with '!', else a line of the study */
    const char *message; /* must be in it */
    int line, column;    /* 0: not asserted */
} wrong;

static const wrong WRONG[] = {
    {"conditions:\n  sink: {select: topp, k: 1, edit: mask}\n",
     "unknown selector 'topp'\n  sink: {select: topp, k: 1, edit: mask}\n                 ^~~~\ndid you mean 'top'? "
     "(selectors: "
     "top, random, index, row, like, until, token; see 'sinkscope help selectors')",
     8, 18},
    {"conditions:\n  sink: {select: top, k: 1, edit: masc}\n", "unknown edit 'masc'", 8, 35},
    {"conditions:\n  sink: {select: top, kk: 1, edit: mask}\n", "unknown key of a condition 'kk'", 8, 23},
    {"conditions:\n  sink: {select: top, eta: 1, edit: mask}\n", "unknown key of a condition 'eta'", 8, 23},
    {"conditions:\n  same: {select: like, edit: mask}\n", "'like' needs the probe 'reduction'", 8, 18},
    {"conditions:\n  sink: {select: top, edit: scale}\n", "edit 'scale' needs the key 'eta'", 8, 9},
    {"conditions:\n  sink: {select: top, edit: scale, eta: 2}\n", "eta is '2'", 0, 0},
    {"conditions:\n  sink: {select: top, k: -1, edit: mask}\n", "k is '-1'", 8, 26},
    {"conditions:\n  sink: {select: top, k: [1, 1], edit: mask}\n", "k = 1 is listed twice", 8, 30},
    {"conditions:\n  sink: {select: top, k: [], edit: mask}\n", "k is an empty list", 8, 26},
    {"conditions:\n  sink: {select: top}\n", "'select' without 'edit'", 8, 18},
    {"conditions:\n  sink: {edit: mask}\n", "'edit' without 'select'", 8, 16},
    {"conditions:\n  sink: {k: 3}\n", "'k' without 'select' and 'edit' changes nothing", 8, 9},
    {"conditions:\n  sink: {}\n", "does not differ from the baseline", 8, 9},
    {"conditions:\n  sink: top\n", "sink is a word; expected a mapping", 8, 9},
    {"conditions:\n  a b: {prompt: swap-attribute}\n", "'a b' is no name for a condition", 8, 3},
    {"conditions:\n  baseline: {prompt: swap-attribute}\n", "the condition 'baseline' is built in", 8, 3},
    {"conditions:\n  sink: {select: top, edit: mask, blocks: [x]}\n", "blocks has 'x'; expected numbers", 8, 44},
    {"conditions:\n  sink: {select: top, edit: mask, blocks: 1.0}\n", "or fractions of depth (0.5)", 8, 43},
    {"conditions:\n  sink: {select: top, edit: mask, blocks: [-0.5]}\n", "blocks has '-0.5'", 8, 44},
    {"conditions:\n  sink: {select: top, edit: mask, heads: [0.5]}\n", "heads has '0.5'; expected numbers", 8, 43},
    {"conditions:\n  sink: {select: top, edit: mask, blocks: [5-2]}\n", "blocks has '5-2'", 8, 44},
    {"conditions:\n  sink: {select: top, edit: mask, heads: {a: 1}}\n", "heads is a mapping", 8, 42},
    {"conditions:\n  sink: {select: top, edit: mask, phase: [0.5, 0.1]}\n", "phase ends before it begins", 8, 42},
    {"conditions:\n  sink: {select: top, edit: mask, phase: 0.5}\n", "phase is not [from, to]", 8, 42},
    {"conditions:\n  sink: {select: top, edit: mask, phase: [0, 1], steps: 1}\n", "steps and phase exclude each other",
     8, 42},
    {"conditions:\n  sink: {select: top, edit: mask, rows: imgae}\n", "rows is 'imgae'", 0, 0},
    {"conditions:\n  sink: {select: top, edit: mask, scope: galaxy}\n", "scope is 'galaxy'", 0, 0},
    {"conditions:\n  sink: {select: top, edit: gain, eta: 1}\n", "the edit 'gain' chooses nothing", 0, 0},
    {"conditions:\n  sink: {select: top, edit: row-mean}\n",
     "the selector 'top' chooses keys, the edit 'row-mean' acts on query rows", 0, 0},
    {"conditions:\n  sink: {select: top, edit: mask, also: {select: top}}\n", "also is a mapping", 0, 0},
    {"conditions:\n  sink: {select: top, edit: mask, also: [{k: 1}]}\n", "'k' without 'select' and 'edit'", 0, 0},
    {"conditions:\n  sink: {select: top, edit: mask, also: [{blocks: all}]}\n", "'blocks' without", 0, 0},
    {"conditions:\n  sink: {select: top, edit: mask, also: [{seed: {add: 1}}]}\n", "'seed' belongs to the condition", 0,
     0},
    {"conditions:\n  sink: {select: top, edit: mask, draws: 0}\n", "draws is '0'", 0, 0},
    {"conditions:\n  sink: {prompt: swap}\n", "prompt is 'swap'", 0, 0},
    {"conditions:\n  sink: {seed: 5}\n", "seed of a condition is a word; expected a mapping", 8, 16},
    {"conditions:\n  sink: {sampler: {stps: 5}}\n", "did you mean 'steps'?", 8, 20},
    {"conditions:\n  sink: {select: top, edit: mask, k: 2, share: 0.1}\n", "k and share exclude each other", 0, 0},
    {"conditions:\n  sink: {select: top, edit: mask, share: 0}\n", "share is 0; expected a number above 0", 0, 0},
    {"conditions:\n  sink: {select: top, edit: mask, share: 0.6}\n", "share is '0.6'", 0, 0},
    {"conditions:\n  sink: {share: 0.1}\n", "'share' without 'select' and 'edit' changes nothing", 0, 0},
    {"conditions:\n  sink: {select: until, k: 3, edit: mask}\n",
     "the selector 'until' takes no 'k': its options say how many keys", 0, 0},
    {"conditions:\n  sink: {select: until, share: 0.3, edit: mask}\n", "the selector 'until' takes no 'share'", 0, 0},
    {"", "the key 'conditions' is missing", 1, 1},
    {"conditions: {s: {prompt: swap-attribute}}\nsedes: [1]\n",
     "unknown key of a study 'sedes'\n  sedes: [1]\n  ^~~~~\ndid you mean 'seeds'?", 8, 1},
    {"conditions: {s: {prompt: swap-attribute}}\nsteps: 3\n",
     "unknown key of a study 'steps'\n  steps: 3\n  ^~~~~\n'steps' is written sampler: {steps: ..} or conditions: "
     "{NAME: {steps: ..}}",
     8, 1},
    {"conditions: {s: {prompt: swap-attribute}}\nsampler: {sinks: 3}\n", "'sinks' is written measure: {sinks: ..}", 8,
     11},
    {"conditions: {s: {prompt: swap-attribute}}\nprobes: [entropie]\n",
     "did you mean 'entropy'? (probes: mass, entropy, reduction, census", 8, 10},
    {"conditions: {s: {prompt: swap-attribute}}\nprobes: [mass, mass]\n", "probe 'mass' is listed twice", 8, 16},
    {"conditions: {s: {prompt: swap-attribute}}\nprobes: mass\n", "probes is a word; expected a list", 8, 9},
    {"conditions: {s: {prompt: swap-attribute}}\nmeasure: {sinks: 3}\n",
     "kept by the probe 'census', which is not listed", 8, 18},
    {"conditions: {s: {prompt: swap-attribute}}\nmeasure: {masses: maybe}\n", "masses is 'maybe'", 0, 0},
    {"conditions: {s: {prompt: swap-attribute}}\nsham: some\n", "sham is 'some'", 8, 7},
    {"conditions: {s: {prompt: swap-attribute}}\ncalibration: {seeds: [3]}\n", "at least two seeds a prompt, found 1",
     8, 22},
    {"conditions: {s: {prompt: swap-attribute}}\ncalibration: {seeds: [3, 1]}\n",
     "calibration seed 1 is a seed of the study", 8, 26},
    {"conditions: {s: {prompt: swap-attribute}}\ncalibration: {seeds: [3, 4294967298]}\n",
     "the seeds 2 and 4294967298 are one noise", 8, 26},
    {"conditions: {s: {prompt: swap-attribute}}\ncalibration: {seeds: [3, 4294967299]}\n",
     "the seeds 3 and 4294967299 are one noise", 8, 26},
    {"conditions:\n  s: {seed: {add: -4294967296}}\n", "-4294967296 is a multiple of 2^32", 8, 19},
    {"conditions: {s: {prompt: swap-attribute}}\ncalibration: {}\n", "the key 'seeds' is missing", 8, 14},
    {"conditions: {s: {prompt: swap-attribute}}\nsampler: {steps: 0}\n", "steps is '0'", 8, 18},
    {"conditions: {s: {prompt: swap-attribute}}\nsampler: {size: 10by10}\n", "size is '10by10'", 8, 17},
    {"conditions: {s: {prompt: swap-attribute}}\nsampler: {crop: 3y4}\n",
     "crop is '3y4'\n  sampler: {crop: 3y4}\n                  ^~~\nexpected LEFTxTOP, each from 0 to 65536 pixels", 8,
     17},
    {"conditions: {s: {prompt: swap-attribute}}\nsampler: {target-sise: 64}\n", "did you mean 'target-size'?", 8, 11},
    {"conditions:\n  sink: {sampler: {original-size: 0}}\n", "original-size is '0'", 8, 35},
    {"conditions:\n  sink: {sampler: {original-size: [1, 2]}}\n", "original-size is a list; expected a word", 8, 35},
    {"conditions: {s: {prompt: swap-attribute}}\nsampler: {negativ: no}\n", "did you mean 'negative'?", 8, 11},
    {"conditions: {s: {prompt: swap-attribute}}\ncontrasts: [{what: t - baseline}]\n",
     "unknown condition 't' in a contrast", 8, 20},
    {"conditions: {sink: {prompt: swap-attribute}}\ncontrasts: [{what: snk - baseline}]\n", "did you mean 'sink'?", 8,
     20},
    {"conditions: {s: {prompt: swap-attribute}}\ncontrasts: [{what: s}]\n", "'s' is no contrast", 8, 20},
    {"conditions: {s: {prompt: swap-attribute}}\ncontrasts: [{what: s - s}]\n", "compares a condition with itself", 8,
     20},
    {"conditions: {s: {prompt: swap-attribute}}\ncontrasts: [{margin: calibrated}]\n", "the key 'what' is missing", 8,
     13},
    {"conditions: {s: {prompt: swap-attribute}}\ncontrasts: [{what: s - baseline, margin: 0.1}]\n", "needs its reason",
     8, 42},
    {"conditions: {s: {prompt: swap-attribute}}\ncontrasts: [{what: s - baseline, margin: -1, why: x}]\n",
     "margin is '-1'", 8, 42},
    {"conditions: {s: {prompt: swap-attribute}}\ncontrasts: [{what: s - baseline}, {what: s - baseline}]\n",
     "is listed twice", 8, 42},
    {"conditions: {s: {prompt: swap-attribute}}\ncontrasts: {what: s - baseline}\n",
     "contrasts is a mapping; expected a list", 8, 12},
    {"conditions:\n  a: {select: top, k: [1, 5], edit: mask}\n  b: {select: random, k: [1], edit: mask}\ncontrasts: "
     "[{what: a - b}]\n",
     "'b' has no k = 5 to compare with 'a'", 10, 20},
    {"!study: t\nstudy: u\n", "study", 2, 1},
    {"![1, 2]\n", "the study is a list; expected a mapping", 1, 1},
    {"!format: 2\nnew: x\n", "the study is of format 2; this program reads formats up to 1", 1, 9},
    {"!study: a/b\nmodel: model\n", "'a/b' is no name for a study", 1, 8},
    {"!study: a\n", "the key 'model' is missing", 1, 1},
    {"!study: a\nmodel: modell\n", "model 'modell' is not there", 2, 8},
    {"!study: a\nmodel: prompts.jsonl\nlora: nowhere.safetensors:0.5\n", "lora 'nowhere.safetensors' is not there", 3,
     7},
    {"!study: a\nmodel: prompts.jsonl\nlora: [{scale: 2}]\n", "the key 'file' is missing", 3, 8},
    {"!study: a\nmodel: prompts.jsonl\nparts: {text-encoder-4: x}\n", "unknown key of parts 'text-encoder-4'", 3, 9},
    {"!study: a\nmodel: prompts.jsonl\nparts: {vae: nowhere}\n", "vae 'nowhere' is not there", 3, 14},
    {"!study: a\nmodel: model\n", "the key 'prompts' is missing", 1, 1},
    {"!study: a\nmodel: model\nprompts: {sample: 3}\n", "the key 'file' is missing", 3, 10},
    {"!study: a\nmodel: model\nprompts: {file: prompts.jsonl, sampel: 3}\n", "did you mean 'sample'?", 3, 32},
    {"!study: a\nmodel: model\nprompts: [a dog, a cat]\n",
     "prompts is a list; expected the name of a file, or {file, sample, stratify}\n  prompts: [a dog, a cat]\n"
     "           ^~~~~~~~~~~~~~\nGenEval metadata (*.jsonl), a list (*.json), a table (*.csv, column prompt), or text "
     "with "
     "a prompt a line",
     3, 10},
    {"!study: a\nmodel: model\nprompts: nowhere.txt\n", "prompts 'nowhere.txt' is not there", 3, 10},
    {"!study: a\nmodel: model\nprompts: model\n", "prompts 'model' is not a file", 3, 10},
    {"!study: a\nmodel: model\nprompts: prompts.jsonl\n", "the key 'seeds' is missing", 1, 1},
    {"!study: a\nmodel: model\nprompts: prompts.jsonl\nseeds: []\n", "expected a list of seeds", 4, 8},
    {"!study: a\nmodel: model\nprompts: prompts.jsonl\nseeds: [1, 1]\n", "seed 1 is listed twice", 4, 12},
    {"!study: a\nmodel: model\nprompts: prompts.jsonl\nseeds: [x]\n", "seed is 'x'", 4, 9},
    {"!study: a\nmodel: model\nprompts: prompts.jsonl\nseeds: [2, 1, 4294967297]\n",
     "the seeds 1 and 4294967297 are one noise", 4, 15},
    {"!study: a\nmodel: model\nprompts: prompts.jsonl\nseeds: [-1, 18446744073709551615]\n",
     "the seeds -1 and 18446744073709551615 are one noise", 4, 13},
    {"!study: a\nmodel: model\nprompts: prompts.jsonl\nseeds: [18446744073709551616]\n",
     "expected a whole number from -9223372036854775808 to 18446744073709551615", 4, 9},
    {"!study: a\nmodel: model\nprompts: prompts.jsonl\nseeds: {base: 3}\n", "the key 'add' is missing", 4, 8},
    {"!study: a\nmodel: model\nprompts: prompts.jsonl\nseeds: [1]\n", "the key 'metrics' is missing", 1, 1},
    {"!study: a\nmodel: model\nprompts: prompts.jsonl\nseeds: [1]\nmetrics: [glo]\n",
     "did you mean 'glow'? (metrics: ", 5, 11},
    {"!study: a\nmodel: model\nprompts: prompts.jsonl\nseeds: [1]\nmetrics: [dim, dim]\n",
     "metric 'dim' is listed twice", 5, 16},
    {"!study: a\nmodel: model\nprompts: prompts.jsonl\nseeds: [1]\nmetrics: [{glow: {modle: x}}]\n",
     "did you mean 'model'?", 5, 19},
    {"!study: a\nmodel: model\nprompts: prompts.jsonl\nseeds: [1]\nmetrics: [{glow: {model: x}}]\n",
     "model 'x' is not there", 5, 26},
    {"!study: a\nmodel: model\nprompts: prompts.jsonl\nseeds: [1]\nmetrics: [dim]\n", "the key 'primary' is missing", 1,
     1},
    {"!study: a\nmodel: model\nprompts: prompts.jsonl\nseeds: [1]\nmetrics: [dim]\nprimary: glow\n",
     "primary is 'glow', which is not among the metrics", 6, 10},
    {"!", "the file is empty", 0, 0},
};

static void test_errors(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof WRONG / sizeof *WRONG; i++) {
        const wrong *w = &WRONG[i];
        study *y;
        ss_error err;
        ss_status status =
            *w->text == '!' ? load(&y, &err, w->text + 1, "", "", "") : load(&y, &err, HEAD, TAIL, w->text, "");
        char where[160];
        if (w->line) snprintf(where, sizeof where, "%s/study.yaml:%d:%d", folder, w->line, w->column);
        else snprintf(where, sizeof where, "%s/study.yaml", folder);
        if (status != SS_ERR_INPUT || y || !strstr(err.message, w->message) ||
            (w->line ? strcmp(where, err.where) : strncmp(where, err.where, strlen(where))))
            print_message("case %zu\nexpected %s: %s\nfound    %s: %s\n", i, where, w->message, err.where, err.message);
        assert_int_equal(status, SS_ERR_INPUT);
        assert_null(y);
        assert_non_null(strstr(err.message, w->message));
        if (w->line) assert_string_equal(err.where, where);
        else assert_int_equal(strncmp(where, err.where, strlen(where)), 0);
    }
}

static void test_missing_file(void **state) {
    (void)state;
    study *y;
    ss_error err;
    assert_int_equal(study_load(&y, "/nowhere/study.yaml", NULL, &err), SS_ERR_INPUT);
    assert_string_equal(err.where, "/nowhere/study.yaml");
}

static void test_metrics_of_the_command_line(void **state) {
    (void)state;
    study *y;
    ss_error err;
    study_metric m[4];
    int n, images;
    assert_int_equal(load(&y, &err, HEAD, TAIL, SINK, ""), SS_OK);
    assert_int_equal(study_parse_metrics(y, "dim, glow: {model: model}", "--metric", m, 4, &n, &images, &err), SS_OK);
    assert_int_equal(n, 2);
    assert_string_equal(m[1].row->about.name, "glow");
    assert_int_equal(study_parse_metrics(y, "din", "--metric", m, 4, &n, &images, &err), SS_ERR_INPUT);
    assert_non_null(strstr(err.message, "did you mean 'dim'?"));
    assert_string_equal(err.where, "--metric:1:2");
    study_free(y);
}

/* ---- swapping ---- */

static void test_swap(void **state) {
    (void)state;
    geneval_prompts prompts;
    ss_error err;
    char path[160];
    snprintf(path, sizeof path, "%s/prompts.jsonl", folder);
    assert_int_equal(geneval_read(path, &prompts, &err), SS_OK);
    int vowels = 0, plurals = 0;
    for (int i = 0; i < prompts.n; i++) {
        char *swapped, *again;
        const char *was = prompts.prompt[i].prompt;
        assert_int_equal(swap_attribute(&prompts, i, 5, path, &swapped, &err), SS_OK);
        assert_int_equal(swap_attribute(&prompts, i, 5, path, &again, &err), SS_OK);
        assert_string_equal(swapped, again);
        assert_string_not_equal(swapped, was);
        if (prompts.prompt[i].include[0].color) { /* the colour changes, the thing stays */
            assert_null(strstr(swapped, prompts.prompt[i].include[0].color));
            assert_non_null(strstr(swapped, prompts.prompt[i].include[0].class_name));
            assert_true(!strstr(swapped, " a orange") && !strstr(swapped, "an red") && !strstr(swapped, "an blue"));
            vowels += strstr(swapped, "an orange") != NULL;
        } else {
            plurals += strstr(swapped, "two stars") || strstr(swapped, "two crosses") || strstr(swapped, "two rings");
            assert_null(strstr(swapped, prompts.prompt[i].include[0].class_name));
        }
        free(swapped);
        free(again);
    }
    assert_true(vowels > 0);
    assert_int_equal(plurals, 3);
    geneval_free(&prompts);
    fake_write(folder, "plain.txt", "a red star\n");
    snprintf(path, sizeof path, "%s/plain.txt", folder);
    assert_int_equal(geneval_read(path, &prompts, &err), SS_OK);
    char *swapped;
    assert_int_equal(swap_attribute(&prompts, 0, 5, path, &swapped, &err), SS_ERR_INPUT);
    assert_non_null(strstr(err.message, "swap-attribute needs such prompts"));
    assert_null(swapped);
    geneval_free(&prompts);
}

/* null, ~ and nothing are 'not given': what is optional has its default, what is required is an error. */
static void test_null_is_not_given(void **state) {
    (void)state;
    static const char *const NOTHING[] = {"null", "~", ""};
    study *y;
    ss_error err;
    for (size_t i = 0; i < 3; i++) {
        const char *n = NOTHING[i];
        char all[1024], conditions[512];
        snprintf(all, sizeof all,
                 "format: %s\nquestion: %s\nseries: %s\nvariant: %s\nweights: %s\nstudy-seed: %s\nsampler: %s\n"
                 "probes: %s\nmeasure: %s\nsham: %s\ncalibration: %s\ncontrasts: %s\n",
                 n, n, n, n, n, n, n, n, n, n, n, n);
        snprintf(conditions, sizeof conditions,
                 "conditions:\n  sink: {select: top, edit: mask, k: %s, share: %s, blocks: %s, heads: %s, steps: %s, "
                 "phase: %s, branch: %s, rows: %s, also: %s, prompt: %s, seed: %s, sampler: %s, kinds: %s}\n",
                 n, n, n, n, n, n, n, n, n, n, n, n, n);
        if (load(&y, &err, HEAD, TAIL, all, conditions) != SS_OK) fail_msg("%s: %s", err.where, err.message);
        assert_string_equal(y->question, "");
        assert_null(y->variant);
        assert_int_equal(y->sham_groups, 2);
        assert_int_equal(y->n_calibration, 0);
        assert_int_equal(y->condition[1].role, CONDITION_STUDIED);
        assert_int_equal(y->condition[1].intervention.k, 1);
        assert_true(y->condition[1].intervention.blocks.all);
        assert_true(y->condition[1].seed_add == 0);
        study_free(y);
        snprintf(all, sizeof all, "study: test\nmodel: %s\nprompts: prompts.jsonl\nseeds: [1]\n", n);
        assert_int_equal(load(&y, &err, all, TAIL, SINK, ""), SS_ERR_INPUT);
        assert_non_null(strstr(err.message, "the key 'model' is given no value"));
        assert_non_null(strstr(err.where, "study.yaml:2:1"));
        snprintf(all, sizeof all, "conditions:\n  sink: %s\n", n);
        assert_int_equal(load(&y, &err, HEAD, TAIL, all, ""), SS_ERR_INPUT);
        assert_non_null(strstr(err.message, "sink is nothing; expected a mapping"));
    }
    assert_int_equal(load(&y, &err, HEAD, "metrics: [glow: , right: ~]\nprimary: glow\n", SINK, ""), SS_OK);
    assert_int_equal(y->n_metrics, 2);
    study_free(y);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_expansion),
        cmocka_unit_test(test_shares_sizes_and_series),
        cmocka_unit_test(test_draws_and_more_interventions),
        cmocka_unit_test(test_scalars_and_defaults),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_missing_file),
        cmocka_unit_test(test_metrics_of_the_command_line),
        cmocka_unit_test(test_swap),
        cmocka_unit_test(test_null_is_not_given),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
