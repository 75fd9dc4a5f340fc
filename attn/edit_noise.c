/* Edit `noise`: the set's values become N(0, sd^2), under unchanged weights. A key's noise depends on its place, not on
 * what else is in the set (attn.c draws it). */
#include "attn/internal.h"

const option ATTN_EDIT_NOISE_OPTIONS[] = {
    {"sd", OPTION_DOUBLE, NULL, 0, 1e6, NULL, "standard deviation of each component of the noise"},
    {0},
};

void attn_edit_noise(const option_value *options, edit_step *step) { step->param = (float)options[0].number; }
