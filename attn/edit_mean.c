/* Edit `mean`: the set's values become the mean of v over all keys of the head, under unchanged weights. */
#include "attn/internal.h"

void attn_edit_mean(const option_value *options, edit_step *step) {
    (void)options;
    step->param = 0; /* alpha */
    step->to_mean = 1;
}
