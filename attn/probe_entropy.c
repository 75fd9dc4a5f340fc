/* Probe `entropy`: mean_i H_i, H_i = lse_i - sum_j P_ij S_ij (METHOD.md, section 2). */
#include "attn/internal.h"

void attn_probe_entropy(const observation *o, float *columns) { columns[0] = (float)o->entropy; }
