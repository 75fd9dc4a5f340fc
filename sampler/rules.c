/* See rules.h. */
#include "sampler/rules.h"

#include <string.h>

const option PIPELINE_RULES[] = {PIPELINE_RULE_OPTIONS, {0}};

/* Word `number` of "today|older": where it begins, and its length. */
static const char *word_of(const option *o, int number, size_t *length) {
    const char *at = o->words;
    for (; number > 0; number--) at += strcspn(at, "|") + 1;
    *length = strcspn(at, "|");
    return at;
}

pipeline_rules pipeline_rules_older(void) {
    pipeline_rules r;
    memset(r.word, RULE_OLDER, sizeof r.word);
    return r;
}

json_t *pipeline_rules_write(const pipeline_rules *r) {
    json_t *o = json_object();
    for (int i = 0; o && i < PIPELINE_RULE_COUNT; i++) {
        size_t length;
        const char *word = word_of(&PIPELINE_RULES[i], r->word[i], &length);
        if (json_object_set_new(o, PIPELINE_RULES[i].name, json_stringn(word, length)) == 0) continue;
        json_decref(o);
        o = NULL;
    }
    return o;
}

ss_status pipeline_rules_read(const json_t *json, const char *where, pipeline_rules *out, ss_error *err) {
    *out = pipeline_rules_older();
    for (int i = 0; i < PIPELINE_RULE_COUNT; i++) {
        const json_t *written = json_object_get(json, PIPELINE_RULES[i].name);
        option_value word;
        if (!written) continue;
        if (!json_is_string(written))
            return error_set(err, SS_ERR_INPUT, where, "rules: %s is %s; expected one of %s", PIPELINE_RULES[i].name,
                             json_type_name(written), PIPELINE_RULES[i].words);
        SS_TRY(option_parse(&PIPELINE_RULES[i], json_string_value(written), where, &word, err));
        out->word[i] = (uint8_t)word.word;
    }
    return SS_OK;
}

void pipeline_rules_add_words(const pipeline_rules *r, text *out) {
    for (int i = 0; i < PIPELINE_RULE_COUNT; i++) {
        size_t length;
        const char *word = word_of(&PIPELINE_RULES[i], r->word[i], &length);
        if (r->word[i] == RULE_TODAY) continue;
        text_addf(out, ", %s: ", PIPELINE_RULES[i].name);
        text_add_n(out, word, length);
    }
}
