/* Selector `index`: k keys from a named position on: a segment and an offset, never a bare number, since the order of
 * tokens differs between networks. */
#include <stdlib.h>
#include <string.h>

#include "attn/internal.h"

static const option INDEX_OPTIONS[] = {
    {"at", OPTION_TEXT, NULL, 0, 0, NULL, "segment and offset of the first key: 'image 0', 'clip 0'"},
    {0},
};

static void list_segments(const attn_segment *segments, int n, text *out) {
    for (int i = 0; i < n; i++) text_addf(out, "%s'%s' (%d)", i ? ", " : "", segments[i].name, segments[i].length);
}

/* "clip 0" -> the key's index in the call. */
static ss_status find_key(const char *at, int k, const attn_segment *segments, int n, int *key, ss_error *err) {
    const char *space = strrchr(at, ' ');
    int64_t offset = -1;
    const attn_segment *s = NULL;
    for (int i = 0; space && i < n; i++)
        if (strlen(segments[i].name) == (size_t)(space - at) &&
            strncmp(segments[i].name, at, (size_t)(space - at)) == 0)
            s = &segments[i];
    if (s && text_to_int(space + 1, &offset) == 0 && offset >= 0 && offset + k <= s->length) {
        *key = s->start + (int)offset;
        return SS_OK;
    }
    text all = {0};
    list_segments(segments, n, &all);
    error_set(
        err, SS_ERR_INPUT, NULL,
        "at is '%s'; expected a segment and an offset with room for k = %d keys, as in 'image 0'; segments (keys): "
        "%s",
        at, k, all.s ? all.s : "");
    text_free(&all);
    return SS_ERR_INPUT;
}

static ss_status select_index_check(const option_value *options, int k, int size, const attn_segment *segments, int n,
                                    ss_error *err) {
    int key;
    (void)size; /* every head has the same k keys, in every scope */
    return find_key(options[0].text, k, segments, n, &key, err);
}

static ss_status select_index(const select_input *in, key_sets *out, ss_error *err) {
    int first;
    SS_TRY(find_key(in->options[0].text, in->k, in->segments, in->n_segments, &first, err));
    for (int i = 0; i < in->k; i++) in->scratch_key[i] = first + i;
    for (int head = 0; head < in->heads; head++) attn_sets_put(out, head, in->scratch_key, in->k);
    return SS_OK;
}

const attn_selector attn_selector_index = {
    .about = {"index", "k keys from a fixed position of a segment on", INDEX_OPTIONS},
    .select = select_index,
    .check = select_index_check};
