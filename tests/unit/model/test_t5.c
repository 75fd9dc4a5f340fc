/* T5's buckets of relative positions against transformers', all distances within 300 for nine pairs of settings
 * (tests/generators/model_t5.py). A bucket's border decides a whole bias, so they must be equal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "io/checkpoint.h"
#include "model/t5.h"
#include "tests/support/values.h"

static void test_buckets(void **state) {
    (void)state;
    ss_error err = {0};
    checkpoint *file;
    if (checkpoint_open(&file, DATA "/t5-buckets.safetensors", &err) != SS_OK) fail_msg("%s", err.message);
    assert_true(checkpoint_count(file) >= 9);
    for (size_t i = 0; i < checkpoint_count(file); i++) {
        const checkpoint_entry *e = checkpoint_at(file, i);
        char *end; /* "buckets/distance limit" */
        int64_t buckets = strtoll(e->name, &end, 10), limit = strtoll(end + 1, NULL, 10), reach = e->count / 2;
        for (int64_t d = -reach; d <= reach; d++) {
            int32_t expected = ((const int32_t *)values_of(e))[d + reach], found = t5_bucket(d, buckets, limit);
            if (found != expected)
                fail_msg("%s, distance %d: expected bucket %d, found %d", e->name, (int)d, expected, found);
        }
    }
    checkpoint_close(file);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_buckets)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
