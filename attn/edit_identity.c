/* Edit `identity`: the arithmetic of `scale` with eta = 1, which must give the baseline's bits: it shows that the
 * arithmetic itself does nothing. */
#include "attn/internal.h"

void attn_edit_identity(const option_value *options, edit_step *step) {
    (void)options;
    step->param = 1; /* eta */
}
