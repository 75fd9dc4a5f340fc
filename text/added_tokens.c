/* Reading and finding added tokens. Follows PreTrainedTokenizerBase._from_pretrained of transformers 4.57.1 in which
 * file counts. A flag that would change ids is refused, not ignored: single_word. */
#include "text/added_tokens.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/file.h"
#include "base/text.h"
#include "io/json.h"

enum { FILE_LIMIT = 16 << 20, MAX_ADDED = 100000 };

void added_tokens_free(added_tokens *list) {
    for (int i = 0; i < list->count; i++) {
        free(list->at[i].content);
        free(list->at[i].pattern);
    }
    free(list->at);
    *list = (added_tokens){0};
}

int added_tokens_find(const added_tokens *list, const char *content) {
    for (int i = 0; i < list->count; i++)
        if (strcmp(list->at[i].content, content) == 0) return i;
    return -1;
}

const char *added_token_content(const json_t *token) {
    return json_is_object(token) ? json_string_value(json_object_get(token, "content")) : json_string_value(token);
}

static ss_status added_tokens_append(added_tokens *list, const char *content, ss_error *err) {
    SS_TRY(ARRAY_ROOM(list->at, list->capacity, list->count + 1, "added tokens", err));
    added_token t = {.content = text_copy(content), .pattern = text_copy(content)};
    if (!t.content || !t.pattern) {
        free(t.content);
        free(t.pattern);
        return error_no_memory(err, "added tokens", strlen(content));
    }
    list->at[list->count++] = t;
    return SS_OK;
}

ss_status added_tokens_put(added_tokens *list, const json_t *token, int32_t id, const char *where, ss_error *err) {
    const char *content = added_token_content(token);
    int single_word = 0;
    if (!content)
        return error_set(err, SS_ERR_INPUT, where,
                         "an added token is %s; expected a string or an object with 'content'", json_type_name(token));
    if (!*content) return SS_OK; /* transformers skips it too */
    int i = added_tokens_find(list, content);
    if (i < 0) {
        if (list->count >= MAX_ADDED)
            return error_set(err, SS_ERR_INPUT, where, "has more than %d added tokens", MAX_ADDED);
        SS_TRY(added_tokens_append(list, content, err));
        i = list->count - 1;
    }
    added_token *t = &list->at[i];
    t->id = id;
    t->lstrip = t->rstrip = t->normalized = 0;
    if (!json_is_object(token)) return SS_OK; /* a bare string is a special token: none of the flags */
    SS_TRY(json_get_bool_or(token, "lstrip", where, 0, &t->lstrip, err));
    SS_TRY(json_get_bool_or(token, "rstrip", where, 0, &t->rstrip, err));
    SS_TRY(json_get_bool_or(token, "normalized", where, 0, &t->normalized, err));
    SS_TRY(json_get_bool_or(token, "single_word", where, 0, &single_word, err));
    if (single_word)
        return error_set(err, SS_ERR_INPUT, where, "the added token '%s' is marked single_word, which is not supported",
                         content);
    return SS_OK;
}

int added_tokens_match(const added_tokens *list, int normalized, const char *s, size_t n, size_t from, size_t *start,
                       size_t *end) {
    for (size_t i = from; i < n; i++) {
        int best = -1;
        size_t longest = 0;
        for (int k = 0; k < list->count; k++) {
            const added_token *t = &list->at[k];
            if (t->normalized != normalized || t->pattern[0] != s[i]) continue;
            size_t length = strlen(t->pattern);
            if (length <= longest || length > n - i || memcmp(t->pattern, s + i, length) != 0) continue;
            best = k;
            longest = length;
        }
        if (best < 0) continue;
        *start = i;
        *end = i + longest;
        return best;
    }
    return -1;
}

