/* Plans: which units, in which order, what is shared, and what the program is bound to. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "fake.h"
#include "run/forecast.h"
#include "world.h"

/* Of the units' prompts, or of those of baseline-again. */
static int different_texts(const plan *p, int again) {
    const char *seen[256];
    int n = 0;
    for (int i = 0; i < p->n_units; i++) {
        int is_again = strcmp(p->study->condition[p->unit[i].condition].name, "baseline-again") == 0, k = 0;
        const char *prompt = plan_unit_prompt(p, &p->unit[i]);
        while (k < n && strcmp(seen[k], prompt) != 0) k++;
        if (is_again == again && k == n && n < 256) seen[n++] = prompt;
    }
    return n;
}

static void test_counts(void **state) {
    (void)state;
    world w;
    world_open(&w, WORLD_STUDY, 12, 0);
    const plan_counts *c = &w.p->counts;
    /* 6 prompts x 2 seeds x (baseline, sink 1 3, random 1 3, weaker, other) + 2 groups x 3 shams + 6 x 2 calibration */
    assert_int_equal(c->prompts, 6);
    assert_int_equal(c->images, 12 * 7 + 2 * 3 + 12);
    assert_int_equal(c->groups, 12 + 12);
    /* phase [0.5, 1] of 6 steps is 3, 4, 5: progress s/5 */
    assert_int_equal(w.p->condition[1].first_step, 3);
    assert_int_equal(c->forwards_unshared, 12 * (6 * 6 + 4) + 6 * 6 + 12 * 6);
    assert_int_equal(c->forwards, 12 * (6 + 3 + 3 + 6 + 6 + 4 + 6) + 6 * 6 + 12 * 6);
    /* prompts and swapped prompts, baseline-again in two groups, the negative prompt, that of baseline-again */
    assert_int_equal(c->encodes, different_texts(w.p, 0) + different_texts(w.p, 1) + 1 + 1);
    assert_int_equal(different_texts(w.p, 1), 2);
    assert_true(isnan(w.p->cost.seconds));
    assert_true(w.p->cost.flops == (double)c->encodes * 10 + (double)c->forwards * 100 + (double)c->images * 20);
    ss_error err;
    assert_int_equal(plan_forecast(w.p, w.c, fake_pipeline(), 0, &err), SS_OK);
    assert_true(w.p->cost.seconds >= 0);
    assert_true(w.p->cost.memory_bytes >= memory_resident());
    text t = {0};
    plan_describe(w.p, &t);
    assert_non_null(strstr(t.s, "world: Does it matter?"));
    assert_non_null(strstr(t.s, "prompts     6 of 12, 24 prompt-and-seed groups"));
    assert_non_null(strstr(t.s, "baseline; sink k=1, 3; random k=1, 3; weaker; other; baseline-again"));
    assert_non_null(strstr(t.s, "images      102"));
    text_free(&t);
    world_close(&w);
}

static int has_group(const plan *p, int prompt, image_seed seed) {
    for (int i = 0; i < p->n_groups; i++)
        if (p->group[i].prompt == prompt && seed_compare(p->group[i].seed, seed) == 0) return 1;
    return 0;
}

static void test_limit_nests_and_is_stratified(void **state) {
    (void)state;
    world w;
    plan *small, *large;
    ss_error err;
    world_open(&w, WORLD_STUDY, 40, 0);
    assert_int_equal(plan_make(&small, w.y, fake_pipeline(), 4, &err), SS_OK);
    assert_int_equal(plan_make(&large, w.y, fake_pipeline(), 9, &err), SS_OK);
    int counting = 0, images = 0;
    for (int i = 0; i < small->n_groups; i++) {
        assert_true(has_group(large, small->group[i].prompt, small->group[i].seed));
        if (small->group[i].seed_index >= w.y->n_seeds) continue;
        images++;
        assert_int_equal(small->group[i].seed.bits, 1); /* few groups are many prompts, not many seeds */
        counting += strcmp(small->prompts.prompt[small->group[i].prompt].tag, "counting") == 0;
    }
    assert_int_equal(images, 4);
    assert_int_equal(counting, 1); /* a quarter of the prompts */
    assert_int_equal(small->n_groups, 4 + 4 * 2);
    assert_int_equal(large->counts.prompts, 6);
    for (int i = 0; i < small->n_units; i++) { /* the same unit has the same number in every plan */
        int found = 0;
        for (int j = 0; j < large->n_units; j++)
            if (large->unit[j].id == small->unit[i].id) {
                found = large->unit[j].prompt == small->unit[i].prompt &&
                        seed_compare(large->unit[j].seed, small->unit[i].seed) == 0 &&
                        large->unit[j].condition == small->unit[i].condition;
                break;
            }
        assert_true(found);
    }
    plan_free(small);
    plan_free(large);
    world_close(&w);
}

