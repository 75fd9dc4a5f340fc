/* The flow-match schedule against diffusers, bit by bit, and what a scheduler_config.json may not say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "io/checkpoint.h"
#include "sampler/scheduler_flow_match.h"
#include "tests/support/values.h"

static void compare(const checkpoint *file, const char *name, const char *part, const float *found, int64_t n) {
    char full[64];
    snprintf(full, sizeof full, "%s/%s", name, part);
    const checkpoint_entry *e = checkpoint_find(file, full);
    assert_non_null(e);
    assert_int_equal(e->count, n);
    const float *expected = values_of(e);
    for (int64_t i = 0; i < n; i++)
        if (expected[i] != found[i])
            fail_msg("%s [%lld]: expected %.9g, found %.9g", full, (long long)i, (double)expected[i], (double)found[i]);
}

static void test_vectors(void **state) {
    (void)state;
    ss_error err = {0};
    checkpoint *file;
    json_t *cases;
    assert_int_equal(checkpoint_open(&file, DATA "/schedule.safetensors", &err), SS_OK);
    assert_int_equal(json_read_file(DATA "/schedule.json", JSON_CONFIG_LIMIT, &cases, &err), SS_OK);
    assert_true(json_array_size(cases) > 15);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *one = json_array_get(cases, i);
        static float sigma[1001], timestep[1000];
        flow_match_config g;
        const char *name;
        int64_t steps, tokens;
        json_t *config;
        assert_int_equal(json_get_object(one, "config", "case", &config, &err), SS_OK);
        assert_int_equal(json_get_text(one, "name", "case", &name, &err), SS_OK);
        assert_int_equal(json_get_int(one, "steps", "case", &steps, &err), SS_OK);
        assert_int_equal(json_get_int(one, "tokens", "case", &tokens, &err), SS_OK);
        if (flow_match_parse(config, name, &g, &err) != SS_OK) fail_msg("%s: %s", err.where, err.message);
        flow_match_schedule(&g, (int)steps, tokens, sigma, timestep);
        compare(file, name, "sigma", sigma, steps + 1);
        compare(file, name, "timestep", timestep, steps);
    }
    json_decref(cases);
    checkpoint_close(file);
}

static void test_one_step_with_terminal(void **state) {
    (void)state;
    float sigma[2], timestep[1];
    const flow_match_config g = {.train_timesteps = 1000, .shift = 3, .shift_terminal = 0.1};
    flow_match_schedule(&g, 1, 0, sigma, timestep);
    assert_true(sigma[0] == 1 && sigma[1] == 0 && timestep[0] == 1000);
}

static void test_refused(void **state) {
    (void)state;
    static const struct {
        const char *json, *message;
    } cases[] = {
        {"{\"use_karras_sigmas\": true, \"use_exponential_sigmas\": true}",
         "use_karras_sigmas and use_exponential_sigmas are true; expected one of them at most"},
        {"{\"invert_sigmas\": true}", "invert_sigmas is true; expected false, as SD3 has it"},
        {"{\"_class_name\": \"DDIMScheduler\"}",
         "_class_name is 'DDIMScheduler'; expected FlowMatchEulerDiscreteScheduler"},
        {"{\"shift\": 0}", "shift is not a positive number; expected one, as 3.0"},
        {"{\"shift_terminal\": 1.5}", "shift_terminal is not in [0, 1); expected null or a sigma"},
        {"{\"num_train_timesteps\": 0}", "num_train_timesteps is 0; expected 1 to 1000000"},
        {"{\"time_shift_type\": \"cubic\"}", "time_shift_type is 'cubic'; expected exponential or linear"},
        {"{\"use_dynamic_shifting\": true, \"max_image_seq_len\": 256}",
         "base_image_seq_len equals max_image_seq_len (256); expected them to differ"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ss_error err = {0};
        json_t *json;
        flow_match_config g;
        assert_int_equal(json_read_bytes(cases[i].json, strlen(cases[i].json), "s.json", &json, &err), SS_OK);
        assert_int_equal(flow_match_parse(json, "s.json", &g, &err), SS_ERR_INPUT);
        assert_string_equal(err.where, "s.json");
        assert_string_equal(err.message, cases[i].message);
        json_decref(json);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_vectors), cmocka_unit_test(test_one_step_with_terminal),
                                       cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
