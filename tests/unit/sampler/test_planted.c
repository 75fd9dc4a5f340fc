/* A whole image with a sink planted in every attention call: masking it in every call restores the image that the
 * model draws without it, and the record names it everywhere. The plant is made around the one attention function,
 * which the linker hands us (--wrap=attn_forward): the product has no code for it. MODEL: models/shapes-sd3. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../properties/named.h"
#include "support/drawing.h"
#include "support/plant.h"

enum { STEPS = 4 };

static const plant *planted; /* NULL = calls as they are */

void __real_attn_forward(compute *c, const attn_call *call);
void __wrap_attn_forward(compute *c, const attn_call *call);

void __wrap_attn_forward(compute *c, const attn_call *call) {
    if (planted && call->batch && call->block >= 0) plant_forward(c, call, planted, __real_attn_forward);
    else __real_attn_forward(c, call);
}

static compute *cpu;
static pipeline *model;
static pipeline_sites sites;
static const char PROMPT[] = "a photo of a red circle left of a blue star";
static const sample_settings SETTINGS = {.steps = STEPS, .guidance = NAN};

static void check(ss_status status, const ss_error *err) {
    if (status != SS_OK) fail_msg("%s: %s", err->where, err->message);
}

/* The image with the plant (NULL = none), under a mask of the top key on all rows or nothing; the run is kept. */
static drawing draw(const plant *p, int masks, attn_run **run) {
    static const attn_stream_name NAME = {1, 2, 3, 0};
    attn_shape shape = {STEPS, sites.blocks, sites.heads, sites.keys + (p != NULL)};
    attn_measure m = {.n_probes = 2, .probe = {ATTN_PROBES[0]}, .rows = ROWS_ALL, .r = 1, .top = 1};
    for (int i = 0; i < ATTN_PROBE_COUNT; i++)
        if (strcmp(ATTN_PROBES[i]->about.name, "value") == 0) m.probe[1] = ATTN_PROBES[i];
    m.noop_below = 0.1;
    attn_program mask = named_program(shape, named_selector("top"), 1, "mask", 0, ROWS_ALL);
    ss_error err = {0};
    check(attn_run_create(run, masks ? &mask : NULL, &m, &NAME, shape, &err), &err);
    planted = p;
    drawing d = drawing_make(model, &SETTINGS, PROMPT, 7, *run);
    planted = NULL;
    return d;
}

/* Channel values that differ by more than one level, and that differ at all. */
static void count_differences(const rgb_image *a, const rgb_image *b, int *far, int *any) {
    *far = *any = 0;
    for (int i = 0; i < 3 * a->width * a->height; i++) {
        int d = abs(a->rgb[i] - b->rgb[i]);
        *far += d > 1;
        *any += d > 0;
    }
}

/* Every site of the run has the plant as its heaviest key, with its mass. */
static void check_record(const attn_run *run, const plant *p, int noop) {
    for (int i = 0; i < STEPS * sites.blocks * sites.heads * 2; i++) {
        const attn_sink *sink;
        int head = i / 2 % sites.heads, block = i / 2 / sites.heads % sites.blocks,
            step = i / 2 / sites.heads / sites.blocks;
        attn_branch branch = (attn_branch)(i % 2);
        assert_int_equal(attn_run_sinks(run, step, block, head, branch, &sink), 1);
        assert_int_equal(sink->key, p->position);
        assert_true(fabs((double)sink->mass - p->p) < 3e-6);
        assert_true(attn_run_site(run, step, block, head, branch)[2 + 4] == (float)noop);
    }
}

static void masking_restores_the_picture(void **state) {
    (void)state;
    static float values[256 * 64];
    attn_run *run;
    drawing plain = draw(NULL, 0, &run);
    attn_run_destroy(run);
    for (int i = 0; i < 256 * 64; i++) values[i] = 3 * sinf((float)i);
    static const double SHARES[] = {0.6, 0.95, 0.999, 0.999}; /* the last two take the direct path */
    for (int i = 0; i < 4; i++) {
        int far, any;
        plant p = {.p = SHARES[i], .position = i * 53, .head = -1, .value = i % 2 ? values : NULL};
        attn_run *without, *with;
        drawing damaged = draw(&p, 0, &without), masked = draw(&p, 1, &with);
        count_differences(&plain.picture, &damaged.picture, &far, &any);
        assert_true(far > 1000); /* the plant alone is no small thing */
        count_differences(&plain.picture, &masked.picture, &far, &any);
        if (far) fail_msg("p = %g: %d channel values are off by more than one level, %d differ", p.p, far, any);
        check_record(without, &p, p.value == NULL);
        check_record(with, &p, p.value == NULL);
        attn_run_destroy(without);
        attn_run_destroy(with);
        drawing_free(&damaged);
        drawing_free(&masked);
    }
    drawing_free(&plain);
}

int main(void) {
    ss_error err = {0};
    if (compute_create(&cpu, "cpu", 2, (size_t)1 << 30, &err) != SS_OK ||
        pipeline_open(&model, cpu, MODEL, NULL, &err) != SS_OK)
        return 1;
    resolved_settings s;
    if (settings_resolve(model, &SETTINGS, &s, &err) != SS_OK) return 1;
    pipeline_sites_at(model, &s, &sites);
    const struct CMUnitTest tests[] = {cmocka_unit_test(masking_restores_the_picture)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    pipeline_close(model);
    compute_destroy(cpu);
    return failed;
}
