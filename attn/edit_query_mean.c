/* Edit `query-mean`: the output of the chosen query rows becomes the mean of v over all keys of the head. (A constant
 * added to a whole row of scores would change nothing: softmax does not see it.) */
#include "attn/internal.h"

void attn_edit_query_mean(const output_input *in, double *amount) {
    for (int i = 0; i < in->n_chosen; i++) amount[in->chosen[i]] = 1;
}