static void test_units_are_different(void **state) {
    (void)state;
    world w;
    world_open(&w, WORLD_STUDY, 12, 0);
    for (int i = 0; i < w.p->n_units; i++)
        for (int j = 0; j < i; j++) {
            const plan_unit *a = &w.p->unit[i], *b = &w.p->unit[j];
            assert_int_not_equal(a->id, b->id);
            assert_true(a->prompt != b->prompt || seed_compare(a->seed, b->seed) != 0 || a->condition != b->condition);
        }
    text name = {0};
    plan_unit_name(w.p, &w.p->unit[1], &name);
    assert_non_null(strstr(name.s, "', seed 1, sink k=1"));
    text_free(&name);
    world_close(&w);
}

static void test_order_depends_on_the_seed_alone(void **state) {
    (void)state;
    world w;
    plan *again;
    ss_error err;
    char other[2048];
    world_open(&w, WORLD_STUDY, 40, 0);
    assert_int_equal(plan_make(&again, w.y, fake_pipeline(), 0, &err), SS_OK);
    for (int i = 0; i < again->n_units; i++) assert_int_equal(again->unit[i].id, w.p->unit[i].id);
    plan_free(again);
    int first = w.p->group[0].prompt, second = w.p->group[4].prompt;
    world_close(&w);
    snprintf(other, sizeof other, "%sstudy-seed: 9\n", WORLD_STUDY);
    world_open(&w, other, 40, 0);
    assert_true(first != w.p->group[0].prompt || second != w.p->group[4].prompt);
    world_close(&w);
}

static void test_seeds_by_prompt(void **state) {
    (void)state;
    world w;
    world_open(&w,
               "study: s\nmodel: model\nprompts: prompts.jsonl\nseeds: {base: 1000, add: prompt}\nmetrics: [dim]\n"
               "primary: dim\nconditions: {sink: {select: top, edit: mask}}\nsham: 0\n",
               12, 0);
    assert_int_equal(w.p->counts.images, 24);
    for (int i = 0; i < w.p->n_groups; i++) assert_int_equal(w.p->group[i].seed.bits, 1000 + w.p->group[i].prompt);
    world_close(&w);
}

/* ---- what the model refuses ---- */

/* `prompts`: the value of that key; `condition`: what stands beside select and edit. */
static void expect_refusal(const char *prompts, const char *condition, const char *message) {
    world w;
    plan *p;
    ss_error err;
    char source[2048];
    world_open(&w, WORLD_STUDY, 12, 0);
    study_free(w.y);
    fake_write(w.folder, "plain.txt", "a star\n\na ring\n");
    fake_write(w.folder, "none.txt", "\n\n");
    snprintf(source, sizeof source,
             "study: s\nmodel: model\nprompts: %s\nseeds: {base: 4, add: prompt}\nmetrics: [right]\nprimary: right\n"
             "conditions: {sink: {select: top, edit: mask%s}}\ncalibration: {seeds: [0, 9]}\n",
             prompts, condition);
    fake_write(w.folder, "study.yaml", source);
    assert_int_equal(study_load(&w.y, world_path(&w, "study.yaml"), NULL, &err), SS_OK);
    assert_int_equal(plan_make(&p, w.y, fake_pipeline(), 0, &err), SS_ERR_INPUT);
    assert_null(p);
    if (!strstr(err.message, message)) print_message("found %s: %s\n", err.where, err.message);
    assert_non_null(strstr(err.message, message));
    world_close(&w);
}

static void test_refusals(void **state) {
    (void)state;
    expect_refusal("prompts.jsonl", "", "calibration seed 9 is a seed of the study");
    expect_refusal("{file: prompts.jsonl, sample: 13}", "", "sample is 13; the file has 12 prompts");
    expect_refusal("plain.txt", "", "the metric 'right' needs GenEval metadata");
    expect_refusal("none.txt", "", "holds no prompt");
}

static void expect_unbound(const char *condition, const char *message) {
    world w;
    plan *p;
    ss_error err;
    char source[2048];
    world_open(&w, WORLD_STUDY, 12, 0);
    study_free(w.y);
    snprintf(source, sizeof source,
             "study: s\nmodel: model\nprompts: prompts.jsonl\nseeds: [1]\nmetrics: [right]\nprimary: right\n"
             "conditions: {sink: {select: top, edit: mask%s}}\n",
             condition);
    fake_write(w.folder, "study.yaml", source);
    assert_int_equal(study_load(&w.y, world_path(&w, "study.yaml"), NULL, &err), SS_OK);
    assert_int_equal(plan_make(&p, w.y, fake_pipeline(), 0, &err), SS_ERR_INPUT);
    if (!strstr(err.message, message)) print_message("found %s: %s\n", err.where, err.message);
    assert_non_null(strstr(err.message, message));
    assert_non_null(strstr(err.where, "study.yaml:7:"));
    world_close(&w);
}

static int is_uneven(void) { return strcmp(fake_network(), "uneven") == 0; }