/* An optional file of the folder. */
static ss_status added_tokens_read_optional(const char *folder, const char *name, json_t **out, ss_error *err) {
    char *path = file_join(folder, name);
    if (!path) return error_no_memory(err, folder, strlen(folder));
    ss_status status = SS_OK;
    *out = NULL;
    if (file_exists(path)) status = json_read_file(path, FILE_LIMIT, out, err);
    if (status == SS_OK && *out && !json_is_object(*out))
        status = error_set(err, SS_ERR_INPUT, path, "is %s; expected an object", json_type_name(*out));
    free(path);
    return status;
}

static ss_status open_files(tokenizer_files *f, ss_error *err) {
    SS_TRY(json_read_file_as_reals(f->config_path, FILE_LIMIT, &f->config, err));
    if (!json_is_object(f->config))
        return error_set(err, SS_ERR_INPUT, f->config_path, "is %s; expected an object", json_type_name(f->config));
    if (json_object_get(f->config, "added_tokens_decoder")) return SS_OK; /* then the other files do not count */
    SS_TRY(added_tokens_read_optional(f->folder, "special_tokens_map.json", &f->special, err));
    return added_tokens_read_optional(f->folder, "added_tokens.json", &f->added, err);
}

ss_status tokenizer_files_open(tokenizer_files *f, const char *folder, ss_error *err) {
    *f = (tokenizer_files){.folder = text_copy(folder), .config_path = file_join(folder, "tokenizer_config.json")};
    ss_status status = f->folder && f->config_path ? open_files(f, err) : error_no_memory(err, folder, strlen(folder));
    if (status != SS_OK) tokenizer_files_close(f);
    return status;
}

void tokenizer_files_close(tokenizer_files *f) {
    json_decref(f->config);
    json_decref(f->special);
    json_decref(f->added);
    free(f->folder);
    free(f->config_path);
    *f = (tokenizer_files){0};
}

const json_t *tokenizer_files_role(const tokenizer_files *f, const char *role) {
    const json_t *token = json_object_get(f->special, role);
    if (!token || json_is_null(token)) token = json_object_get(f->config, role);
    return token && !json_is_null(token) ? token : NULL;
}

ss_status tokenizer_files_role_text(const tokenizer_files *f, const char *role, const char *by_default,
                                    const char **out, ss_error *err) {
    const json_t *token = tokenizer_files_role(f, role);
    *out = token ? added_token_content(token) : by_default;
    if (*out) return SS_OK;
    return error_set(err, SS_ERR_INPUT, f->config_path, "'%s' is %s; expected a string or an object with 'content'",
                     role, json_type_name(token));
}

static ss_status put_decoder(const tokenizer_files *f, added_tokens *list, ss_error *err) {
    json_t *decoder, *token;
    const char *key;
    if (!json_object_get(f->config, "added_tokens_decoder")) return SS_OK;
    SS_TRY(json_get_object(f->config, "added_tokens_decoder", f->config_path, &decoder, err));
    json_object_foreach(decoder, key, token) {
        int64_t id;
        if (text_to_int(key, &id) != 0 || id < 0 || id > INT32_MAX)
            return error_set(err, SS_ERR_INPUT, f->config_path, "added_tokens_decoder has the key '%s'; expected an id",
                             key);
        SS_TRY(added_tokens_put(list, token, (int32_t)id, f->config_path, err));
    }
    return SS_OK;
}

ss_status tokenizer_files_put_numbered(const tokenizer_files *f, added_tokens *list, ss_error *err) {
    const char *content;
    json_t *id;
    SS_TRY(put_decoder(f, list, err));
    json_object_foreach(f->added, content, id) {
        if (!json_is_integer(id) || json_integer_value(id) < 0 || json_integer_value(id) > INT32_MAX)
            return error_set(err, SS_ERR_INPUT, f->folder, "added_tokens.json gives '%s' %s; expected an id", content,
                             json_type_name(id));
        json_t *token = json_string(content);
        if (!token) return error_no_memory(err, "an added token", strlen(content));
        ss_status status = added_tokens_put(list, token, (int32_t)json_integer_value(id), f->folder, err);
        json_decref(token);
        SS_TRY(status);
    }
    return SS_OK;
}
