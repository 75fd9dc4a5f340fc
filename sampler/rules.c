/* See rules.h. */
#include "sampler/rules.h"

#include <stdlib.h>
#include <string.h>
#include "base/file.h"

const option PIPELINE_RULES[] = {PIPELINE_RULE_OPTIONS, {0}};

/* Word `number` of "today|older": where it begins, and its length. */
static const char *rules_word_of(const option *o, int number, size_t *length) {
    const char *at = o->words;
    for (; number > 0; number--) at += strcspn(at, "|") + 1;
    *length = strcspn(at, "|");
    return at;
}

pipeline_rules pipeline_rules_older(void) {
    pipeline_rules r;
    memset(r.word, RULE_OLDER, sizeof r.word);
    memset(r.asked, 1, sizeof r.asked);
    return r;
}

void pipeline_rules_ask(pipeline_rules *r, pipeline_rule rule, const option_value *given) {
    r->word[rule] = (uint8_t)given->word;
    r->asked[rule] = (uint8_t)given->is_set;
}

json_t *pipeline_rules_write(const pipeline_rules *r) {
    json_t *o = json_object();
    for (int i = 0; o && i < PIPELINE_RULE_COUNT; i++) {
        size_t length;
        const char *word = rules_word_of(&PIPELINE_RULES[i], r->word[i], &length);
        if (json_object_set_new(o, PIPELINE_RULES[i].name, json_stringn(word, length)) == 0) continue;
        json_decref(o);
        o = NULL;
    }
    return o;
}

static ss_status rules_read_word(int rule, const json_t *written, const char *where, uint8_t *out, ss_error *err) {
    option_value word;
    if (!json_is_string(written))
        return error_set(err, SS_ERR_INPUT, where, "rules: %s is %s; expected one of %s", PIPELINE_RULES[rule].name,
                         json_type_name(written), PIPELINE_RULES[rule].words);
    SS_TRY(option_parse(&PIPELINE_RULES[rule], json_string_value(written), where, &word, err));
    *out = (uint8_t)word.word;
    return SS_OK;
}

ss_status pipeline_rules_read(const json_t *json, const char *where, pipeline_rules *out, ss_error *err) {
    *out = pipeline_rules_older();
    for (int i = 0; i < PIPELINE_RULE_COUNT; i++) {
        const json_t *written = json_object_get(json, PIPELINE_RULES[i].name);
        if (written) SS_TRY(rules_read_word(i, written, where, &out->word[i], err));
    }
    return SS_OK;
}

static ss_status rules_take(pipeline_rules *r, json_t *own, const char *where, ss_error *err) {
    const char *key;
    json_t *value;
    json_object_foreach(own, key, value) {
        uint8_t word = RULE_TODAY;
        int i = 0;
        while (i < PIPELINE_RULE_COUNT && strcmp(key, PIPELINE_RULES[i].name) != 0) i++;
        if (i == PIPELINE_RULE_COUNT)
            return error_set(err, SS_ERR_INPUT, where, "unknown key '%s'; expected t5-zeros or tokenizer", key);
        SS_TRY(rules_read_word(i, value, where, &word, err));
        if (!r->asked[i]) r->word[i] = word;
    }
    return SS_OK;
}

ss_status pipeline_rules_take_folder(pipeline_rules *r, const char *folder, ss_error *err) {
    char *path = file_join(folder, "rules.json");
    json_t *own = NULL;
    if (!path) return error_no_memory(err, "a path", strlen(folder));
    ss_status status = file_exists(path) ? json_read_file(path, JSON_CONFIG_LIMIT, &own, err) : SS_OK;
    if (status == SS_OK && own) status = rules_take(r, own, path, err);
    json_decref(own);
    free(path);
    return status;
}

void pipeline_rules_add_words(const pipeline_rules *r, text *out) {
    for (int i = 0; i < PIPELINE_RULE_COUNT; i++) {
        size_t length;
        const char *word = rules_word_of(&PIPELINE_RULES[i], r->word[i], &length);
        if (r->word[i] == RULE_TODAY || !r->asked[i]) continue;
        text_addf(out, ", %s: ", PIPELINE_RULES[i].name);
        text_add_n(out, word, length);
    }
}
