/* Edit `zero`: the set's values become 0 under unchanged weights. Row by row (1 - p) times the output of `mask`. */
#include "attn/internal.h"

void attn_edit_zero(const option_value *options, edit_step *step) {
    (void)options;
    step->param = 0; /* alpha */
    step->to_mean = 0;
}
