/* Edit `null`: a virtual key with value 0 joins the softmax with a given score, so o' = o / (1 + exp(score - lse)): a
 * sink added, not removed (METHOD.md, section 10). */
#include <math.h>

#include "attn/internal.h"

const option ATTN_EDIT_NULL_OPTIONS[] = {
    {"score", OPTION_DOUBLE, NULL, -1e4, 1e4, NULL,
     "the key's score before the softmax; its weight in a row is 1 / (1 + exp(lse - score))"},
    {0},
};

void attn_edit_null(const output_input *in, double *amount) {
    for (int64_t i = in->row_begin; i < in->row_end; i++) amount[i] = 1 / (1 + exp(in->options[0].number - in->lse[i]));
}
