/* Probe `mass`: the largest incoming mass and its key. */
#include "attn/internal.h"

void attn_probe_mass(const observation *o, float *columns) {
    int32_t top;
    attn_largest_keys(o->mass, o->keys, 1, &top);
    columns[0] = (float)o->mass[top];
    columns[1] = (float)top;
}
