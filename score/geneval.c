/* Reading GenEval's metadata and plain prompt files. */
#include "score/geneval.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/array.h"
#include "base/file.h"
#include "base/text.h"
#include "io/content.h"
#include "io/csv.h"
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

/* The members of one prompt's object. */
static ss_status read_object(const json_t *o, const char *where, geneval_prompt *p, ss_error *err) {
    const char *prompt, *tag;
    SS_TRY(json_get_text(o, "prompt", where, &prompt, err));
    SS_TRY(json_get_text_or(o, "tag", where, NULL, &tag, err));
    SS_TRY(copy_text(prompt, &p->prompt, err));
    SS_TRY(copy_text(tag, &p->tag, err));
    SS_TRY(json_get_bool_or(o, "held_out", where, 0, &p->held_out, err));
    SS_TRY(read_objects(o, "include", where, p->include, &p->n_include, err));
    return read_objects(o, "exclude", where, p->exclude, &p->n_exclude, err);
}

static ss_status read_metadata(const char *s, size_t len, const char *where, geneval_prompt *p, ss_error *err) {
    json_t *line = NULL;
    ss_status status;
    SS_TRY_GOTO(json_read_bytes(s, len, where, &line, err), done);
    if (!json_is_object(line))
        SS_TRY_GOTO(error_set(err, SS_ERR_INPUT, where, "expected a JSON object on each line"), done);
    SS_TRY_GOTO(read_object(line, where, p, err), done);
    SS_TRY_GOTO(copy_text(s, &p->line, err), done);
done:
    json_decref(line);
    return status;
}

/* The next prompt of the list, empty; NULL when out of memory. */
static geneval_prompt *add_prompt(geneval_prompts *out, ss_error *err) {
    if (ARRAY_ROOM(out->prompt, out->capacity, out->n + 1, "prompts", err) != SS_OK) return NULL;
    geneval_prompt *p = &out->prompt[out->n++];
    *p = (geneval_prompt){0};
    return p;
}

/* Each line in turn; `data` is cut up in place. */
static ss_status read_lines(char *data, const char *path, int metadata, geneval_prompts *out, ss_error *err) {
    int number = 0;
    for (char *line = data, *next; line; line = next) {
        next = strchr(line, '\n');
        if (next) *next++ = '\0';
        number++;
        size_t len = strlen(line);
        if (len > 0 && line[len - 1] == '\r') line[--len] = '\0';
        if (strspn(line, " \t") == len) continue;
        geneval_prompt *p = add_prompt(out, err);
        if (!p) return err->code;
        char where[600];
        snprintf(where, sizeof where, "%s:%d", path, number);
        SS_TRY(metadata ? read_metadata(line, len, where, p, err) : copy_text(line, &p->prompt, err));
    }
    return SS_OK;
}

static ss_status geneval_read_text(char *data, size_t size, const char *path, geneval_prompts *out, ss_error *err) {
    SS_TRY(content_check(data, size, CONTENT_EMPTY,
                         "text, a prompt a line; JSON is read from a file called .json (a list) or .jsonl (an object a "
                         "line)",
                         path, err));
    return read_lines(data, path, 0, out, err);
}

static ss_status read_json_lines(char *data, size_t size, const char *path, geneval_prompts *out, ss_error *err) {
    const char expected[] = "JSON lines, {\"prompt\": ...} on each; a list in one piece is called .json";
    const char *start = data + strspn(data, " \t\r\n");
    SS_TRY(content_check(data, size, CONTENT_JSON | CONTENT_EMPTY, expected, path, err));
    if (*start == '[') return error_set(err, SS_ERR_INPUT, path, "is a JSON list; expected %s", expected);
    if (*start && *start != '{')
        return error_set(err, SS_ERR_INPUT, path, "begins with '%.20s'; expected %s", start, expected);
    return read_lines(data, path, 1, out, err);
}

