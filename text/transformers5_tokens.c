/* See transformers5_tokens.h. Follows _from_pretrained and the constructors of PreTrainedTokenizerBase and
 * TokenizersBackend (transformers 5.24.0), in their order. */
#include "text/transformers5_tokens.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/text.h"
#include "io/json.h"

static const char *const STANDARD[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                       "pad_token", "cls_token", "mask_token"};
enum { STANDARD_COUNT = sizeof STANDARD / sizeof STANDARD[0], MAX_PLANNED = 100000 };

/* ---- lists ---- */

static void tokens_of_plan_free(planned_tokens *list) {
    for (int i = 0; i < list->count; i++) {
        free(list->at[i].role);
        free(list->at[i].content);
    }
    free(list->at);
    *list = (planned_tokens){0};
}

void token_plan_free(token_plan *p) {
    tokens_of_plan_free(&p->numbered);
    tokens_of_plan_free(&p->roles);
    tokens_of_plan_free(&p->extra);
    tokens_of_plan_free(&p->additional);
}

/* Append a copy of a token. */
static ss_status transformers5_tokens_append(planned_tokens *list, const planned_token *t, const char *role,
                                             const char *where, ss_error *err) {
    if (list->count == MAX_PLANNED)
        return error_set(err, SS_ERR_INPUT, where, "has more than %d added tokens", MAX_PLANNED);
    SS_TRY(ARRAY_ROOM(list->at, list->capacity, list->count + 1, where, err));
    planned_token copy = *t;
    copy.content = text_copy(t->flags.content);
    copy.role = role ? text_copy(role) : NULL;
    if (!copy.content || (role && !copy.role)) {
        free(copy.content);
        free(copy.role);
        return error_no_memory(err, where, strlen(t->flags.content));
    }
    copy.flags.content = copy.content;
    list->at[list->count++] = copy;
    return SS_OK;
}

static planned_token *find_role(const planned_tokens *list, const char *role) {
    for (int i = 0; i < list->count; i++)
        if (strcmp(list->at[i].role, role) == 0) return &list->at[i];
    return NULL;
}

static void remove_role(planned_tokens *list, const char *role) {
    planned_token *t = find_role(list, role);
    if (!t) return;
    free(t->role);
    free(t->content);
    *t = list->at[--list->count];
}

/* ---- reading tokens ---- */

/* A string, or an object: of special_tokens_map.json any, of tokenizer_config.json one that says that it is an
 * AddedToken. */
static ss_status read_token(planned_token *t, const json_t *value, int of_map, const char *where, ss_error *err) {
    const char *type = json_string_value(json_object_get(value, "__type"));
    *t = (planned_token){.is_text = json_is_string(value), .flags.content = json_string_value(value)};
    if (t->is_text) return SS_OK;
    if (json_is_object(value) && (of_map || (type && strcmp(type, "AddedToken") == 0))) {
        SS_TRY(added_request_read(&t->flags, value, where, err));
        if (of_map) t->flags.special = 1;
        return SS_OK;
    }
    return error_set(err, SS_ERR_INPUT, where, "a special token is %s; expected a string or an AddedToken",
                     json_type_name(value));
}

static ss_status transformers5_tokens_read_list(planned_tokens *out, const json_t *list, const char *where,
                                                ss_error *err) {
    if (json_is_null(list) || !list) return SS_OK;
    if (!json_is_array(list))
        return error_set(err, SS_ERR_INPUT, where, "has special tokens that are %s; expected a list",
                         json_type_name(list));
    for (size_t i = 0; i < json_array_size(list); i++) {
        planned_token t;
        SS_TRY(read_token(&t, json_array_get(list, i), 0, where, err));
        SS_TRY(transformers5_tokens_append(out, &t, NULL, where, err));
    }
    return SS_OK;
}

static int is_standard(const char *role) {
    for (int i = 0; i < STANDARD_COUNT; i++)
        if (strcmp(role, STANDARD[i]) == 0) return 1;
    return 0;
}

static int ends_with_token(const char *role) {
    return strlen(role) > 6 && strcmp(role + strlen(role) - 6, "_token") == 0;
}

/* The roles of one file; those of a later one win. A null takes a role away, defaults included. */
static ss_status read_roles(token_plan *p, const json_t *file, int of_map, ss_error *err) {
    const char *role;
    json_t *value;
    json_object_foreach((json_t *)file, role, value) {
        planned_token t;
        int standard = is_standard(role);
        if (!ends_with_token(role) || (!standard && !json_is_string(value) && !json_is_object(value))) continue;
        remove_role(&p->roles, role);
        if (json_is_null(value)) continue;
        SS_TRY(read_token(&t, value, of_map, p->where, err));
        SS_TRY(transformers5_tokens_append(&p->roles, &t, role, p->where, err));
    }
    return SS_OK;
}

