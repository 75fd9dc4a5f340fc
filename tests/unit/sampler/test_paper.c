/* The paper's own arithmetic (scores less 1e4, a second softmax, in diffusers and float32) against the rank-k form, on
 * the model that ships: masses, the sets found, and with the reference's sets replayed the pictures. Vectors and how
 * they are made: tests/generators/paper_arithmetic.py. They belong to the model's weights, whose hashes are checked
 * first. DATA: tests/data/sampler; MODEL: models/shapes-sd3. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../properties/named.h"
#include "base/file.h"
#include "io/json.h"
#include "io/checkpoint.h"
#include "io/png.h"
#include "sampler/pipeline.h"
#include "support/drawing.h"
#include "support/resolved.h"
#include "tests/support/values.h"

#define REGENERATE "regenerate with 'python tests/generators/paper_arithmetic.py'"

enum { MAX_SETS = 8 };
static const double TIED = 1e-6, MASS_BOUND = 1e-6;

static json_t *vectors;
static checkpoint *file;
static compute *cpu;
static pipeline *model;
static int stale; /* the vectors are of other weights */

static void check(ss_status status, const ss_error *err) {
    if (status != SS_OK) fail_msg("%s: %s", err->where, err->message);
}

/* ---- the vectors ---- */

static void test_vectors_are_of_this_model(void **state) {
    (void)state;
    const char *name;
    json_t *want;
    json_object_foreach(json_object_get(vectors, "files"), name, want) {
        char path[512];
        sha256_hex found;
        ss_error err = {0};
        snprintf(path, sizeof path, "%s/%s", MODEL, name);
        check(file_hash(path, found, &err), &err);
        stale |= strcmp(found, json_string_value(want)) != 0;
        if (stale)
            fail_msg("%s has SHA-256 %s; the vectors were made with %s: " REGENERATE, path, found,
                     json_string_value(want));
    }
    assert_true(json_object_size(json_object_get(vectors, "files")) >= 15);
}

/* One case of the reference; sets are [step, block acted on, branch, head, size]. */
typedef struct paper_case {
    const char *name, *prompt;
    uint64_t seed;
    sample_settings settings;
    attn_scope scope;
    int k, n_blocks, block[MAX_SETS], size, heads;
    const int32_t *sets;
    const float *masses; /* of the last block: [step, branch, head, key] */
    int64_t keys;
    const float *latents;
} paper_case;

static const checkpoint_entry *vector_of(const char *name, const char *what) {
    char full[64];
    snprintf(full, sizeof full, "%s/%s", name, what);
    const checkpoint_entry *e = checkpoint_find(file, full);
    if (!e) fail_msg("no %s in paper.safetensors", full);
    return e;
}

static int integer_of(const json_t *j, const char *key) { return (int)json_integer_value(json_object_get(j, key)); }

static paper_case case_of(const json_t *j) {
    const char *name = json_string_value(json_object_get(j, "name"));
    const json_t *blocks = json_object_get(j, "blocks");
    const checkpoint_entry *sets = vector_of(name, "sets"), *masses = vector_of(name, "masses");
    paper_case c = {.name = name,
                    .prompt = json_string_value(json_object_get(j, "prompt")),
                    .seed = strtoull(json_string_value(json_object_get(j, "seed")), NULL, 10),
                    .settings = {.width = integer_of(j, "width"),
                                 .height = integer_of(j, "height"),
                                 .steps = integer_of(j, "steps"),
                                 .guidance = json_number_value(json_object_get(j, "guidance")),
                                 .negative = "",
                                 .max_text_tokens = integer_of(j, "tokens")},
                    .k = integer_of(j, "k"),
                    .n_blocks = (int)json_array_size(blocks),
                    .heads = (int)sets->shape[3],
                    .size = (int)sets->shape[4],
                    .sets = values_of(sets),
                    .masses = values_of(masses),
                    .keys = masses->shape[3],
                    .latents = values_of(vector_of(name, "latents"))};
    if (strcmp(json_string_value(json_object_get(j, "scope")), "layer") == 0) c.scope = SCOPE_LAYER;
    for (int i = 0; i < c.n_blocks; i++) c.block[i] = (int)json_integer_value(json_array_get(blocks, (size_t)i));
    assert_int_equal(sets->shape[0], c.settings.steps);
    assert_int_equal(sets->shape[1], c.n_blocks);
    assert_int_equal(c.size, c.scope == SCOPE_LAYER ? c.k * c.heads : c.k);
    return c;
}

