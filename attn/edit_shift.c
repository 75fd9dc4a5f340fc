/* Edit `shift`: S - beta on the set before the softmax. beta = 0 changes nothing, a large beta is `mask`. */
#include "attn/internal.h"

const option ATTN_EDIT_SHIFT_OPTIONS[] = {
    {"beta", OPTION_DOUBLE, NULL, 0, 1e4, NULL, "taken from the set's scores: 0 = identity, large = mask"},
    {0},
};

void attn_edit_shift(const option_value *options, edit_step *step) { step->param = (float)options[0].number; }
