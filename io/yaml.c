/* YAML through libyaml's events, which carry the marks; the tree is our own and is freed at once. Events, not libyaml's
 * documents: a document resolves aliases before they can be refused, and has no limit of depth. What a reader of the
 * file could misread is refused: a key given twice, an alias, a tag. */
#include "io/yaml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/array.h"
#include "base/file.h"
#include "base/text.h"
#include "io/content.h"

/* Nodes of one open collection, gathered until its end is seen. */
typedef struct node_list {
    yaml_node *at;
    int count;
    size_t capacity;
} node_list;

typedef struct block {
    struct block *next;
} block;

struct yaml_file {
    char *path, *source;
    size_t size;
    yaml_node root;
    block *blocks; /* everything the nodes point to */
};

typedef struct reader {
    yaml_parser_t parser;
    yaml_file *file;
    ss_error *err;
} reader;

static void *yaml_keep(yaml_file *f, size_t bytes) {
    block *b = malloc(sizeof *b + bytes);
    if (!b) return NULL;
    b->next = f->blocks;
    f->blocks = b;
    return b + 1;
}

static ss_status yaml_fail_at(const reader *r, yaml_mark_t mark, const char *fmt, ...) BASE_PRINTF(3, 4);
#define yaml_fail_at(...) (yaml_fail_at(__VA_ARGS__), error_code(SS_ERR_INPUT)) /* base/error.h */

