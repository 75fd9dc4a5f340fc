/* Selector `top`: the dynamic sinks, the keys of largest mass (method.md section 2). Ties go to the lower index. */
#include <string.h>

#include "attn/internal.h"

int attn_scope_largest(const select_input *in, double *room, int head, int32_t *out) {
    const double *mass = in->mass + (size_t)head * (size_t)in->keys;
    if (in->scope == SCOPE_LAYER) { /* the mean over heads orders keys as the sum does */
        memset(room, 0, sizeof *room * (size_t)in->keys);
        for (int h = 0; h < in->heads; h++)
            for (int j = 0; j < in->keys; j++) room[j] += in->mass[(size_t)h * (size_t)in->keys + (size_t)j];
        mass = room;
    }
    return attn_largest_keys(mass, in->keys, attn_set_size(in), out);
}

ss_status attn_select_top(const select_input *in, key_sets *out, ss_error *err) {
    (void)err;
    int n = 0;
    for (int head = 0; head < in->heads; head++) {
        if (head == 0 || in->scope == SCOPE_HEAD) n = attn_scope_largest(in, in->room_mass, head, in->room_key);
        attn_sets_put(out, head, in->room_key, n);
    }
    return SS_OK;
}
