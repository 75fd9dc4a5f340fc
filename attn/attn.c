/* The attention call: kernel -> selectors -> edits -> probes. */
#include "attn/attn.h"

void attn_forward(compute *c, const attn_call *call) { op_attention(c, &call->args, NULL); }
