/* Edit `mask`: S - B on the set before the softmax in its exact limit, B = infinity: no weight on the set, the rest
 * rescaled by 1 / (1 - p). At the B = 1e4 of the paper's code exp(-B) is 0 in float32, so both are the same. */
#include "attn/internal.h"

void attn_edit_mask(const option_value *options, edit_step *step) {
    (void)options;
    step->param = 0; /* eta */
}
