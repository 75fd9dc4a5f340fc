/* Reading the normalizer and pre_tokenizer of tokenizer.json in the forms that transformers has written for T5 over the
 * years. An unknown step is refused, not skipped: ids would differ in silence. */
#include "text/t5_steps.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "io/json.h"

static const char SPACE_SIGN[] = "\xE2\x96\x81"; /* U+2581 */

void t5_steps_convert(t5_steps *s, const spiece_model *model, t5_prefix prefix) {
    *s = (t5_steps){.prefix = prefix};
    if (model->charsmap) s->normalizer[s->count++] = (t5_step){.kind = T5_CHARSMAP};
    s->normalizer[s->count++] = (t5_step){.kind = T5_STRIP, .strip_right = 1};
    t5_step *replace = &s->normalizer[s->count++];
    *replace = (t5_step){.kind = T5_REPLACE_SPACES};
    memcpy(replace->replacement, SPACE_SIGN, sizeof SPACE_SIGN);
}

/* The table in base64 must be the model's own. */
static ss_status check_charsmap(const json_t *step, const spiece_model *model, const char *where, ss_error *err) {
    const char *coded;
    SS_TRY(json_get_text(step, "precompiled_charsmap", where, &coded, err));
    size_t n = strlen(coded), size;
    unsigned char *bytes = malloc(n / 4 * 3 + 1);
    if (!bytes) return error_no_memory(err, where, n);
    int same = base64_read(coded, n, bytes, &size) == 0 && model->charsmap && size == model->charsmap_size &&
               memcmp(bytes, model->charsmap, size) == 0;
    free(bytes);
    if (same) return SS_OK;
    return error_set(err, SS_ERR_INPUT, where, "has a precompiled_charsmap other than that of spiece.model");
}

static ss_status t5_steps_read_replace(const json_t *step, const char *where, t5_step *out, ss_error *err) {
    json_t *pattern;
    const char *regex, *content;
    SS_TRY(json_get_object(step, "pattern", where, &pattern, err));
    SS_TRY(json_get_text(pattern, "Regex", where, &regex, err));
    SS_TRY(json_get_text(step, "content", where, &content, err));
    if (strcmp(regex, " {2,}") != 0 || strlen(content) >= sizeof out->replacement)
        return error_set(err, SS_ERR_INPUT, where, "replaces '%s' by '%s' in its normalizer; only ' {2,}' is known",
                         regex, content);
    *out = (t5_step){.kind = T5_REPLACE_SPACES};
    memcpy(out->replacement, content, strlen(content) + 1);
    return SS_OK;
}

static ss_status read_normalizer(t5_steps *s, const json_t *step, const spiece_model *model, const char *where,
                                 int depth, ss_error *err) {
    const char *type;
    if (!step || json_is_null(step)) return SS_OK;
    SS_TRY(json_get_text(step, "type", where, &type, err));
    if (strcmp(type, "Sequence") == 0 && depth == 0) {
        json_t *list;
        SS_TRY(json_get_array(step, "normalizers", where, &list, err));
        for (size_t i = 0; i < json_array_size(list); i++)
            SS_TRY(read_normalizer(s, json_array_get(list, i), model, where, 1, err));
        return SS_OK;
    }
    if (s->count == T5_MAX_STEPS)
        return error_set(err, SS_ERR_INPUT, where, "has more than %d normalizers", T5_MAX_STEPS);
    t5_step *out = &s->normalizer[s->count++];
    if (strcmp(type, "Precompiled") == 0) {
        *out = (t5_step){.kind = T5_CHARSMAP};
        return check_charsmap(step, model, where, err);
    }
    if (strcmp(type, "Strip") == 0) {
        *out = (t5_step){.kind = T5_STRIP};
        SS_TRY(json_get_bool(step, "strip_left", where, &out->strip_left, err));
        return json_get_bool(step, "strip_right", where, &out->strip_right, err);
    }
    if (strcmp(type, "Replace") == 0) return t5_steps_read_replace(step, where, out, err);
    return error_set(err, SS_ERR_INPUT, where, "has a normalizer '%s'; known are Sequence, Precompiled, Strip, Replace",
                     type);
}

static ss_status t5_steps_read_metaspace(t5_steps *s, const json_t *step, const char *where, ss_error *err) {
    const char *sign, *scheme;
    int add, split;
    SS_TRY(json_get_text(step, "replacement", where, &sign, err));
    SS_TRY(json_get_bool_or(step, "add_prefix_space", where, 1, &add, err));
    SS_TRY(json_get_bool_or(step, "split", where, 1, &split, err));
    SS_TRY(json_get_text_or(step, "prepend_scheme", where, add ? "always" : "never", &scheme, err));
    if (strcmp(sign, SPACE_SIGN) != 0 || !split)
        return error_set(err, SS_ERR_INPUT, where,
                         "has a Metaspace with replacement '%s', split %s; expected '%s', true", sign,
                         split ? "true" : "false", SPACE_SIGN);
    if (strcmp(scheme, "always") == 0) s->prefix = T5_PREFIX_ALWAYS;
    else if (strcmp(scheme, "first") == 0) s->prefix = T5_PREFIX_FIRST;
    else if (strcmp(scheme, "never") == 0) s->prefix = T5_PREFIX_NEVER;
    else return error_set(err, SS_ERR_INPUT, where, "has prepend_scheme '%s'; expected always, first or never", scheme);
    return SS_OK;
}