/* extra_special_tokens as an object: more roles. */
static ss_status read_named_extra(token_plan *p, const json_t *extra, ss_error *err) {
    const char *role;
    json_t *value;
    json_object_foreach((json_t *)extra, role, value) {
        planned_token t;
        SS_TRY(read_token(&t, value, 0, p->where, err));
        remove_role(&p->roles, role);
        SS_TRY(transformers5_tokens_append(&p->roles, &t, role, p->where, err));
    }
    return SS_OK;
}

static int is_filled(const json_t *list) { return json_array_size(list) > 0 || json_object_size(list) > 0; }

static ss_status read_extra(token_plan *p, const tokenizer_folder *f, ss_error *err) {
    const json_t *extra = json_object_get(f->config, "extra_special_tokens");
    const json_t *additional = json_object_get(f->config, "additional_special_tokens");
    if (additional && !is_filled(extra)) extra = additional, additional = NULL;
    const json_t *mapped = json_object_get(f->special, "extra_special_tokens");
    if (json_object_get(f->special, "additional_special_tokens"))
        additional = json_object_get(f->special, "additional_special_tokens");
    p->has_extra = (extra && !json_is_object(extra)) || json_is_array(mapped);
    p->has_additional = additional && !json_is_null(additional);
    SS_TRY(json_is_object(extra) ? read_named_extra(p, extra, err)
                                 : transformers5_tokens_read_list(&p->extra, extra, p->where, err));
    SS_TRY(json_is_object(mapped) ? read_named_extra(p, mapped, err)
                                  : transformers5_tokens_read_list(&p->extra, mapped, p->where, err));
    return transformers5_tokens_read_list(&p->additional, additional, p->where, err);
}

/* ---- numbered tokens ---- */

static ss_status put_numbered(token_plan *p, planned_token *t, int64_t id, ss_error *err) {
    t->id = id;
    t->order = p->numbered.count;
    return transformers5_tokens_append(&p->numbered, t, NULL, p->where, err);
}

static ss_status read_decoder(token_plan *p, const json_t *decoder, ss_error *err) {
    const char *key;
    json_t *value;
    if (!json_is_object(decoder))
        return error_set(err, SS_ERR_INPUT, p->where, "'added_tokens_decoder' is %s; expected an object",
                         json_type_name(decoder));
    json_object_foreach((json_t *)decoder, key, value) {
        planned_token t = {0};
        int64_t id;
        if (text_to_int(key, &id) != 0)
            return error_set(err, SS_ERR_INPUT, p->where, "added_tokens_decoder has the key '%s'; expected an id", key);
        SS_TRY(added_request_read(&t.flags, value, p->where, err));
        SS_TRY(put_numbered(p, &t, id, err));
    }
    return SS_OK;
}

static int is_special_content(const token_plan *p, const char *content) {
    for (int i = 0; i < p->roles.count; i++)
        if (is_standard(p->roles.at[i].role) && strcmp(p->roles.at[i].content, content) == 0) return 1;
    for (int i = 0; i < p->extra.count; i++)
        if (strcmp(p->extra.at[i].content, content) == 0) return 1;
    return 0;
}

/* added_tokens.json, then the added_tokens of tokenizer.json. */
static ss_status read_older(token_plan *p, const tokenizer_folder *f, ss_error *err) {
    const char *content;
    json_t *id;
    json_object_foreach(f->added, content, id) {
        int special = is_special_content(p, content);
        planned_token t = {.flags = {.content = content, .special = special, .normalized = !special}};
        if (!json_is_integer(id))
            return error_set(err, SS_ERR_INPUT, f->folder, "added_tokens.json gives '%s' %s; expected an id", content,
                             json_type_name(id));
        SS_TRY(put_numbered(p, &t, json_integer_value(id), err));
    }
    const json_t *list = json_object_get(f->file, "added_tokens");
    for (size_t i = 0; i < json_array_size(list); i++) {
        planned_token t = {0};
        int64_t number;
        SS_TRY(json_get_int(json_array_get(list, i), "id", f->json_path, &number, err));
        SS_TRY(added_request_read(&t.flags, json_array_get(list, i), f->json_path, err));
        SS_TRY(put_numbered(p, &t, number, err));
    }
    return SS_OK;
}

