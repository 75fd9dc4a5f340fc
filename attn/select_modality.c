/* Selectors `text-top` and `image-top`: the keys of largest mass within one modality. In a joint attention nearly all
 * sinks are of one kind; these show the effect of the other kind's heaviest keys. Ties go to the lower index. */
#include "attn/internal.h"

static int is_of_kind(const select_input *in, int key, segment_kind kind) {
    const attn_segment *s = attn_segment_of(in->segments, in->n_segments, key);
    return s && s->kind == kind;
}

static int is_text(const select_input *in, int key) { return is_of_kind(in, key, SEGMENT_TEXT); }
static int is_image(const select_input *in, int key) { return is_of_kind(in, key, SEGMENT_IMAGE); }

static ss_status check_kind(segment_kind kind, const char *name, int size, const attn_segment *segments, int n,
                            ss_error *err) {
    int have = 0;
    for (int i = 0; i < n; i++) have += segments[i].kind == kind ? segments[i].length : 0;
    if (size <= have) return SS_OK;
    return error_set(err, SS_ERR_INPUT, NULL, "asks for sets of %d keys; expected at most %d, the %s keys of a call",
                     size, have, name);
}

static ss_status select_text_top(const select_input *in, key_sets *out, ss_error *err) {
    (void)err;
    attn_select_among(in, is_text, out);
    return SS_OK;
}

static ss_status select_image_top(const select_input *in, key_sets *out, ss_error *err) {
    (void)err;
    attn_select_among(in, is_image, out);
    return SS_OK;
}

static ss_status select_text_top_check(const option_value *options, int k, int size, const attn_segment *segments,
                                       int n, ss_error *err) {
    (void)options, (void)k;
    return check_kind(SEGMENT_TEXT, "text", size, segments, n, err);
}

static ss_status select_image_top_check(const option_value *options, int k, int size, const attn_segment *segments,
                                        int n, ss_error *err) {
    (void)options, (void)k;
    return check_kind(SEGMENT_IMAGE, "image", size, segments, n, err);
}

const attn_selector attn_selector_text_top = {.about = {"text-top", "the k text keys of largest incoming mass", NULL},
                                              .select = select_text_top,
                                              .needs = NEED_MASS,
                                              .check = select_text_top_check};

const attn_selector attn_selector_image_top = {
    .about = {"image-top", "the k image keys of largest incoming mass", NULL},
    .select = select_image_top,
    .needs = NEED_MASS,
    .check = select_image_top_check};
