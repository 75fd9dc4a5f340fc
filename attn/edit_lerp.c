/* Edit `lerp`: the set's values move towards the mean of v over all keys of the head: alpha v + (1 - alpha) mean. */
#include "attn/internal.h"

const option ATTN_EDIT_LERP_OPTIONS[] = {
    {"alpha", OPTION_DOUBLE, NULL, 0, 1, NULL, "share of a key's own value: 1 = identity, 0 = mean"},
    {0},
};

void attn_edit_lerp(const option_value *options, edit_step *step) {
    step->param = (float)options[0].number;
    step->to_mean = 1;
}
