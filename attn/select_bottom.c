/* Selector `bottom`: the keys of smallest mass, the counterpart of `top`. Ties go to the lower index. */
#include <string.h>

#include "attn/internal.h"

static ss_status select_bottom(const select_input *in, key_sets *out, ss_error *err) {
    (void)err;
    int n = 0;
    for (int head = 0; head < in->heads; head++) {
        if (attn_own_set(in, head)) {
            const double *mass = attn_scope_mass(in, in->scratch_mass, head);
            if (mass != in->scratch_mass) memcpy(in->scratch_mass, mass, sizeof *mass * (size_t)in->keys);
            for (int j = 0; j < in->keys; j++) in->scratch_mass[j] = -in->scratch_mass[j];
            n = attn_largest_keys(in->scratch_mass, in->keys, attn_set_size(in, head), in->scratch_key);
        }
        attn_sets_put(out, head, in->scratch_key, n);
    }
    return SS_OK;
}

const attn_selector attn_selector_bottom = {
    .about = {"bottom", "the k keys of smallest incoming mass", NULL}, .select = select_bottom, .needs = NEED_MASS};
