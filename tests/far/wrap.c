/* Contexts of the backend `cpu` are those that SS_BACKEND names in the environment, where it does: so a test that knows
 * nothing of it runs on another. Linked with --wrap=compute_create. */
#include <stdlib.h>
#include <string.h>
#include "far/far.h"

ss_status __real_compute_create(compute **out, const char *name, int threads, size_t scratch_limit, ss_error *err);
ss_status __wrap_compute_create(compute **out, const char *name, int threads, size_t scratch_limit, ss_error *err);

ss_status __wrap_compute_create(compute **out, const char *name, int threads, size_t scratch_limit, ss_error *err) {
    const char *wanted = getenv("SS_BACKEND");
    far_scratch_limit = scratch_limit;
    return __real_compute_create(out, wanted && strcmp(name, "cpu") == 0 ? wanted : name, threads, scratch_limit, err);
}
