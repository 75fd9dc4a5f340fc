/* Selector `top-carrying`: the part of the top-k set that carries little (no-op sinks) or much (broadcast sinks): keys
 * whose projected value is below, or not below, a share of its mean over the head's keys (METHOD.md, section 11). In
 * the scope of a layer, lengths are summed over heads, as masses are. */
#include "attn/internal.h"

static const option TOP_CARRYING_OPTIONS[] = {
    {"carries", OPTION_WORD, "little|much", 0, 0, "little", "which of the k heaviest: no-op sinks, or the others"},
    {"below", OPTION_DOUBLE, NULL, 0, 1e6, "0.1", "what is little: a projected value shorter than this times the mean"},
    {0},
};
enum { CARRIES_LITTLE, CARRIES_MUCH };

static double length_of(const select_input *in, int head, int key) {
    double sum = 0;
    int begin = in->scope == SCOPE_LAYER ? 0 : head, end = in->scope == SCOPE_LAYER ? in->heads : head + 1;
    for (int h = begin; h < end; h++) sum += (double)in->value_norm[(size_t)h * (size_t)in->keys + (size_t)key];
    return sum;
}

static ss_status select_top_carrying(const select_input *in, key_sets *out, ss_error *err) {
    (void)err;
    int n = 0;
    for (int head = 0; head < in->heads; head++) {
        if (attn_own_set(in, head)) {
            int top = attn_scope_largest(in, in->scratch_mass, head, in->scratch_key);
            double mean = 0;
            n = 0;
            for (int j = 0; j < in->keys; j++) mean += length_of(in, head, j);
            mean /= in->keys;
            for (int i = 0; i < top; i++) {
                int little = length_of(in, head, in->scratch_key[i]) < in->options[1].number * mean;
                if (little == (in->options[0].word == CARRIES_LITTLE)) in->scratch_key[n++] = in->scratch_key[i];
            }
        }
        attn_sets_put(out, head, in->scratch_key, n);
    }
    return SS_OK;
}

const attn_selector attn_selector_top_carrying = {
    .about = {"top-carrying",
              "those of the top-k keys whose value, after the output projection, is short (no-op sinks) or not",
              TOP_CARRYING_OPTIONS},
    .select = select_top_carrying,
    .sinks = 1,
    .needs = NEED_MASS | NEED_VALUES};