/* Metaspace, or a sequence of WhitespaceSplit and Metaspace. */
static ss_status read_pre_tokenizer(t5_steps *s, const json_t *step, const char *where, ss_error *err) {
    const char *type, *first;
    json_t *list;
    SS_TRY(json_get_text(step, "type", where, &type, err));
    if (strcmp(type, "Metaspace") == 0) return t5_steps_read_metaspace(s, step, where, err);
    if (strcmp(type, "Sequence") == 0) {
        SS_TRY(json_get_array(step, "pretokenizers", where, &list, err));
        SS_TRY(json_get_text(json_array_get(list, 0), "type", where, &first, err));
        if (json_array_size(list) == 2 && strcmp(first, "WhitespaceSplit") == 0) {
            s->split_spaces = 1;
            SS_TRY(json_get_text(json_array_get(list, 1), "type", where, &type, err));
            if (strcmp(type, "Metaspace") == 0) return t5_steps_read_metaspace(s, json_array_get(list, 1), where, err);
        }
    }
    return error_set(err, SS_ERR_INPUT, where,
                     "has a pre_tokenizer '%s'; known are Metaspace and WhitespaceSplit with Metaspace", type);
}

/* The pieces of both files, one by one: a tokenizer.json of another model must not pass. */
static ss_status check_model(const json_t *tree, const spiece_model *model, const char *where, ss_error *err) {
    json_t *m, *vocab;
    const char *type;
    SS_TRY(json_get_object(tree, "model", where, &m, err));
    SS_TRY(json_get_text_or(m, "type", where, "Unigram", &type, err));
    SS_TRY(json_get_array(m, "vocab", where, &vocab, err));
    if (strcmp(type, "Unigram") != 0)
        return error_set(err, SS_ERR_INPUT, where, "has a model of type '%s'; expected Unigram", type);
    if (json_array_size(vocab) < (size_t)model->count)
        return error_set(err, SS_ERR_INPUT, where, "has %zu pieces; spiece.model has %d", json_array_size(vocab),
                         model->count);
    for (int i = 0; i < model->count; i++) {
        const json_t *pair = json_array_get(vocab, (size_t)i), *score = json_array_get(pair, 1);
        const char *piece = json_string_value(json_array_get(pair, 0));
        double given = json_number_value(score), expected = (double)model->pieces[i].score;
        if (!piece || !json_is_number(score) || strcmp(piece, model->pieces[i].text) != 0 ||
            fabs(given - expected) > 1e-6 * (1 + fabs(expected)))
            return error_set(err, SS_ERR_INPUT, where, "piece %d is '%s'; spiece.model has '%s'%s", i,
                             piece ? piece : json_type_name(pair), model->pieces[i].text,
                             piece && strcmp(piece, model->pieces[i].text) == 0 ? " with another score" : "");
    }
    return SS_OK;
}

/* One sequence, then the end token: the only template T5 ever had. */
static ss_status check_template(const json_t *tree, const char *end, const char *where, ss_error *err) {
    const json_t *post = json_object_get(tree, "post_processor"), *single = json_object_get(post, "single");
    const char *type = json_string_value(json_object_get(post, "type"));
    const char *first =
        json_string_value(json_object_get(json_object_get(json_array_get(single, 0), "Sequence"), "id"));
    const char *last =
        json_string_value(json_object_get(json_object_get(json_array_get(single, 1), "SpecialToken"), "id"));
    if (type && strcmp(type, "TemplateProcessing") == 0 && json_array_size(single) == 2 && first &&
        strcmp(first, "A") == 0 && last && strcmp(last, end) == 0)
        return SS_OK;
    return error_set(err, SS_ERR_INPUT, where, "has a post_processor other than the template 'A, %s'", end);
}

ss_status t5_steps_read(t5_steps *s, const json_t *tree, const spiece_model *model, const char *end, const char *where,
                        ss_error *err) {
    json_t *pre;
    *s = (t5_steps){0};
    SS_TRY(check_model(tree, model, where, err));
    SS_TRY(check_template(tree, end, where, err));
    SS_TRY(read_normalizer(s, json_object_get(tree, "normalizer"), model, where, 0, err));
    SS_TRY(json_get_object(tree, "pre_tokenizer", where, &pre, err));
    return read_pre_tokenizer(s, pre, where, err);
}