static ss_status(yaml_fail_at)(const reader *r, yaml_mark_t mark, const char *fmt, ...) {
    yaml_node at = {.kind = YAML_SCALAR, .line = (int)mark.line + 1, .column = (int)mark.column + 1};
    at.end_line = at.line, at.end_column = at.column + 1;
    char message[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    return yaml_error(r->file, &at, NULL, r->err, "%s", message);
}

static ss_status parser_error(const reader *r) {
    const yaml_parser_t *p = &r->parser;
    char where[512];
    if (p->error == YAML_MEMORY_ERROR) return error_no_memory(r->err, r->file->path, r->file->size);
    if (p->error == YAML_READER_ERROR) {
        snprintf(where, sizeof where, "%s: byte %zu", r->file->path, p->problem_offset);
        return error_set(r->err, SS_ERR_INPUT, where, "is not UTF-8 text: %s", p->problem ? p->problem : "unreadable");
    }
    if (p->context) return yaml_fail_at(r, p->problem_mark, "is not YAML: %s, %s", p->problem, p->context);
    return yaml_fail_at(r, p->problem_mark, "is not YAML: %s", p->problem ? p->problem : "unreadable");
}

static ss_status next_event(reader *r, yaml_event_t *event) {
    return yaml_parser_parse(&r->parser, event) ? SS_OK : parser_error(r);
}

static void set_marks(yaml_node *node, yaml_mark_t start, yaml_mark_t end) {
    node->line = (int)start.line + 1, node->column = (int)start.column + 1;
    node->end_line = (int)end.line + 1, node->end_column = (int)end.column + 1;
}

static ss_status yaml_append(const reader *r, node_list *list, const yaml_node *node) {
    SS_TRY(ARRAY_ROOM(list->at, list->capacity, list->count + 1, r->file->path, r->err));
    list->at[list->count++] = *node;
    return SS_OK;
}

static ss_status read_scalar(const reader *r, const yaml_event_t *e, yaml_node *node) {
    const char *value = (const char *)e->data.scalar.value;
    size_t n = e->data.scalar.length;
    if (e->data.scalar.anchor)
        return yaml_fail_at(r, e->start_mark, "an anchor ('&%s') is not allowed here", e->data.scalar.anchor);
    if (e->data.scalar.tag)
        return yaml_fail_at(r, e->start_mark, "a tag ('%s') is not allowed here", e->data.scalar.tag);
    if (memchr(value, 0, n)) return yaml_fail_at(r, e->start_mark, "a NUL character is not allowed here");
    char *copy = yaml_keep(r->file, n + 1);
    if (!copy) return error_no_memory(r->err, r->file->path, n + 1);
    memcpy(copy, value, n);
    copy[n] = '\0';
    node->kind = YAML_SCALAR;
    node->text = copy;
    node->is_plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    set_marks(node, e->start_mark, e->end_mark);
    return SS_OK;
}

static int compare_keys(const void *a, const void *b) {
    const yaml_node *x = *(const yaml_node *const *)a, *y = *(const yaml_node *const *)b;
    int c = strcmp(x->text, y->text);
    return c ? c : x->line != y->line ? x->line - y->line : x->column - y->column;
}

static ss_status check_keys(const reader *r, const yaml_node *mapping) {
    ss_status status = SS_OK;
    size_t n = (size_t)mapping->count;
    if (n < 2) return SS_OK;
    const yaml_node **keys = malloc(n * sizeof *keys);
    if (!keys) return error_no_memory(r->err, r->file->path, n * sizeof *keys);
    for (size_t i = 0; i < n; i++) keys[i] = &mapping->items[2 * i];
    qsort(keys, n, sizeof *keys, compare_keys);
    for (size_t i = 1; status == SS_OK && i < n; i++)
        if (strcmp(keys[i - 1]->text, keys[i]->text) == 0)
            status = yaml_error(r->file, keys[i], NULL, r->err, "the key '%s' is given twice (first on line %d)",
                                keys[i]->text, keys[i - 1]->line);
    free(keys);
    return status;
}

static ss_status read_node(reader *r, const yaml_event_t *e, int depth, yaml_node *node);

/* The nodes up to the end event, which is returned in *last; mappings give key, value, key, value, ... */
static ss_status read_items(reader *r, yaml_event_type_t until, int depth, node_list *list, yaml_mark_t *end) {
    for (;;) {
        yaml_event_t e;
        yaml_node item = {0};
        SS_TRY(next_event(r, &e));
        if (e.type == until) {
            *end = e.end_mark;
            yaml_event_delete(&e);
            return SS_OK;
        }
        ss_status status = SS_OK;
        int is_key = until == YAML_MAPPING_END_EVENT && list->count % 2 == 0;
        if (is_key && e.type != YAML_SCALAR_EVENT && e.type != YAML_ALIAS_EVENT)
            status = yaml_fail_at(r, e.start_mark, "a key must be a word, not a list or a mapping");
        if (status == SS_OK) status = read_node(r, &e, depth + 1, &item);
        yaml_event_delete(&e);
        SS_TRY(status);
        SS_TRY(yaml_append(r, list, &item));
    }
}

static ss_status read_collection(reader *r, const yaml_event_t *e, int depth, yaml_node *node) {
    int is_mapping = e->type == YAML_MAPPING_START_EVENT;
    const yaml_char_t *anchor = is_mapping ? e->data.mapping_start.anchor : e->data.sequence_start.anchor;
    const yaml_char_t *tag = is_mapping ? e->data.mapping_start.tag : e->data.sequence_start.tag;
    if (anchor) return yaml_fail_at(r, e->start_mark, "an anchor ('&%s') is not allowed here", anchor);
    if (tag) return yaml_fail_at(r, e->start_mark, "a tag ('%s') is not allowed here", tag);
    if (depth >= YAML_DEPTH) return yaml_fail_at(r, e->start_mark, "is nested deeper than %d levels", YAML_DEPTH);
    node_list list = {0};
    yaml_mark_t end = e->end_mark;
    ss_status status = read_items(r, is_mapping ? YAML_MAPPING_END_EVENT : YAML_SEQUENCE_END_EVENT, depth, &list, &end);
    size_t bytes = (size_t)list.count * sizeof *list.at;
    yaml_node *items = status == SS_OK ? yaml_keep(r->file, bytes) : NULL;
    if (status == SS_OK && !items) status = error_no_memory(r->err, r->file->path, bytes);
    if (items && list.count) memcpy(items, list.at, bytes);
    free(list.at);
    SS_TRY(status);
    node->kind = is_mapping ? YAML_MAPPING : YAML_SEQUENCE;
    node->items = items;
    node->count = is_mapping ? list.count / 2 : list.count;
    set_marks(node, e->start_mark, end);
    return is_mapping ? check_keys(r, node) : SS_OK;
}

static ss_status read_node(reader *r, const yaml_event_t *e, int depth, yaml_node *node) {
    switch (e->type) {
    case YAML_SCALAR_EVENT: return read_scalar(r, e, node);
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT: return read_collection(r, e, depth, node);
    case YAML_ALIAS_EVENT:
        return yaml_fail_at(r, e->start_mark, "an alias ('*%s') is not allowed here", e->data.alias.anchor);
    default: return yaml_fail_at(r, e->start_mark, "expected a word, a list or a mapping");
    }
}

/* One event of the frame around the document. */
static ss_status expect(reader *r, yaml_event_type_t type, const char *otherwise) {
    yaml_event_t e;
    SS_TRY(next_event(r, &e));
    yaml_event_type_t found = e.type;
    yaml_mark_t mark = e.start_mark;
    yaml_event_delete(&e);
    return found == type ? SS_OK : yaml_fail_at(r, mark, "%s", otherwise);
}

static ss_status read_document(reader *r) {
    yaml_event_t e;
    SS_TRY(expect(r, YAML_STREAM_START_EVENT, "expected a YAML stream"));
    SS_TRY(expect(r, YAML_DOCUMENT_START_EVENT, "the file is empty; expected a YAML document"));
    SS_TRY(next_event(r, &e));
    ss_status status = read_node(r, &e, 0, &r->file->root);
    yaml_event_delete(&e);
    SS_TRY(status);
    SS_TRY(expect(r, YAML_DOCUMENT_END_EVENT, "expected the end of the document"));
    return expect(r, YAML_STREAM_END_EVENT, "a second document begins here; expected one a file");
}

ss_status yaml_read_bytes(const char *bytes, size_t size, const char *name, yaml_file **out, ss_error *err) {
    *out = NULL;
    if (size > YAML_LIMIT)
        return error_set(err, SS_ERR_INPUT, name, "has %zu bytes; at most %d are expected of such a file", size,
                         YAML_LIMIT);
    SS_TRY(content_check(bytes, size, CONTENT_JSON | CONTENT_EMPTY, "a YAML document", name, err));
    yaml_file *f = calloc(1, sizeof *f);
    if (!f) return error_no_memory(err, name, sizeof *f);
    f->path = text_copy(name);
    f->source = malloc(size + 1);
    reader r = {.file = f, .err = err};
    size_t mark = content_mark(bytes, size); /* libyaml skips it only where it may guess the encoding */
    if (!f->path || !f->source || !yaml_parser_initialize(&r.parser)) {
        yaml_close(f);
        return error_no_memory(err, name, size);
    }
    memcpy(f->source, bytes, size);
    f->source[size] = '\0';
    f->size = size;
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)f->source + mark, size - mark);
    ss_status status = read_document(&r);
    yaml_parser_delete(&r.parser);
    if (status == SS_OK) *out = f;
    else yaml_close(f);
    return status;
}

