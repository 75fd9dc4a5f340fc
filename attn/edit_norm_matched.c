/* Edit `norm-matched`: o + |o' - o| u, with o' what a mask of the set would give and u a seeded random direction, row
 * by row: a control for the size of the push, in a meaningless direction (METHOD.md, section 10). */
#include "attn/internal.h"

void attn_edit_norm_matched(const output_input *in, double *amount) {
    for (int64_t i = in->row_begin; i < in->row_end; i++) amount[i] = in->push[i];
}