static int by_id(const void *a, const void *b) {
    const planned_token *x = a, *y = b;
    if (x->id != y->id) return x->id < y->id ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

/* By id; of two with the same id the later one stays. */
static void sort_numbered(planned_tokens *list) {
    int kept = 0;
    if (list->count) qsort(list->at, (size_t)list->count, sizeof *list->at, by_id);
    for (int i = 0; i + 1 < list->count; i++)
        if (list->at[i].id == list->at[i + 1].id) {
            free(list->at[i].content);
            list->at[i].content = NULL;
        }
    for (int i = 0; i < list->count; i++)
        if (list->at[i].content) list->at[kept++] = list->at[i];
    list->count = kept;
}

/* A role whose content is a numbered token has that token's flags. */
static void give_flags(token_plan *p) {
    for (int k = 0; k < p->roles.count; k++) {
        planned_token *role = &p->roles.at[k];
        for (int i = 0; is_standard(role->role) && i < p->numbered.count; i++) {
            if (strcmp(p->numbered.at[i].content, role->content) != 0) continue;
            role->flags = p->numbered.at[i].flags;
            role->flags.content = role->content;
            role->is_text = 0;
        }
    }
}

ss_status token_plan_read(token_plan *p, const tokenizer_folder *f, const char *const (*defaults)[2], ss_error *err) {
    const json_t *decoder = json_object_get(f->config, "added_tokens_decoder");
    p->where = f->config_path;
    SS_TRY(read_roles(p, f->config, 0, err));
    SS_TRY(read_roles(p, f->special, 1, err));
    SS_TRY(read_extra(p, f, err));
    SS_TRY(decoder ? read_decoder(p, decoder, err) : read_older(p, f, err));
    sort_numbered(&p->numbered);
    give_flags(p);
    for (int i = 0; defaults[i][0]; i++) {
        const json_t *given = json_object_get(f->special, defaults[i][0]);
        if (!given) given = json_object_get(f->config, defaults[i][0]);
        planned_token t = {.is_text = 1, .flags.content = defaults[i][1]};
        if (!given) SS_TRY(transformers5_tokens_append(&p->roles, &t, defaults[i][0], p->where, err));
    }
    const char *padding = json_string_value(json_object_get(json_object_get(f->file, "padding"), "pad_token"));
    planned_token t = {.is_text = 1, .flags.content = padding};
    if (padding && !json_object_get(f->config, "pad_token") && !find_role(&p->roles, "pad_token"))
        return transformers5_tokens_append(&p->roles, &t, "pad_token", p->where, err);
    return SS_OK;
}

ss_status token_plan_role(const token_plan *p, const char *role, const char **content, ss_error *err) {
    const planned_token *t = find_role(&p->roles, role);
    if (!t) return error_set(err, SS_ERR_INPUT, p->where, "names no %s, which is needed", role);
    *content = t->content;
    return SS_OK;
}

/* ---- T5's sentinels ---- */

void token_plan_sentinel(char name[32], int i) { snprintf(name, 32, "<extra_id_%d>", i); }

ss_status token_plan_sentinels(token_plan *p, const json_t *added, int extra_ids, ss_error *err) {
    int found = 0;
    if (added) {
        tokens_of_plan_free(&p->additional);
        p->has_additional = 1;
        for (size_t i = 0; i < json_array_size(added); i++) {
            planned_token t = {0};
            SS_TRY(added_request_read(&t.flags, json_array_get(added, i), p->where, err));
            SS_TRY(transformers5_tokens_append(&p->additional, &t, NULL, p->where, err));
        }
    }
    for (int i = 0; i < p->additional.count; i++) found += strstr(p->additional.at[i].content, "<extra_id_") != NULL;
    if (found && extra_ids > 0 && found != extra_ids)
        return error_set(err, SS_ERR_INPUT, p->where, "has %d extra ids among its special tokens and extra_ids %d",
                         found, extra_ids);
    p->has_additional = 1;
    for (int i = 0; !found && i < extra_ids; i++) {
        char name[32];
        token_plan_sentinel(name, i);
        planned_token t = {.is_text = 1, .flags.content = name};
        SS_TRY(transformers5_tokens_append(&p->additional, &t, NULL, p->where, err));
    }
    return SS_OK;
}

/* ---- adding ---- */

/* A list on its way to json_tokenizer_add. */
typedef struct requests {
    added_request *at;
    int *was_text;
    int count, room;
    string_map
        known; /* contents: 0 of numbered tokens and of those the tokenizer has, else the place in `at`, from 1 */
} requests;

static int same(const added_request *a, const added_request *b) {
    int x = a->normalized < 0 ? !a->special : a->normalized, y = b->normalized < 0 ? !b->special : b->normalized;
    return a->single_word == b->single_word && a->lstrip == b->lstrip && a->rstrip == b->rstrip &&
           a->special == b->special && x == y;
}

/* A role or extra: left out where the content is known, or where it stands in the list in the same form. */
static ss_status request(requests *r, const planned_token *t, int numbered, ss_error *err) {
    size_t n = strlen(t->content);
    int32_t known = string_map_get(&r->known, t->content, n);
    if (!numbered && known == 0) return SS_OK;
    if (!numbered && known > 0) {
        int i = known - 1;
        if (r->was_text[i] == t->is_text && (t->is_text || same(&r->at[i], &t->flags))) return SS_OK;
    }
    r->at[r->count] = t->flags;
    r->at[r->count].content = t->content;
    r->was_text[r->count++] = t->is_text;
    return string_map_put(&r->known, t->content, n, numbered ? 0 : r->count, err);
}

/* Strings are special and not normalized; a role's token is special. */
static void settle(requests *r, const token_plan *p) {
    for (int i = 0; i < r->count; i++) {
        added_request *a = &r->at[i];
        if (r->was_text[i]) *a = (added_request){.content = a->content, .special = 1, .normalized = 0};
        for (int k = 0; k < p->roles.count; k++) a->special |= strcmp(p->roles.at[k].content, a->content) == 0;
    }
}

/* Whether the tokenizer has this very token, flags and all. */
static int has_it(const json_tokenizer *t, const added_request *r, const char *content) {
    const added_vocabulary *own = json_tokenizer_added(t);
    int32_t i = string_map_get(&own->contents, content, strlen(content));
    if (i < 0) return 0;
    const added_entry *e = &own->at[i];
    added_request theirs = {content, e->single_word, e->lstrip, e->rstrip, e->special, e->normalized};
    return same(&theirs, r);
}

static ss_status transformers5_tokens_collect(requests *r, const token_plan *p, const json_tokenizer *t,
                                              ss_error *err) {
    const planned_tokens *extra = p->has_extra ? &p->extra : &p->additional;
    const added_vocabulary *own = json_tokenizer_added(t);
    for (int i = 0; i < own->count; i++)
        SS_TRY(string_map_put(&r->known, own->at[i].content, strlen(own->at[i].content), 0, err));
    for (int i = 0; i < p->numbered.count; i++)
        if (!has_it(t, &p->numbered.at[i].flags, p->numbered.at[i].content))
            SS_TRY(request(r, &p->numbered.at[i], 1, err));
    for (int i = 0; i < STANDARD_COUNT; i++) {
        const planned_token *role = find_role(&p->roles, STANDARD[i]);
        if (role) SS_TRY(request(r, role, 0, err));
    }
    for (int i = 0; i < p->roles.count; i++)
        if (!is_standard(p->roles.at[i].role)) SS_TRY(request(r, &p->roles.at[i], 0, err));
    for (int i = 0; i < extra->count; i++) SS_TRY(request(r, &extra->at[i], 0, err));
    return SS_OK;
}

ss_status token_plan_add(const token_plan *p, json_tokenizer *t, ss_error *err) {
    requests r = {.room = p->numbered.count + p->roles.count + p->extra.count + p->additional.count + 1};
    r.at = calloc((size_t)r.room, sizeof *r.at);
    r.was_text = calloc((size_t)r.room, sizeof *r.was_text);
    ss_status status =
        r.at && r.was_text ? transformers5_tokens_collect(&r, p, t, err) : error_no_memory(err, p->where, 1);
    if (status == SS_OK) {
        settle(&r, p);
        status = json_tokenizer_add(t, r.at, r.count, err);
    }
    free(r.at);
    free(r.was_text);
    string_map_free(&r.known);
    for (int i = 0; status == SS_OK && i < p->n_more; i++) {
        added_request more = {.content = p->more[i], .special = 1};
        status = json_tokenizer_add(t, &more, 1, err);
    }
    return status;
}

ss_status token_plan_add_own(token_plan *p, json_tokenizer *t, const json_t *list, ss_error *err) {
    size_t n = json_array_size(list);
    if (n == 0) return SS_OK;
    if (n > MAX_PLANNED) return error_set(err, SS_ERR_INPUT, p->where, "has more than %d added tokens", MAX_PLANNED);
    added_request *at = calloc(n, sizeof *at);
    ss_status status = at ? SS_OK : error_no_memory(err, p->where, n * sizeof *at);
    for (size_t i = 0; status == SS_OK && i < n; i++)
        status = added_request_read(&at[i], json_array_get(list, i), p->where, err);
    if (status == SS_OK) status = json_tokenizer_add(t, at, (int)n, err);
    free(at);
    return status;
}
