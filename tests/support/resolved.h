/* Settings as calls take them, for tests: a refusal fails the test. After cmocka.h. */
#ifndef SUPPORT_RESOLVED_H
#define SUPPORT_RESOLVED_H

#include "sampler/pipeline.h"

static inline resolved_settings resolved(const pipeline *p, const sample_settings *asked) {
    resolved_settings out;
    ss_error err = {0};
    if (settings_resolve(p, asked, &out, &err) != SS_OK) fail_msg("%s: %s", err.where, err.message);
    return out;
}

/* The same as an argument. */
#define RESOLVED(p, asked) ((const resolved_settings[]){resolved(p, asked)})

#endif
