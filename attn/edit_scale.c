/* Edit `scale`: weights of the set times eta, the rest times (1 - eta p) / (1 - p). eta = 1 runs through the same
 * arithmetic and gives the same bits back: the identity arm of a study. */
#include "attn/internal.h"

const option ATTN_EDIT_SCALE_OPTIONS[] = {
    {"eta", OPTION_DOUBLE, NULL, 0, 1, NULL, "factor of the set's weights: 0 = mask, 1 = identity"},
    {0},
};

void attn_edit_scale(const option_value *options, edit_step *step) { step->param = (float)options[0].number; }
