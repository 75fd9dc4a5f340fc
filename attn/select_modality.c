/* Selectors `text-top` and `image-top`: the keys of largest mass within one modality. In a joint attention nearly all
 * sinks are of one kind; these tell what the other kind's heaviest keys do. Ties go to the lower index. */
#include "attn/internal.h"

static ss_status select_kind(const select_input *in, segment_kind kind, key_sets *out) {
    int n = 0;
    for (int head = 0; head < in->heads; head++) {
        if (attn_own_set(in, head)) {
            const double *mass = attn_scope_mass(in, in->room_mass, head);
            for (int j = 0; j < in->keys; j++) {
                const attn_segment *s = attn_segment_of(in->segments, in->n_segments, j);
                in->room_mass[j] = s && s->kind == kind ? mass[j] : -1; /* no mass is negative */
            }
            n = attn_largest_keys(in->room_mass, in->keys, attn_set_size(in, head), in->room_key);
        }
        attn_sets_put(out, head, in->room_key, n);
    }
    return SS_OK;
}

static ss_status check_kind(segment_kind kind, const char *name, int size, const attn_segment *segments, int n,
                            ss_error *err) {
    int have = 0;
    for (int i = 0; i < n; i++) have += segments[i].kind == kind ? segments[i].length : 0;
    if (size <= have) return SS_OK;
    return error_set(err, SS_ERR_INPUT, NULL, "asks for sets of %d keys; expected at most %d, the %s keys of a call",
                     size, have, name);
}

ss_status attn_select_text_top(const select_input *in, key_sets *out, ss_error *err) {
    (void)err;
    return select_kind(in, SEGMENT_TEXT, out);
}

ss_status attn_select_image_top(const select_input *in, key_sets *out, ss_error *err) {
    (void)err;
    return select_kind(in, SEGMENT_IMAGE, out);
}

ss_status attn_select_text_top_check(const option_value *options, int k, int size, const attn_segment *segments, int n,
                                     ss_error *err) {
    (void)options, (void)k;
    return check_kind(SEGMENT_TEXT, "text", size, segments, n, err);
}

ss_status attn_select_image_top_check(const option_value *options, int k, int size, const attn_segment *segments, int n,
                                      ss_error *err) {
    (void)options, (void)k;
    return check_kind(SEGMENT_IMAGE, "image", size, segments, n, err);
}