ss_status yaml_read_file(const char *path, yaml_file **out, ss_error *err) {
    char *data;
    size_t size;
    *out = NULL;
    SS_TRY(file_read(path, YAML_LIMIT, &data, &size, err));
    ss_status status = yaml_read_bytes(data, size, path, out, err);
    free(data);
    return status;
}

void yaml_close(yaml_file *f) {
    if (!f) return;
    for (block *b = f->blocks, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    free(f->source);
    free(f->path);
    free(f);
}

const yaml_node *yaml_root(const yaml_file *f) { return &f->root; }
const char *yaml_path(const yaml_file *f) { return f->path; }

const char *yaml_source(const yaml_file *f, size_t *size) {
    *size = f->size;
    return f->source;
}

const yaml_node *yaml_key(const yaml_node *mapping, int i) { return &mapping->items[2 * i]; }
const yaml_node *yaml_value(const yaml_node *mapping, int i) { return &mapping->items[2 * i + 1]; }

const yaml_node *yaml_find(const yaml_node *mapping, const char *key) {
    if (!mapping || mapping->kind != YAML_MAPPING) return NULL;
    for (int i = 0; i < mapping->count; i++)
        if (strcmp(yaml_key(mapping, i)->text, key) == 0)
            return yaml_is_nothing(yaml_value(mapping, i)) ? NULL : yaml_value(mapping, i);
    return NULL;
}

const yaml_node *yaml_find_nothing(const yaml_node *mapping, const char *key) {
    if (!mapping || mapping->kind != YAML_MAPPING) return NULL;
    for (int i = 0; i < mapping->count; i++)
        if (strcmp(yaml_key(mapping, i)->text, key) == 0 && yaml_is_nothing(yaml_value(mapping, i)))
            return yaml_key(mapping, i);
    return NULL;
}

int yaml_is_nothing(const yaml_node *node) {
    static const char *const WORDS[] = {"", "~", "null", "Null", "NULL"}; /* YAML 1.2.2, 10.3.2 */
    for (size_t i = 0; node->kind == YAML_SCALAR && node->is_plain && i < sizeof WORDS / sizeof *WORDS; i++)
        if (strcmp(node->text, WORDS[i]) == 0) return 1;
    return 0;
}

const char *yaml_kind_name(const yaml_node *node) {
    if (yaml_is_nothing(node)) return "nothing";
    return node->kind == YAML_SCALAR ? "a word" : node->kind == YAML_SEQUENCE ? "a list" : "a mapping";
}

static int is_continuation(char c) { return ((unsigned char)c & 0xC0) == 0x80; }

/* The source line of `at`, its indent replaced by two spaces, and the underline. Lines too long for a message are shown
 * from some characters before the node. */
static void add_excerpt(const yaml_file *f, const yaml_node *at, text *out) {
    enum { SHOWN = 160, BEFORE = 100 };
    const char *line = f->source + content_mark(f->source, f->size);
    for (int i = 1; i < at->line && line; i++) {
        line = strchr(line, '\n');
        if (line) line++;
    }
    if (!line || !*line || *line == '\n') return;
    size_t length = strcspn(line, "\r\n"), skip = strspn(line, " \t");
    int column = at->column - 1 - (int)skip; /* of the node, in characters after what is skipped */
    const char *s = line + (skip < length ? skip : 0), *end = line + length;
    if (column < 0) return;
    for (; column > BEFORE && s < end; column--)
        for (s++; s < end && is_continuation(*s); s++) {}
    int width = at->end_line == at->line ? at->end_column - at->column : 1, shown = 0;
    text_add(out, "\n  ");
    for (const char *p = s; p < end; p++) {
        if (!is_continuation(*p) && ++shown > SHOWN) break;
        text_add_n(out, *p == '\t' ? " " : p, 1);
    }
    text_add(out, "\n  ");
    for (int i = 0; i < column; i++) text_add(out, " ");
    text_add(out, "^");
    for (int i = 1; i < width && column + i < SHOWN; i++) text_add(out, "~");
}

static ss_status set_pointed(const yaml_file *f, const yaml_node *at, ss_status code, const char *what,
                             const char *hint, ss_error *err) {
    char where[512];
    text message = {0};
    snprintf(where, sizeof where, "%s:%d:%d", f->path, at->line, at->column);
    text_add(&message, what);
    add_excerpt(f, at, &message);
    if (hint) text_add(&message, "\n"), text_add(&message, hint);
    error_set(err, code, where, "%s", message.failed ? what : message.s);
    text_free(&message);
    return code;
}

ss_status(yaml_error)(const yaml_file *f, const yaml_node *at, const char *hint, ss_error *err, const char *fmt, ...) {
    char what[sizeof err->message];
    va_list args;
    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    return set_pointed(f, at, SS_ERR_INPUT, what, hint, err);
}

ss_status yaml_point(const yaml_file *f, const yaml_node *at, ss_error *err) {
    char what[sizeof err->message];
    memcpy(what, err->message, sizeof what);
    char *line = strchr(what, '\n'), *clause = strstr(what, "; "), *hint = NULL;
    if (clause && (!line || clause < line)) *clause = '\0', hint = clause + 2;
    else if (line) *line = '\0', hint = line + 1;
    return set_pointed(f, at, err->code, what, hint, err);
}
