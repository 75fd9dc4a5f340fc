/* A study file all the way: loaded, planned and described, on the cardboard laboratory of tests/laboratory (its
 * tables of selectors, edits and metrics, its model). Paths of the study are looked for in a folder with prompts and a
 * model. */
#include <math.h>
#include <string.h>

#include "base/file.h"
#include "study/plan.h"
#include "tests/fuzz/fuzz.h"
#include "tests/laboratory/fake.h"

enum { PROMPTS = 6, MAX_UNITS = 20000 };

static const char *folder;

static void clean(void) { fake_remove(folder); }

static void make_folder(void) {
    folder = fake_folder();
    fake_prompts(folder, PROMPTS);
    atexit(clean);
}

static void check_study(const study *y) {
    FUZZ_CHECK(y->name && *y->name && y->n_conditions >= 1 && y->condition[0].role == CONDITION_BASELINE);
    FUZZ_CHECK(y->n_seeds >= 1 && y->n_seeds <= STUDY_MAX_SEEDS && y->n_metrics >= 1 && y->primary < y->n_metrics);
    for (int i = 0; i < y->n_conditions && i < 64; i++)
        FUZZ_CHECK(study_find_condition(y, y->condition[i].name) == i && *y->condition[i].folder &&
                   !strchr(y->condition[i].folder, '/'));
    for (int i = 0; i < y->n_contrasts; i++) {
        const study_contrast *c = &y->contrast[i];
        FUZZ_CHECK(c->a >= 0 && c->a < y->n_conditions && c->b >= 0 && c->b < y->n_conditions && c->a != c->b);
        FUZZ_CHECK(c->margin_kind != MARGIN_NUMBER || (isfinite(c->margin) && c->margin > 0 && c->why));
    }
}

static void check_plan(const plan *p) {
    text words = {0};
    FUZZ_CHECK(p->n_units > 0 && p->n_groups > 0);
    for (int i = 1; i < p->n_units; i++) FUZZ_CHECK(p->unit[i].id != p->unit[i - 1].id);
    plan_describe(p, &words);
    FUZZ_CHECK(words.failed || words.len > 0);
    text_free(&words);
    plan_unit_name(p, &p->unit[p->n_units - 1], &words);
    FUZZ_CHECK(plan_unit_prompt(p, &p->unit[p->n_units - 1]) != NULL);
    text_free(&words);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    ss_error err = {0};
    study *y;
    plan *p;
    if (!folder) make_folder();
    char *path = file_join(folder, "study.yaml");
    study_places places = {.base = folder, .current = folder};
    FUZZ_CHECK(path);
    fuzz_write(path, data, size);
    if (study_load(&y, path, &places, &err) != SS_OK) FUZZ_CHECK(y == NULL && err.message[0]);
    else {
        check_study(y);
        if ((int64_t)y->n_conditions * (y->n_seeds + y->n_calibration) * PROMPTS <= MAX_UNITS) {
            if (plan_make(&p, y, fake_pipeline(), 0, &err) != SS_OK) FUZZ_CHECK(p == NULL && err.message[0]);
            else check_plan(p);
            plan_free(p);
        }
        study_free(y);
    }
    free(path);
    return 0;
}
