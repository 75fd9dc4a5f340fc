/* TemplateProcessing, RobertaProcessing, BertProcessing, ByteLevel and sequences of them, for one text without a pair.
 * Source: tokenizers/src/processors/. Decoders turn ids into text, which nothing here does: their types are looked at
 * alone. */
#include "text/post_processor.h"

#include <string.h>

#include "text/step_tree.h"

static const step_part PROCESSOR = {"post_processor", "processors"}, DECODER = {"decoder", "decoders"};

static ss_status post_processor_add(post_ids *o, int after, int64_t id, const char *where, ss_error *err) {
    if (id < 0 || id > INT32_MAX)
        return error_set(err, SS_ERR_INPUT, where, "has the id %lld in its post_processor", (long long)id);
    if ((after ? o->n_after : o->n_before) == POST_MAX_IDS)
        return error_set(err, SS_ERR_INPUT, where, "adds more than %d tokens to a text", POST_MAX_IDS);
    if (after) {
        o->after[o->n_after++] = (int32_t)id;
        return SS_OK;
    }
    o->before[o->n_before++] = (int32_t)id;
    return SS_OK;
}

/* "sep": ["</s>", 2] */
static ss_status post_processor_add_named(post_ids *o, int after, const json_t *tree, const char *name,
                                          const char *where, ss_error *err) {
    const json_t *id = json_array_get(json_object_get(tree, name), 1);
    if (!json_is_integer(id))
        return error_set(err, SS_ERR_INPUT, where, "has a post_processor whose '%s' is not a token and an id", name);
    return post_processor_add(o, after, json_integer_value(id), where, err);
}

static ss_status read_enclosing(post_ids *o, const json_t *tree, const char *where, ss_error *err) {
    SS_TRY(post_processor_add_named(o, 0, tree, "cls", where, err));
    return post_processor_add_named(o, 1, tree, "sep", where, err);
}

/* The ids of a special token of the template. */
static ss_status post_processor_add_special(post_ids *o, int after, const json_t *tree, const json_t *special,
                                            const char *where, ss_error *err) {
    const char *name;
    json_t *ids;
    SS_TRY(json_get_text(special, "id", where, &name, err));
    const json_t *token = json_object_get(json_object_get(tree, "special_tokens"), name);
    if (!token)
        return error_set(err, SS_ERR_INPUT, where, "has a template with '%s', which its special_tokens lack", name);
    SS_TRY(json_get_array(token, "ids", where, &ids, err));
    for (size_t i = 0; i < json_array_size(ids); i++) {
        if (!json_is_integer(json_array_get(ids, i)))
            return error_set(err, SS_ERR_INPUT, where, "has a template with '%s', whose ids are no ids", name);
        SS_TRY(post_processor_add(o, after, json_integer_value(json_array_get(ids, i)), where, err));
    }
    return SS_OK;
}

static ss_status read_template(post_ids *o, const json_t *tree, const char *where, ss_error *err) {
    json_t *single;
    int sequences = 0;
    SS_TRY(json_get_array(tree, "single", where, &single, err));
    for (size_t i = 0; i < json_array_size(single); i++) {
        const json_t *part = json_array_get(single, i), *special = json_object_get(part, "SpecialToken");
        if (special) SS_TRY(post_processor_add_special(o, sequences > 0, tree, special, where, err));
        else if (json_object_get(part, "Sequence")) sequences++;
        else return error_set(err, SS_ERR_INPUT, where, "has a template with a part that is not known");
    }
    if (sequences == 1) return SS_OK;
    return error_set(err, SS_ERR_INPUT, where, "has a template with %d texts; expected one", sequences);
}

static ss_status read_nothing(post_ids *o, const json_t *tree, const char *where, ss_error *err) {
    (void)o, (void)tree, (void)where, (void)err;
    return SS_OK;
}

static ss_status post_processor_read_step(void *user, const char *type, const json_t *tree, const char *where,
                                          ss_error *err) {
    static const struct {
        const char *name;
        ss_status (*read)(post_ids *o, const json_t *tree, const char *where, ss_error *err);
    } KINDS[] = {{"TemplateProcessing", read_template},
                 {"RobertaProcessing", read_enclosing},
                 {"BertProcessing", read_enclosing},
                 {"ByteLevel", read_nothing}};
    post_ids *o = user;
    for (size_t i = 0; i < sizeof KINDS / sizeof KINDS[0]; i++) {
        if (strcmp(KINDS[i].name, type) != 0) continue;
        post_ids own = {0}; /* what one processor adds goes around what those before it added */
        SS_TRY(KINDS[i].read(&own, tree, where, err));
        for (int k = 0; k < o->n_before; k++) SS_TRY(post_processor_add(&own, 0, o->before[k], where, err));
        post_ids joined = {.n_before = own.n_before};
        memcpy(joined.before, own.before, sizeof own.before);
        for (int k = 0; k < o->n_after; k++) SS_TRY(post_processor_add(&joined, 1, o->after[k], where, err));
        for (int k = 0; k < own.n_after; k++) SS_TRY(post_processor_add(&joined, 1, own.after[k], where, err));
        *o = joined;
        return SS_OK;
    }
    return step_tree_unknown(&PROCESSOR, type, where, err);
}

ss_status post_processor_read(post_ids *out, const json_t *tree, const char *where, ss_error *err) {
    *out = (post_ids){0};
    return step_tree_walk(&PROCESSOR, tree, where, post_processor_read_step, out, err);
}

static ss_status check_decoder(void *user, const char *type, const json_t *tree, const char *where, ss_error *err) {
    (void)user, (void)tree;
    static const char *const TYPES[] = {"BPEDecoder", "ByteFallback", "ByteLevel", "CTC",      "Fuse",
                                        "Metaspace",  "Replace",      "Strip",     "WordPiece"};
    for (size_t i = 0; i < sizeof TYPES / sizeof TYPES[0]; i++)
        if (strcmp(TYPES[i], type) == 0) return SS_OK;
    return step_tree_unknown(&DECODER, type, where, err);
}

ss_status decoder_check_types(const json_t *tree, const char *where, ss_error *err) {
    return step_tree_walk(&DECODER, tree, where, check_decoder, NULL, err);
}
