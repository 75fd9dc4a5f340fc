/* Matched controls: random keys outside the top-k set that are like it in mass or in kind, and `top-matched`, the sinks
 * that have such a match: the arm that a matched control is compared with. A sink without a match is left out of both
 * and counted, never replaced (METHOD.md, section 7). All three selectors make the same draw, so both arms leave out
 * the same sinks. Draws exclude the top-k set, so sets of growing k do not nest (docs/PITFALLS.md). */
#include <string.h>

#include "attn/internal.h"

enum { PERSIST_NONE, PERSIST_MATCHED };
typedef enum match_by { MATCH_MODALITY, MATCH_CLASS, MATCH_MASS } match_by;

static const option TYPE_MATCHED_OPTIONS[] = {
    {"match", OPTION_WORD, "modality|class", 0, 0, "class",
     "what is equal: image or text, or the class of the token (image, start, word, end, padding)"},
    {"persist", OPTION_WORD, "none|matched", 0, 0, "none",
     "matched: from step to step as many keys are replaced, of each kind, as left the top-k set"},
    {0},
};
static const option TOP_MATCHED_OPTIONS[] = {
    {"match", OPTION_WORD, "modality|class|mass", 0, 0, "class",
     "the control that this is the paired arm of: type-matched by modality or class, or mass-matched"},
    {0},
};

/* The sinks of one scope and the keys that were drawn for them, in scratch for all keys: sinks by falling mass. Kept
 * sinks are the ones at [0, n_sinks) after the match; n_sinks + left_out is the size of the set asked for. */
typedef struct matched {
    int n_sinks, left_out, n_control;
    int32_t *sink, *control;
} matched;

/* The keys outside the sinks in random order, drawn on demand. */
typedef struct outside {
    philox stream;
    int32_t *order;
    int n, drawn;
} outside;

static int32_t outside_key(outside *o, int i) {
    while (o->drawn <= i) attn_shuffle_next(&o->stream, o->order, o->n, o->drawn++);
    return o->order[i];
}

/* Kinds are small numbers: the segment, and with MATCH_CLASS the class of the token in it; MATCH_MODALITY only has two.
 */
enum { KINDS = ATTN_MAX_SEGMENTS * KEY_CLASSES };

static int kind_of(const select_input *in, match_by by, int32_t key) {
    const attn_segment *s = attn_segment_of(in->segments, in->n_segments, key);
    if (!s) return 0;
    if (by == MATCH_MODALITY) return s->kind == SEGMENT_IMAGE;
    return (int)(s - in->segments) * KEY_CLASSES + (in->key_class ? in->key_class[key] : KEY_IMAGE);
}

/* Of the outside keys in random order as many of each kind as the sinks have; where a kind runs out, its lightest sinks
 * are left out. `all`: how many keys of each kind the call has. */
static void match_kinds(const select_input *in, match_by by, const int *all, outside *o, matched *m) {
    int wanted[KINDS] = {0}, have[KINDS] = {0}, kept = 0, missing = 0;
    for (int i = 0; i < m->n_sinks; i++) wanted[kind_of(in, by, m->sink[i])]++;
    for (int kind = 0; kind < KINDS; kind++) {
        if (wanted[kind] > all[kind] - wanted[kind]) wanted[kind] = all[kind] - wanted[kind];
        missing += wanted[kind];
    }
    for (int i = 0; missing > 0; i++) {
        int32_t key = outside_key(o, i);
        int kind = kind_of(in, by, key);
        if (have[kind] == wanted[kind]) continue;
        have[kind]++;
        missing--;
        m->control[m->n_control++] = key;
    }
    for (int i = 0; i < m->n_sinks; i++) {
        int kind = kind_of(in, by, m->sink[i]);
        if (have[kind] == 0) continue;
        have[kind]--;
        m->sink[kept++] = m->sink[i];
    }
    m->left_out = m->n_sinks - kept;
    m->n_sinks = kept;
}

/* How many of the outside keys (at most `most`) bring their summed mass nearest to `target`: the number before or after
 * the key that crosses it. -1 where they never reach it. */
static int count_for_mass(const double *mass, outside *o, int most, double target) {
    double sum = 0;
    for (int i = 0; i < most; i++) {
        double next = sum + mass[outside_key(o, i)];
        if (next >= target) return target - sum < next - target ? i : i + 1;
        sum = next;
    }
    return -1;
}

/* The first of the outside keys whose summed mass is nearest to the sinks'. Where half of a call's keys do not hold as
 * much, the heaviest sinks are left out, one by one. */
static void match_mass(const select_input *in, const double *mass, outside *o, matched *m) {
    int most = o->n < in->keys / 2 ? o->n : in->keys / 2, from = 0, all = m->n_sinks;
    for (; from < all; from++) {
        double target = 0;
        for (int i = all - 1; i >= from; i--) target += mass[m->sink[i]];
        m->n_control = count_for_mass(mass, o, most, target);
        if (m->n_control >= 0) break;
    }
    if (from == all) m->n_control = 0;
    m->n_sinks = all - from;
    m->left_out = from;
    memmove(m->sink, m->sink + from, sizeof *m->sink * (size_t)m->n_sinks);
    memcpy(m->control, o->order, sizeof *o->order * (size_t)m->n_control);
}

enum { WAS_SINK = 1, WAS_CONTROL = 2 }; /* marks of the step before */