/* A list of strings, or of objects as GenEval's lines have them. */
static ss_status read_json_list(char *data, size_t size, const char *path, geneval_prompts *out, ss_error *err) {
    const char expected[] = "a list of prompts: [\"a red star\", ...] or [{\"prompt\": \"a red star\"}, ...]";
    json_t *list;
    SS_TRY(content_check(data, size, CONTENT_JSON, expected, path, err));
    SS_TRY(json_read_bytes(data, size, path, &list, err));
    ss_status status = SS_OK;
    if (!json_is_array(list))
        status = error_set(err, SS_ERR_INPUT, path, "is %s; expected %s", json_type_name(list), expected);
    for (size_t i = 0; status == SS_OK && i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);
        geneval_prompt *p = add_prompt(out, err);
        char where[600];
        snprintf(where, sizeof where, "%s: item %zu", path, i + 1);
        if (!p) status = err->code;
        else if (json_is_string(item)) status = copy_text(json_string_value(item), &p->prompt, err);
        else if (!json_is_object(item))
            status = error_set(err, SS_ERR_INPUT, where, "is %s; expected %s", json_type_name(item), expected);
        else {
            status = read_object(item, where, p, err);
            if (status == SS_OK && !(p->line = json_dumps(item, JSON_COMPACT))) status = error_no_memory(err, where, 1);
        }
    }
    json_decref(list);
    return status;
}

static int geneval_optional_column(const csv_table *t, const char *name) {
    for (int i = 0; i < csv_column_count(t); i++)
        if (strcmp(csv_column_name(t, i), name) == 0) return i;
    return -1;
}

/* Columns prompt and, where requested, tag; others are ignored. A seed beside a prompt would not be: it is refused. */
static ss_status read_table(const csv_table *t, const char *path, geneval_prompts *out, ss_error *err) {
    int prompt, tag = geneval_optional_column(t, "tag");
    SS_TRY(csv_find_column(t, "prompt", &prompt, err));
    if (geneval_optional_column(t, "seed") >= 0)
        return error_set(err, SS_ERR_INPUT, path,
                         "has a column 'seed', which a file of prompts has not: seeds are given by the study or by "
                         "--seed");
    for (int64_t r = 0; r < csv_row_count(t); r++) {
        char where[600];
        snprintf(where, sizeof where, "%s:%d", path, csv_line(t, r));
        if (!*csv_cell(t, r, prompt)) return error_set(err, SS_ERR_INPUT, where, "prompt is empty; expected words");
        geneval_prompt *p = add_prompt(out, err);
        if (!p) return err->code;
        SS_TRY(copy_text(csv_cell(t, r, prompt), &p->prompt, err));
        if (tag >= 0 && *csv_cell(t, r, tag)) SS_TRY(copy_text(csv_cell(t, r, tag), &p->tag, err));
    }
    return SS_OK;
}

static ss_status geneval_read_csv(char *data, size_t size, const char *path, geneval_prompts *out, ss_error *err) {
    csv_table *t;
    SS_TRY(csv_read_bytes(data, size, path, &t, err));
    ss_status status = read_table(t, path, out, err);
    csv_close(t);
    return status;
}

/* By the end of the file's name; the last row is for every other. */
static const struct {
    const char *extension;
    ss_status (*read)(char *data, size_t size, const char *path, geneval_prompts *out, ss_error *err);
} FORMATS[] = {
    {".jsonl", read_json_lines}, {".json", read_json_list}, {".csv", geneval_read_csv}, {NULL, geneval_read_text}};

ss_status geneval_read(const char *path, geneval_prompts *out, ss_error *err) {
    char *data;
    size_t size;
    int format = 0;
    *out = (geneval_prompts){0};
    SS_TRY(file_read(path, FILE_LIMIT, &data, &size, err));
    while (FORMATS[format].extension && !content_has_extension(path, FORMATS[format].extension)) format++;
    size_t mark = content_mark(data, size);
    ss_status status = content_check(data, size, CONTENT_JSON | CONTENT_EMPTY, "prompts", path, err);
    if (status == SS_OK && strlen(data) != size)
        status = error_set(err, SS_ERR_INPUT, path, "holds a zero byte at %zu; expected text", strlen(data));
    if (status == SS_OK) status = FORMATS[format].read(data + mark, size - mark, path, out, err);
    if (status == SS_OK && out->n == 0) status = error_set(err, SS_ERR_INPUT, path, "holds no prompt");
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
