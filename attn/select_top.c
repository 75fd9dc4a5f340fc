/* Selector `top`: the dynamic sinks, the keys of largest mass (METHOD.md, section 1). Ties go to the lower index. */
#include "attn/internal.h"

static ss_status select_top(const select_input *in, key_sets *out, ss_error *err) {
    (void)err;
    int n = 0;
    for (int head = 0; head < in->heads; head++) {
        if (attn_own_set(in, head)) n = attn_scope_largest(in, in->scratch_mass, head, in->scratch_key);
        attn_sets_put(out, head, in->scratch_key, n);
    }
    return SS_OK;
}

const attn_selector attn_selector_top = {
    .about = {"top", "the k keys of largest incoming mass, found afresh in every call (dynamic sinks)", NULL},
    .select = select_top,
    .sinks = 1,
    .needs = NEED_MASS,
    .global = 1};