/* Put the outside keys into the order in which a persistent control takes them: those it keeps from the step before,
 * new ones, and last those that it gives up: of each kind as many as left the sinks. Keys that have become sinks are
 * given up first (they are not in `order`). `scratch` (scratch): [n]. */
static void order_persistent(const select_input *in, match_by by, const uint8_t *marks, const uint8_t *is_sink,
                             int32_t *order, int n, int32_t *scratch) {
    int leave[KINDS] = {0}, front = 0, back = n;
    for (int j = 0; j < in->keys; j++) {
        if (marks[j] & WAS_SINK && !is_sink[j]) leave[kind_of(in, by, j)]++;
        if (marks[j] & WAS_CONTROL && is_sink[j]) leave[kind_of(in, by, j)]--;
    }
    memcpy(scratch, order, sizeof *order * (size_t)n);
    for (int i = 0; i < n; i++) {
        if (!(marks[scratch[i]] & WAS_CONTROL)) continue;
        int kind = kind_of(in, by, scratch[i]), gives_up = leave[kind] > 0;
        leave[kind] -= gives_up;
        order[gives_up ? --back : front++] = scratch[i];
    }
    for (int i = 0; i < n; i++)
        if (!(marks[scratch[i]] & WAS_CONTROL)) order[front++] = scratch[i];
}

static void remember(const matched *m, uint8_t *marks, int keys) {
    memset(marks, 0, (size_t)keys);
    for (int i = 0; i < m->n_sinks; i++) marks[m->sink[i]] |= WAS_SINK;
    for (int i = 0; i < m->n_control; i++) marks[m->control[i]] |= WAS_CONTROL;
}

/* One scope's sinks and their match. The scratch of the call holds everything: keys for sinks, then order; marks. */
static ss_status match_scope(const select_input *in, match_by by, const int *all, int persists, int head, matched *m,
                             ss_error *err) {
    outside o = {.order = in->scratch_key + in->keys};
    const double *mass = attn_scope_mass(in, in->scratch_mass, head);
    *m = (matched){.sink = in->scratch_key, .control = in->scratch_key + 2 * (size_t)in->keys};
    m->n_sinks = attn_largest_keys(mass, in->keys, attn_set_size(in, head), m->sink);
    memset(in->scratch_mark, 0, (size_t)in->keys);
    for (int i = 0; i < m->n_sinks; i++) in->scratch_mark[m->sink[i]] = 1;
    for (int j = 0; j < in->keys; j++)
        if (!in->scratch_mark[j]) o.order[o.n++] = j;
    attn_selector_stream(in, by == MATCH_MASS ? "mass-matched" : "type-matched", head, &o.stream);
    uint8_t *marks = NULL;
    if (persists) {
        marks = attn_run_marks(in->run, in->intervention, in->block, head, in->branch, err);
        if (!marks) return err->code;
        if (o.n > 0) outside_key(&o, o.n - 1);
        order_persistent(in, by, marks, in->scratch_mark, o.order, o.n, m->control);
    }
    if (by == MATCH_MASS) match_mass(in, mass, &o, m);
    else match_kinds(in, by, all, &o, m);
    if (persists) remember(m, marks, in->keys);
    return SS_OK;
}

static ss_status select_matched(const select_input *in, match_by by, int persists, int sinks, key_sets *out,
                                ss_error *err) {
    matched m = {0};
    int all[KINDS] = {0};
    for (int j = 0; by != MATCH_MASS && j < in->keys; j++) all[kind_of(in, by, j)]++;
    for (int head = 0; head < in->heads; head++) {
        if (attn_own_set(in, head)) SS_TRY(match_scope(in, by, all, persists, head, &m, err));
        attn_sets_put(out, head, sinks ? m.sink : m.control, sinks ? m.n_sinks : m.n_control);
        out->left_out[head] = m.left_out;
    }
    return SS_OK;
}

static ss_status select_mass_matched(const select_input *in, key_sets *out, ss_error *err) {
    return select_matched(in, MATCH_MASS, 0, 0, out, err);
}

static ss_status select_type_matched(const select_input *in, key_sets *out, ss_error *err) {
    return select_matched(in, (match_by)in->options[0].word, in->options[1].word == PERSIST_MATCHED, 0, out, err);
}

static ss_status select_top_matched(const select_input *in, key_sets *out, ss_error *err) {
    return select_matched(in, (match_by)in->options[0].word, 0, 1, out, err);
}

const attn_selector attn_selector_mass_matched = {
    .about = {"mass-matched",
              "random keys outside the top-k set, as many as bring their summed mass nearest to the set's", NULL},
    .select = select_mass_matched,
    .needs = NEED_MASS,
    .matches = 1,
    .global = 1};

const attn_selector attn_selector_type_matched = {
    .about = {"type-matched", "random keys outside the top-k set, as many of each kind as the set has",
              TYPE_MATCHED_OPTIONS},
    .select = select_type_matched,
    .needs = NEED_MASS,
    .matches = 1,
    .global = 1};

const attn_selector attn_selector_top_matched = {
    .about = {"top-matched", "the top-k keys that a matched control finds a match for: its paired arm",
              TOP_MATCHED_OPTIONS},
    .select = select_top_matched,
    .sinks = 1,
    .needs = NEED_MASS,
    .matches = 1,
    .global = 1};