/* ---- a selector that gives the reference's sets, and compares them with what `top` would have chosen ---- */

static struct {
    const paper_case *of;
    int calls, different;
    double worst_gap; /* between the k-th mass and that of a key which only one of the two chose */
} replayed;

static int compare_keys(const void *a, const void *b) { return *(const int32_t *)a - *(const int32_t *)b; }

/* The mass that ranks a key: the head's, or the mean over heads. */
static double ranking_mass(const select_input *in, int head, int32_t key) {
    double sum = 0;
    if (in->scope == SCOPE_HEAD) return in->mass[head * in->keys + key];
    for (int h = 0; h < in->heads; h++) sum += in->mass[h * in->keys + key];
    return sum / in->heads;
}

static int holds(const int32_t *set, int n, int32_t key) {
    for (int i = 0; i < n; i++)
        if (set[i] == key) return 1;
    return 0;
}

static void compare_sets(const select_input *in, int head, const int32_t *own, const int32_t *given, int n) {
    double last = HUGE_VAL; /* the k-th mass */
    for (int i = 0; i < n; i++) last = fmin(last, ranking_mass(in, head, own[i]));
    for (int i = 0; i < 2 * n; i++) {
        int32_t key = i < n ? own[i] : given[i - n];
        if (holds(i < n ? given : own, n, key)) continue;
        replayed.different++;
        replayed.worst_gap = fmax(replayed.worst_gap, fabs(ranking_mass(in, head, key) - last));
    }
}

static ss_status select_given(const select_input *in, key_sets *out, ss_error *err) {
    const paper_case *p = replayed.of;
    int b = 0;
    while (b < p->n_blocks - 1 && p->block[b] != in->block) b++;
    SS_TRY(named_selector("top")->select(in, out, err));
    for (int h = 0; h < in->heads; h++) {
        int64_t at = (((int64_t)in->step * p->n_blocks + b) * 2 + (int)in->branch) * in->heads + h;
        const int32_t *given = p->sets + at * p->size;
        int32_t *own = out->key + out->begin[h];
        if (out->begin[h + 1] - out->begin[h] != p->size)
            return error_set(err, SS_ERR_INTERNAL, NULL, "a set of another size");
        compare_sets(in, h, own, given, p->size);
        memcpy(own, given, sizeof *own * (size_t)p->size);
        qsort(own, (size_t)p->size, sizeof *own, compare_keys);
        replayed.calls++;
    }
    return SS_OK;
}

static const attn_selector GIVEN = {
    .about = {"given", "the reference's sets", NULL}, .select = select_given, .needs = NEED_MASS};

/* ---- runs ---- */

static attn_program mask_of(const paper_case *p, const attn_selector *selector, attn_shape shape) {
    attn_program program =
        named_program(shape, selector, p->k, "mask", 0, p->scope == SCOPE_LAYER ? ROWS_ALL : ROWS_IMAGE);
    attn_intervention *v = &program.intervention[0];
    v->scope = p->scope;
    v->blocks = (attn_bits){{0}};
    for (int i = 0; i < p->n_blocks; i++) bits_set(&v->blocks, p->block[i]);
    return program;
}

/* The case under a selector; masses of all sites are in *run. */
static drawing draw_masked(const paper_case *p, const attn_selector *selector, attn_run **run) {
    const attn_stream_name name = {0};
    const attn_measure m = {.rows = ROWS_IMAGE, .r = 1, .keep_masses = 1};
    pipeline_sites sites;
    ss_error err = {0};
    pipeline_sites_at(model, RESOLVED(model, &p->settings), &sites);
    attn_shape shape = {p->settings.steps, sites.blocks, sites.heads, sites.keys};
    assert_int_equal(shape.heads, p->heads);
    assert_int_equal(shape.keys, p->keys);
    attn_program program = mask_of(p, selector, shape);
    attn_block *block;
    check(pipeline_blocks(model, RESOLVED(model, &p->settings), &block, &err), &err);
    check(attn_program_check(&program, block, sites.blocks, &err), &err);
    free(block);
    check(attn_run_create(run, &program, &m, &name, shape, &err), &err);
    return drawing_make(model, &p->settings, p->prompt, p->seed, *run);
}

/* ---- comparing ---- */

