/* Edit `rescale`: o / (1 - p), p the set's weight in the row: what a mask does to the length of the rest, without
 * taking anything away (METHOD.md, section 10). Where nothing but the set has weight, the factor has no bound; it stops
 * at 1e6, so that an image stays a number. */
#include "attn/internal.h"

void attn_edit_rescale(const output_input *in, double *amount) {
    const double MOST = 1e6;
    for (int64_t i = in->row_begin; i < in->row_end; i++) amount[i] = in->rest[i] > 1 / MOST ? 1 / in->rest[i] : MOST;
}
