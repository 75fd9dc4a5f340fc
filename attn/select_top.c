/* Selector `top`: the dynamic sinks, the keys of largest mass (METHOD.md, section 1). Ties go to the lower index. */
#include "attn/internal.h"

ss_status attn_select_top(const select_input *in, key_sets *out, ss_error *err) {
    (void)err;
    int n = 0;
    for (int head = 0; head < in->heads; head++) {
        if (attn_own_set(in, head)) n = attn_scope_largest(in, in->room_mass, head, in->room_key);
        attn_sets_put(out, head, in->room_key, n);
    }
    return SS_OK;
}
