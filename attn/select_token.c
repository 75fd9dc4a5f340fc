/* Selector `token`: the heaviest text keys among those of a class (start, word, end, padding) or of a word of the
 * prompt, as many as k or as there are. In a branch whose text lacks the word (the negative prompt's, say) the set is
 * empty. */
#include <string.h>

#include "attn/internal.h"

enum { ANY_CLASS }; /* then KEY_START .. KEY_PADDING, in the order of key_class */
const option ATTN_SELECT_TOKEN_OPTIONS[] = {
    {"class", OPTION_WORD, "any|start|word|end|padding", 0, 0, "any", "class of the tokens"},
    {"word", OPTION_TEXT, NULL, 0, 0, "", "a word of the prompt; upper and lower case are the same"},
    {0},
};

static const char *wanted_word(const option_value *options) {
    return options[1].text && *options[1].text ? options[1].text : NULL;
}

ss_status attn_select_token_check(const option_value *options, int k, int size, const attn_segment *segments, int n,
                                  ss_error *err) {
    int have = 0;
    (void)k;
    if (options[0].word == ANY_CLASS && !wanted_word(options))
        return error_set(err, SS_ERR_INPUT, NULL, "'token' needs a class (start, word, end, padding) or a word");
    for (int i = 0; i < n; i++) have += segments[i].kind == SEGMENT_TEXT ? segments[i].length : 0;
    if (size <= have) return SS_OK;
    return error_set(err, SS_ERR_INPUT, NULL, "asks for sets of %d keys; expected at most %d, the text keys of a call",
                     size, have);
}

static int is_wanted(const select_input *in, int key) {
    const attn_segment *s = attn_segment_of(in->segments, in->n_segments, key);
    const char *word = wanted_word(in->options);
    if (!s || s->kind != SEGMENT_TEXT) return 0;
    if (in->options[0].word != ANY_CLASS && (!in->key_class || in->key_class[key] != in->options[0].word)) return 0;
    return !word || (in->word && text_equal_fold(in->word(in->words, in->branch, key), word));
}

ss_status attn_select_token(const select_input *in, key_sets *out, ss_error *err) {
    int n = 0;
    (void)err;
    for (int head = 0; head < in->heads; head++) {
        if (attn_own_set(in, head)) {
            const double *mass = attn_scope_mass(in, in->room_mass, head);
            int have = 0, want = attn_set_size(in, head);
            for (int j = 0; j < in->keys; j++) {
                int wanted = is_wanted(in, j);
                in->room_mass[j] = wanted ? mass[j] : -1; /* no mass is negative */
                have += wanted;
            }
            n = attn_largest_keys(in->room_mass, in->keys, want < have ? want : have, in->room_key);
        }
        attn_sets_put(out, head, in->room_key, n);
    }
    return SS_OK;
}
