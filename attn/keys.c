/* Keys by mass, sets of keys, names of keys: what selectors, probes and the record share. */
#include <string.h>

#include "attn/internal.h"

int attn_largest_keys(const double *mass, int n, int k, int32_t *out) {
    int have = 0;
    if (k > n) k = n;
    for (int j = 0; j < n; j++) {
        if (have == k && (k == 0 || !(mass[j] > mass[out[k - 1]]))) continue;
        int at = have < k ? have++ : k - 1;
        for (; at > 0 && mass[j] > mass[out[at - 1]]; at--) out[at] = out[at - 1];
        out[at] = j;
    }
    return have;
}

void attn_sets_put(key_sets *out, int head, const int32_t *keys, int n) {
    int32_t *set = out->key + out->begin[head];
    for (int i = 0; i < n; i++) { /* insertion: sets are small, or nearly in order */
        int at = i;
        for (; at > 0 && set[at - 1] > keys[i]; at--) set[at] = set[at - 1];
        set[at] = keys[i];
    }
    out->begin[head + 1] = out->begin[head] + n;
}

void attn_key_name(const attn_segment *segments, int n, int key, text *out) {
    for (int i = 0; i < n; i++) {
        const attn_segment *s = &segments[i];
        if (key < s->start || key >= s->start + s->length) continue;
        int offset = key - s->start;
        if (s->grid_width > 0) text_addf(out, "%s (%d, %d)", s->name, offset / s->grid_width, offset % s->grid_width);
        else text_addf(out, "%s %d", s->name, offset);
        return;
    }
    text_addf(out, "key %d outside all segments", key);
}
