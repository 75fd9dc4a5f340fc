/* Probe `concentration`: mean over rows of the r largest weights' sum, and beside it the sum of the r largest masses:
 * the first is high also where every row has keys of its own, the second only where rows share them. */
#include "attn/internal.h"

void attn_probe_concentration(const observation *o, float *columns) {
    int32_t top[ATTN_MAX_R];
    double sum = 0;
    int n = attn_largest_keys(o->mass, o->keys, o->r, top);
    for (int i = 0; i < n; i++) sum += o->mass[top[i]];
    columns[0] = (float)o->concentration;
    columns[1] = (float)sum;
}
