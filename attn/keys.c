/* Keys by mass, sets of keys, names of keys: what selectors, probes and the record share. */
#include <string.h>

#include "attn/internal.h"

int attn_largest_keys(const double *mass, int n, int k, int32_t *out) {
    int have = 0;
    double least = 0; /* of the k at hand */
    if (k > n) k = n;
    for (int j = 0; j < n; j++) {
        if (have == k && (k == 0 || !(mass[j] > least))) continue;
        int at = have < k ? have++ : k - 1;
        for (; at > 0 && mass[j] > mass[out[at - 1]]; at--) out[at] = out[at - 1];
        out[at] = j;
        least = mass[out[have - 1]];
    }
    return have;
}

int attn_set_size(const select_input *in, int head) {
    if (in->scope != SCOPE_GLOBAL) return in->scope == SCOPE_LAYER ? in->k * in->heads : in->k;
    double least = attn_run_threshold(in->run, in->intervention, in->where, in->step, in->branch);
    const double *mass = in->mass + (size_t)head * (size_t)in->keys;
    int n = 0;
    for (int j = 0; j < in->keys; j++) n += mass[j] >= least;
    return n < in->keys / 2 ? n : in->keys / 2;
}

const double *attn_scope_mass(const select_input *in, double *scratch, int head) {
    if (in->scope != SCOPE_LAYER) return in->mass + (size_t)head * (size_t)in->keys;
    memset(scratch, 0, sizeof *scratch * (size_t)in->keys);
    for (int h = 0; h < in->heads; h++) /* the mean over heads orders keys as the sum does */
        for (int j = 0; j < in->keys; j++) scratch[j] += in->mass[(size_t)h * (size_t)in->keys + (size_t)j];
    return scratch;
}

int attn_scope_largest(const select_input *in, double *scratch, int head, int32_t *out) {
    return attn_largest_keys(attn_scope_mass(in, scratch, head), in->keys, attn_set_size(in, head), out);
}

void attn_select_among(const select_input *in, int (*wanted)(const select_input *in, int key), key_sets *out) {
    int n = 0, have = 0;
    for (int j = 0; j < in->keys; j++) have += in->scratch_mark[j] = (uint8_t)(wanted(in, j) != 0);
    for (int head = 0; head < in->heads; head++) {
        if (attn_own_set(in, head)) {
            const double *mass = attn_scope_mass(in, in->scratch_mass, head);
            int want = attn_set_size(in, head);
            for (int j = 0; j < in->keys; j++)
                in->scratch_mass[j] = in->scratch_mark[j] ? mass[j] : -1; /* no mass is negative */
            n = attn_largest_keys(in->scratch_mass, in->keys, want < have ? want : have, in->scratch_key);
        }
        attn_sets_put(out, head, in->scratch_key, n);
    }
}

void attn_shuffle_next(philox *r, int32_t *order, int n, int i) {
    int j = i + (int)philox_below(r, (uint32_t)(n - i));
    int32_t key = order[j];
    order[j] = order[i];
    order[i] = key;
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

const attn_segment *attn_segment_of(const attn_segment *segments, int n, int key) {
    for (int i = 0; i < n; i++)
        if (key >= segments[i].start && key < segments[i].start + segments[i].length) return &segments[i];
    return NULL;
}

const attn_segment *attn_image_of(const attn_segment *segments, int n) {
    for (int i = 0; i < n; i++)
        if (segments[i].kind == SEGMENT_IMAGE && segments[i].grid_width > 0) return &segments[i];
    return NULL;
}

void attn_key_name(const attn_segment *segments, int n, int key, text *out) {
    const attn_segment *s = attn_segment_of(segments, n, key);
    int offset = s ? key - s->start : 0;
    if (!s) text_addf(out, "key %d outside all segments", key);
    else if (s->grid_width > 0) text_addf(out, "%s (%d, %d)", s->name, offset / s->grid_width, offset % s->grid_width);
    else text_addf(out, "%s %d", s->name, offset);
}
