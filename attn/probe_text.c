/* Probe `text`: how much of the attention goes to text keys, how many of the r heaviest keys are text, and the masses
 * of the first image key and the first text key: the positions that fixed-index studies act on (METHOD.md, section 2).
 */
#include <math.h>

#include "attn/internal.h"

static void probe_text(const observation *o, float *columns) {
    int32_t top[ATTN_MAX_R];
    int n = attn_largest_keys(o->mass, o->keys, o->r, top), text_keys = 0, of_top = 0;
    double sum = 0;
    columns[2] = columns[3] = NAN; /* a call without image or text keys has no first one */
    for (int i = 0; i < o->n_segments; i++) {
        const attn_segment *s = &o->segments[i];
        float *first = &columns[s->kind == SEGMENT_TEXT ? 3 : 2];
        if (s->length > 0 && isnan(*first)) *first = (float)o->mass[s->start];
        if (s->kind != SEGMENT_TEXT) continue;
        text_keys += s->length;
        for (int j = s->start; j < s->start + s->length; j++) sum += o->mass[j];
    }
    for (int i = 0; i < n; i++) {
        const attn_segment *s = attn_segment_of(o->segments, o->n_segments, top[i]);
        of_top += s && s->kind == SEGMENT_TEXT;
    }
    columns[0] = text_keys > 0 ? (float)sum : NAN;
    columns[1] = text_keys > 0 ? (float)of_top / (float)n : NAN;
}

const attn_probe attn_probe_text = {
    .about = {"text", "how much of the attention goes to text keys, and to the first image and text key", NULL},
    .needs = NEED_MASS,
    .n_columns = 4,
    .column = {"text_mass", "text_of_top_r", "image0_mass", "text0_mass"},
    .column_help = {"summed mass of all text keys, 0 to 1", "share of the r heaviest keys that are text, 0 to 1",
                    "mass of the first image key, 0 to 1", "mass of the first text key, 0 to 1"},
    .observe = probe_text};
