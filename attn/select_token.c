/* Selector `token`: the heaviest text keys among those of a class (start, word, end, padding) or of a word of the
 * prompt, as many as k or as there are. In a branch whose text lacks the word (the negative prompt's, say) the set is
 * empty; a study's `missing` says what to do with prompts that lack it in every branch (study/plan_text.c). */
#include "attn/internal.h"

enum { ANY_CLASS }; /* then KEY_START .. KEY_PADDING, in the order of key_class */
static const option TOKEN_OPTIONS[] = {
    {"class", OPTION_WORD, "any|start|word|end|padding", 0, 0, "any", "class of the tokens"},
    {"word", OPTION_TEXT, NULL, 0, 0, "", "a word of the prompt; upper and lower case are the same"},
    {"missing", OPTION_WORD, "refuse|allow", 0, 0, "refuse",
     "prompts that have no such token: refuse the study, or make their images with nothing suppressed and count them"},
    {0},
};

static const char *wanted_word(const option_value *options) {
    return options[1].text && *options[1].text ? options[1].text : NULL;
}

static ss_status select_token_check(const option_value *options, int k, int size, const attn_segment *segments, int n,
                                    ss_error *err) {
    if (options[0].word == ANY_CLASS && !wanted_word(options))
        return error_set(err, SS_ERR_INPUT, NULL, "'token' needs a class (start, word, end, padding) or a word");
    return attn_selector_text_top.check(options, k, size, segments, n, err); /* as many text keys as a call has */
}

static int select_token_wanted(const select_input *in, int key) {
    const attn_segment *s = attn_segment_of(in->segments, in->n_segments, key);
    const char *word = wanted_word(in->options);
    if (!s || s->kind != SEGMENT_TEXT) return 0;
    if (in->options[0].word != ANY_CLASS && (!in->key_class || in->key_class[key] != in->options[0].word)) return 0;
    return !word || (in->word && text_equal_fold(in->word(in->words, in->branch, key), word));
}

static ss_status select_token(const select_input *in, key_sets *out, ss_error *err) {
    (void)err;
    attn_select_among(in, select_token_wanted, out);
    return SS_OK;
}

const attn_selector attn_selector_token = {
    .about = {"token", "the k heaviest keys among the tokens of a word of the prompt or of a class", TOKEN_OPTIONS},
    .select = select_token,
    .needs = NEED_MASS,
    .wanted = select_token_wanted,
    .check = select_token_check};