static void test_what_the_model_refuses(void **state) {
    (void)state;
    if (is_uneven()) {
        expect_unbound(", blocks: [0, 4]", "block 4 is not there; here they are 0 to 3");
        expect_unbound(", heads: [7]", "head 7 is not there; here they are 0 to 2");
        expect_unbound(", heads: [2]", "head 2 is not there in block 1 (wide.read, cross); there they are 0 to 1");
        expect_unbound(", kinds: joint", "the model has no joint attention; it has self (2 blocks), cross (2 blocks)");
        expect_unbound(", kinds: [self], blocks: [1, 3]", "none of these blocks is of the kinds named");
        expect_unbound(", kinds: cross, rows: text", "'rows: text', but no query of the call is text");
        /* 7 of 16 keys are had in block 0, of 12 not in the others; where the error points comes between the halves */
        expect_unbound(", k: 7", "half of a call's 12 keys; so in 3 of the 4 blocks chosen, the first of them block 1 "
                                 "(wide.read, cross)");
    } else {
        expect_unbound(", blocks: [0, 2]", "block 2 is not there; here they are 0 to 1");
        expect_unbound(", heads: [7]", "head 7 is not there; here they are 0 to 1");
        expect_unbound(", kinds: [joint, self]", "the model has no self attention; it has joint (2 blocks)");
    }
    expect_unbound(", steps: [5]", "step 5 is not there; here they are 0 to 4");
    expect_unbound(", phase: [0.3, 0.4]", "no step of 5 lies in this phase");
    expect_unbound(", k: 7", "k = 7 asks for sets of 7 keys");
}

/* Fractions of depth name blocks whatever their number: of 2 blocks 0.0 and 0.49 are block 0, 0.5 and 0.99 block 1. */
static void test_fractions_of_depth(void **state) {
    (void)state;
    static const struct {
        const char *written;
        uint64_t blocks, of_four;
    } CASES[] = {{"0.0", 1, 1},  {"0.49", 1, 2},          {"0.5", 2, 4},
                 {"0.99", 2, 8}, {"[0.25, 0.75]", 3, 10}, {"[1, 0.1]", 3, 3}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        world w;
        ss_error err;
        plan *p;
        char source[512];
        world_open(&w, WORLD_STUDY, 12, 0);
        study_free(w.y);
        snprintf(source, sizeof source,
                 "study: s\nmodel: model\nprompts: prompts.jsonl\nseeds: [1]\nmetrics: [right]\nprimary: right\n"
                 "conditions: {sink: {select: top, edit: mask, blocks: %s}}\n",
                 CASES[i].written);
        fake_write(w.folder, "study.yaml", source);
        assert_int_equal(study_load(&w.y, world_path(&w, "study.yaml"), NULL, &err), SS_OK);
        assert_int_equal(plan_make(&p, w.y, fake_pipeline(), 0, &err), SS_OK);
        assert_true(p->condition[1].program.intervention[0].blocks.word[0] ==
                    (is_uneven() ? CASES[i].of_four : CASES[i].blocks));
        plan_free(p);
        world_close(&w);
    }
}

/* Kinds narrow what blocks name; fractions of depth count the blocks of the kinds. Blocks 0 and 2 are self, 1 and 3
 * cross. */
static void test_kinds(void **state) {
    (void)state;
    static const struct {
        const char *written;
        uint64_t blocks;
    } CASES[] = {{"kinds: cross", 10},
                 {"kinds: [self]", 5},
                 {"kinds: [cross, self]", 15},
                 {"kinds: all", 15},
                 {"kinds: cross, blocks: [0, 1]", 2},
                 {"kinds: cross, blocks: 0.5", 8},
                 {"kinds: self, blocks: [0.0, 0.5]", 5},
                 {"kinds: self, blocks: 2-3", 4}};
    if (!is_uneven()) skip();
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        world w;
        ss_error err;
        plan *p;
        char source[512];
        text words = {0};
        world_open(&w, WORLD_STUDY, 12, 0);
        study_free(w.y);
        snprintf(source, sizeof source,
                 "study: s\nmodel: model\nprompts: prompts.jsonl\nseeds: [1]\nmetrics: [right]\nprimary: right\n"
                 "conditions: {sink: {select: top, k: [1, 2], edit: mask, %s}}\n",
                 CASES[i].written);
        fake_write(w.folder, "study.yaml", source);
        assert_int_equal(study_load(&w.y, world_path(&w, "study.yaml"), NULL, &err), SS_OK);
        assert_int_equal(plan_make(&p, w.y, fake_pipeline(), 0, &err), SS_OK);
        assert_true(p->condition[1].program.intervention[0].blocks.word[0] == CASES[i].blocks);
        plan_describe(p, &words);
        assert_non_null(strstr(words.s, "  attention   self (2 blocks), cross (2 blocks)\n"));
        assert_non_null(strstr(words.s, i == 0   ? "sink k=1, 2 in cross; baseline-again"
                                        : i == 2 ? "sink k=1, 2 in self and cross; baseline-again"
                                        : i == 3 ? "sink k=1, 2; baseline-again"
                                                 : "sink k=1, 2"));
        text_free(&words);
        plan_free(p);
        world_close(&w);
    }
}

int main(void) {
    if (chdir("/") != 0) return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_limit_nests_and_is_stratified),
        cmocka_unit_test(test_units_are_different),
        cmocka_unit_test(test_fractions_of_depth),
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_order_depends_on_the_seed_alone),
        cmocka_unit_test(test_seeds_by_prompt),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_what_the_model_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
