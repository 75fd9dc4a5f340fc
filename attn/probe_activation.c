/* Probe `activation`: largest and 95th-percentile size of what the block received and of the head's output: massive
 * activations (METHOD.md, section 11). The inputs are the block's, the same in the row of every head. */
#include <string.h>

#include "attn/internal.h"

void attn_probe_activation(const observation *o, float *columns) { memcpy(columns, o->sizes, sizeof o->sizes); }
