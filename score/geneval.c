/* Reading GenEval's metadata and plain prompt files. Relies on io/json. */
#include "score/geneval.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/text.h"
#include "io/json.h"

enum { FILE_LIMIT = 64 << 20 };

static const char *const RELATIONS[] = {"left of", "right of", "above", "below"};

static ss_status copy_text(const char *s, char **out, ss_error *err) {
    *out = s ? text_copy(s) : NULL;
    return s && !*out ? error_no_memory(err, "prompt", strlen(s)) : SS_OK;
}

/* "position": ["left of", 0] of the object numbered `index`. */
static ss_status read_position(const json_t *item, int index, const char *where, geneval_object *o, ss_error *err) {
    json_t *pair;
    SS_TRY(json_get_array(item, "position", where, &pair, err));
    const char *relation = json_string_value(json_array_get(pair, 0));
    int known = 0;
    for (int i = 0; relation && i < 4; i++) known |= strcmp(relation, RELATIONS[i]) == 0;
    json_int_t target = json_integer_value(json_array_get(pair, 1));
    if (!known || !json_is_integer(json_array_get(pair, 1)) || target < 0 || target >= index)
        return error_set(err, SS_ERR_INPUT, where,
                         "position: expected [left of | right of | above | below, index of an earlier include]");
    o->relation_target = (int)target;
    return copy_text(relation, &o->relation, err);
}

static ss_status read_objects(const json_t *line, const char *member, const char *where, geneval_object *out, int *n,
                              ss_error *err) {
    json_t *list;
    *n = 0;
    if (!json_has(line, member)) return SS_OK;
    SS_TRY(json_get_array(line, member, where, &list, err));
    if (json_array_size(list) > GENEVAL_MAX_OBJECTS)
        return error_set(err, SS_ERR_INPUT, where, "%s has %zu objects; at most %d are supported", member,
                         json_array_size(list), (int)GENEVAL_MAX_OBJECTS);
    for (int i = 0; i < (int)json_array_size(list); i++) {
        const json_t *item = json_array_get(list, (size_t)i);
        geneval_object *o = &out[(*n)++];
        const char *class_name, *colour;
        int64_t count;
        if (!json_is_object(item))
            return error_set(err, SS_ERR_INPUT, where, "%s: expected objects, found %s", member, json_type_name(item));
        SS_TRY(json_get_text(item, "class", where, &class_name, err));
        SS_TRY(json_get_int_or(item, "count", where, 1, &count, err));
        SS_TRY(json_get_text_or(item, "color", where, NULL, &colour, err));
        if (count < 1 || count > 1000)
            return error_set(err, SS_ERR_INPUT, where, "count is %lld; expected 1 to 1000", (long long)count);
        o->count = (int)count;
        o->relation_target = -1;
        SS_TRY(copy_text(class_name, &o->class_name, err));
        SS_TRY(copy_text(colour, &o->color, err));
        if (json_has(item, "position")) SS_TRY(read_position(item, i, where, o, err));
    }
    return SS_OK;
}

static ss_status read_metadata(const char *s, size_t len, const char *where, geneval_prompt *p, ss_error *err) {
    json_t *line = NULL;
    const char *prompt = NULL, *tag = NULL;
    ss_status status;
    SS_TRY_GOTO(json_read_bytes(s, len, where, &line, err), done);
    if (!json_is_object(line))
        SS_TRY_GOTO(error_set(err, SS_ERR_INPUT, where, "expected a JSON object on each line"), done);
    SS_TRY_GOTO(json_get_text(line, "prompt", where, &prompt, err), done);
    SS_TRY_GOTO(json_get_text_or(line, "tag", where, NULL, &tag, err), done);
    SS_TRY_GOTO(copy_text(prompt, &p->prompt, err), done);
    SS_TRY_GOTO(copy_text(tag, &p->tag, err), done);
    SS_TRY_GOTO(json_get_bool_or(line, "held_out", where, 0, &p->held_out, err), done);
    SS_TRY_GOTO(read_objects(line, "include", where, p->include, &p->n_include, err), done);
    SS_TRY_GOTO(read_objects(line, "exclude", where, p->exclude, &p->n_exclude, err), done);
    SS_TRY_GOTO(copy_text(s, &p->line, err), done);
done:
    json_decref(line);
    return status;
}

/* Each line in turn; `data` is cut up in place. */
static ss_status read_lines(char *data, const char *path, int metadata, geneval_prompts *out, ss_error *err) {
    int capacity = 0, number = 0;
    for (char *line = data, *next; line; line = next) {
        next = strchr(line, '\n');
        if (next) *next++ = '\0';
        number++;
        size_t len = strlen(line);
        if (len > 0 && line[len - 1] == '\r') line[--len] = '\0';
        if (strspn(line, " \t") == len) continue;
        if (out->n == capacity) {
            capacity = capacity ? 2 * capacity : 64;
            geneval_prompt *grown = realloc(out->prompt, (size_t)capacity * sizeof *grown);
            if (!grown) return error_no_memory(err, "prompts", (size_t)capacity * sizeof *grown);
            out->prompt = grown;
        }
        geneval_prompt *p = &out->prompt[out->n++];
        *p = (geneval_prompt){0};
        char where[600];
        snprintf(where, sizeof where, "%s:%d", path, number);
        SS_TRY(metadata ? read_metadata(line, len, where, p, err) : copy_text(line, &p->prompt, err));
    }
    return out->n ? SS_OK : error_set(err, SS_ERR_INPUT, path, "holds no prompt");
}

ss_status geneval_read(const char *path, geneval_prompts *out, ss_error *err) {
    char *data;
    size_t size, n = strlen(path);
    *out = (geneval_prompts){0};
    SS_TRY(file_read(path, FILE_LIMIT, &data, &size, err));
    int metadata = n > 6 && strcmp(path + n - 6, ".jsonl") == 0;
    ss_status status = strlen(data) != size
                           ? error_set(err, SS_ERR_INPUT, path, "holds a zero byte at %zu; expected text", strlen(data))
                           : read_lines(data, path, metadata, out, err);
    free(data);
    if (status != SS_OK) geneval_free(out);
    return status;
}

static void free_objects(geneval_object *o, int n) {
    for (int i = 0; i < n; i++) {
        free(o[i].class_name);
        free(o[i].color);
        free(o[i].relation);
    }
}

void geneval_free(geneval_prompts *p) {
    for (int i = 0; i < p->n; i++) {
        free(p->prompt[i].tag);
        free(p->prompt[i].prompt);
        free(p->prompt[i].line);
        free_objects(p->prompt[i].include, p->prompt[i].n_include);
        free_objects(p->prompt[i].exclude, p->prompt[i].n_exclude);
    }
    free(p->prompt);
    *p = (geneval_prompts){0};
}