static double largest_mass_error(const paper_case *p, const attn_run *run) {
    double worst = 0;
    const float *want = p->masses;
    for (int step = 0; step < p->settings.steps; step++)
        for (int branch = 0; branch < 2; branch++)
            for (int h = 0; h < p->heads; h++, want += p->keys) {
                const float *mass = attn_run_masses(run, step, p->block[p->n_blocks - 1], h, (attn_branch)branch);
                assert_non_null(mass);
                for (int64_t j = 0; j < p->keys; j++) worst = fmax(worst, fabs((double)mass[j] - (double)want[j]));
            }
    return worst;
}

/* The share of channel values within one level of the reference's picture. */
static double share_within_one(const paper_case *p, const drawing *d) {
    char path[256];
    ss_error err = {0};
    rgb_image want = {0};
    snprintf(path, sizeof path, DATA "/paper-%s.png", p->name);
    check(png_read(path, &want, &err), &err);
    assert_true(want.width == d->picture.width && want.height == d->picture.height);
    int n = 3 * want.width * want.height, near = 0;
    for (int i = 0; i < n; i++) near += abs(want.rgb[i] - d->picture.rgb[i]) <= 1;
    rgb_image_free(&want);
    return (double)near / n;
}

static double latent_error(const paper_case *p, const drawing *d) {
    double worst = 0, square = 0;
    const float *last = drawing_last(d);
    for (int64_t i = 0; i < d->elements; i++) {
        worst = fmax(worst, fabs((double)last[i] - (double)p->latents[i]));
        square += (double)p->latents[i] * (double)p->latents[i];
    }
    return worst / sqrt(square / (double)d->elements);
}

static void check_case(const paper_case *p) {
    attn_run *run, *own_run;
    replayed.of = p;
    replayed.calls = replayed.different = 0;
    replayed.worst_gap = 0;
    drawing given = draw_masked(p, &GIVEN, &run), own = draw_masked(p, named_selector("top"), &own_run),
            plain = drawing_make(model, &p->settings, p->prompt, p->seed, NULL);
    double masses = largest_mass_error(p, run), near = share_within_one(p, &given),
           untouched = share_within_one(p, &plain), latents = latent_error(p, &given);
    print_message("%s: masses to %.2g, %d of %d sets' keys differ (by %.2g of mass), latents to %.2g x rms, %.4f %% of "
                  "values within 1 (%.1f %% without the masks)\n",
                  p->name, masses, replayed.different, replayed.calls * p->size, replayed.worst_gap, latents,
                  100 * near, 100 * untouched);
    assert_true(masses <= MASS_BOUND);
    assert_int_equal(replayed.calls, p->settings.steps * p->n_blocks * 2 * p->heads);
    assert_true(replayed.worst_gap <= TIED);
    assert_true(latents <= 2e-4);
    assert_true(near >= 0.999);
    assert_true(untouched < 0.999); /* the masks are seen: a run without them fails */
    if (replayed.different == 0) {  /* then what our own run finds is what was given */
        assert_memory_equal(drawing_last(&own), drawing_last(&given), sizeof *own.latents * (size_t)own.elements);
        assert_memory_equal(own.picture.rgb, given.picture.rgb, (size_t)(3 * own.picture.width * own.picture.height));
    }
    drawing_free(&given);
    drawing_free(&own);
    drawing_free(&plain);
    attn_run_destroy(run);
    attn_run_destroy(own_run);
}

static void test_the_papers_arithmetic(void **state) {
    (void)state;
    const json_t *cases = json_object_get(vectors, "cases");
    if (stale) skip(); /* said already */
    assert_int_equal(json_array_size(cases), 3);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        paper_case p = case_of(json_array_get(cases, i));
        check_case(&p);
    }
}

static int set_up(void **state) {
    (void)state;
    ss_error err = {0};
    if (json_read_file(DATA "/paper.json", JSON_CONFIG_LIMIT, &vectors, &err) == SS_OK &&
        checkpoint_open(&file, DATA "/paper.safetensors", &err) == SS_OK &&
        compute_create(&cpu, "cpu", 1, (size_t)1 << 32, &err) == SS_OK &&
        pipeline_open(&model, cpu, MODEL, NULL, &err) == SS_OK)
        return 0;
    print_error("%s: %s\n", err.where, err.message);
    return -1;
}

static int tear_down(void **state) {
    (void)state;
    pipeline_close(model);
    compute_destroy(cpu);
    checkpoint_close(file);
    json_decref(vectors);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors_are_of_this_model),
        cmocka_unit_test(test_the_papers_arithmetic),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
