/* Selector `random`: keys drawn uniformly without replacement, from a stream whose name leaves k out: the set is the
 * first keys of one random order, so sets of growing k nest (METHOD.md, section 3). */
#include <string.h>

#include "attn/internal.h"

static const option RANDOM_OPTIONS[] = {
    {"exclude", OPTION_WORD, "none|top", 0, 0, "none", "keys never drawn: none, or the top-k set of the same scope"},
    {0},
};
enum { EXCLUDE_NONE, EXCLUDE_TOP };

/* The first `want` keys of the stream's order of all keys, without those that `taken` marks. */
static int draw(philox *r, int keys, int want, const uint8_t *taken, int32_t *order) {
    int have = 0;
    for (int j = 0; j < keys; j++) order[j] = j;
    for (int i = 0; i < keys && have < want; i++) {
        attn_shuffle_next(r, order, keys, i);
        int32_t key = order[i];
        if (!taken || !taken[key]) order[have++] = key; /* have <= i: only places already drawn are written */
    }
    return have;
}

static int select_random_looks(const option_value *options, attn_scope scope) {
    return options[0].word == EXCLUDE_TOP || scope == SCOPE_GLOBAL;
}

static ss_status select_random(const select_input *in, key_sets *out, ss_error *err) {
    int n = 0, excludes = in->options[0].word == EXCLUDE_TOP;
    for (int head = 0; head < in->heads; head++) {
        if (attn_own_set(in, head)) {
            philox r;
            int want = attn_set_size(in, head);
            attn_selector_stream(in, "random", head, &r);
            if (excludes) {
                int top = attn_scope_largest(in, in->scratch_mass, head, in->scratch_key);
                memset(in->scratch_mark, 0, (size_t)in->keys);
                for (int i = 0; i < top; i++) in->scratch_mark[in->scratch_key[i]] = 1;
            }
            n = draw(&r, in->keys, want, excludes ? in->scratch_mark : NULL, in->scratch_key);
            if (n < want)
                return error_set(err, SS_ERR_INTERNAL, NULL, "random: expected %d keys to draw, found %d of %d", want,
                                 n, in->keys);
        }
        attn_sets_put(out, head, in->scratch_key, n);
    }
    return SS_OK;
}

const attn_selector attn_selector_random = {
    .about = {"random", "k keys drawn uniformly without replacement", RANDOM_OPTIONS},
    .select = select_random,
    .looks = select_random_looks,
    .needs = NEED_MASS,
    .global = 1};
