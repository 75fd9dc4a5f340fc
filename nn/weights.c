/* The walk over weight tables and its three modes. Every check of a checkpoint against a config is made here; a forward
 * pass checks no shape of a weight. Random values are made in weights_random.c; weight_set.c packs and frees. */
#include "nn/weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/array.h"
#include "base/text.h"
#include "nn/weights_random.h"

enum { MAX_SYMBOLS = 32, SYMBOL_SIZE = 8, ORIGIN_SIZE = 112, PREFIX_SIZE = 160 };
enum { MAX_NAMES = 8 }; /* of one tensor in one file */

typedef struct symbol {
    char name[SYMBOL_SIZE];
    int64_t value;
    char origin[ORIGIN_SIZE];
} symbol;

struct binder {
    weight_set *set;
    const weight_source *source;
    int n_symbols;
    symbol symbols[MAX_SYMBOLS];
    ss_error error; /* the first one; nothing is visited after it */
};

static int going(const binder *b) { return b->error.code == SS_OK; }

void binder_symbol(binder *b, const char *name, int64_t value, const char *origin_format, ...) {
    if (!going(b)) return;
    int i = 0;
    while (i < b->n_symbols && strcmp(b->symbols[i].name, name) != 0) i++;
    if (i == MAX_SYMBOLS || strlen(name) >= SYMBOL_SIZE) {
        error_set(&b->error, SS_ERR_INTERNAL, NULL, "weight tables: no room for symbol %s", name);
        return;
    }
    if (i == b->n_symbols) b->n_symbols++;
    symbol *s = &b->symbols[i];
    strcpy(s->name, name);
    s->value = value;
    va_list args;
    va_start(args, origin_format);
    vsnprintf(s->origin, sizeof s->origin, origin_format, args);
    va_end(args);
}

void *binder_array(binder *b, int64_t n, size_t size) {
    if (!going(b) || n <= 0) return NULL;
    weight_set *s = b->set;
    void *array = calloc((size_t)n, size);
    if (!array) error_no_memory(&b->error, "weight tables", (unsigned long long)n * size);
    if (!array || ARRAY_ROOM(s->memory, s->memory_capacity, s->n_memory + 1, "weight tables", &b->error) != SS_OK) {
        free(array);
        return NULL;
    }
    return s->memory[s->n_memory++] = array;
}

/* ---- shapes ---- */

typedef struct row_shape {
    int ndim;
    int64_t dim[TENSOR_MAX_DIMS];
    const symbol *used[TENSOR_MAX_DIMS]; /* in order of appearance, without repetition */
    int n_used;
} row_shape;

static int parse_dimension(const binder *b, const char **p, row_shape *out) {
    int64_t value = 1;
    char name[SYMBOL_SIZE] = "";
    size_t length = 0;
    if (**p >= '0' && **p <= '9')
        for (value = 0; **p >= '0' && **p <= '9'; (*p)++) value = 10 * value + (**p - '0');
    for (; **p && **p != ' '; (*p)++) {
        if (length + 1 >= sizeof name) return 0;
        name[length++] = **p;
    }
    while (**p == ' ') (*p)++;
    if (length) {
        int i = 0;
        while (i < b->n_symbols && strcmp(b->symbols[i].name, name) != 0) i++;
        if (i == b->n_symbols) return 0;
        value *= b->symbols[i].value;
        int j = 0;
        while (j < out->n_used && out->used[j] != &b->symbols[i]) j++;
        if (j == out->n_used) out->used[out->n_used++] = &b->symbols[i];
    }
    out->dim[out->ndim++] = value;
    return value > 0;
}

static int weights_parse_shape(const binder *b, const char *s, row_shape *out) {
    *out = (row_shape){0};
    while (*s)
        if (out->ndim == TENSOR_MAX_DIMS || !parse_dimension(b, &s, out)) return 0;
    return out->ndim > 0;
}

static void add_shape(text *t, int ndim, const int64_t *dim) {
    text_add(t, "[");
    for (int i = 0; i < ndim; i++) text_addf(t, "%s%lld", i ? ", " : "", (long long)dim[i]);
    text_add(t, "]");
}

/* "expected [1536, 1536], from num_attention_heads 24 x attention_head_dim 64 in transformer/config.json" */
static void add_expected(text *t, const binder *b, const row_shape *shape) {
    text_add(t, "expected ");
    add_shape(t, shape->ndim, shape->dim);
    for (int i = 0; i < shape->n_used; i++) text_addf(t, "%s%s", i ? " and " : ", from ", shape->used[i]->origin);
    if (shape->n_used) text_addf(t, " in %s", b->source->config_name);
}

/* The tensor as the backend sees it (weight_row says how dimensions are merged). */
static tensor source_view(weight_kind kind, int ndim, const int64_t *dim, tensor_type type, const void *data) {
    int64_t all = 1;
    for (int i = 0; i < ndim; i++) all *= dim[i];
    void *p = (void *)(uintptr_t)data; /* never written through */
    switch (kind) {
    case WEIGHT_VECTOR: return tensor_1d(p, type, all);
    case WEIGHT_TABLE: return tensor_2d(p, type, all / dim[ndim - 1], dim[ndim - 1]);
    case WEIGHT_TRANSPOSED:
    case WEIGHT_LINEAR: return tensor_2d(p, type, dim[0], all / dim[0]);
    case WEIGHT_CONV: break;
    }
    return tensor_4d(p, type, dim[0], ndim > 1 ? dim[1] : 1, ndim > 2 ? dim[2] : 1, ndim > 3 ? dim[3] : 1);
}

/* ---- binding ---- */

static const checkpoint_dtype STORED[] = {
    [TENSOR_F32] = CHECKPOINT_F32, [TENSOR_F16] = CHECKPOINT_F16, [TENSOR_BF16] = CHECKPOINT_BF16};

checkpoint_dtype weights_dtype(tensor_type type) { return STORED[type]; }

int weights_type(checkpoint_dtype dtype, tensor_type *out) {
    for (size_t i = 0; i < sizeof STORED / sizeof STORED[0]; i++)
        if (STORED[i] == dtype) {
            *out = (tensor_type)i;
            return 1;
        }
    return 0;
}

/* Prefix + one of the row's names, behind the prefix of all. */
static int make_name(binder *b, const char *prefix, size_t prefix_length, const char *own, size_t length, text *out) {
    if (b->source->prefix) text_add(out, b->source->prefix);
    text_add_n(out, prefix, prefix_length);
    text_add_n(out, own, length);
    if (out->failed) error_no_memory(&b->error, "the name of a tensor", length);
    return !out->failed;
}

/* Every entry that is called one of the prefixes + one of the row's names; how many. */
static int find_entries(binder *b, const char *prefixes, const char *names, const checkpoint_entry *out[MAX_NAMES]) {
    int n = 0;
    for (const char *p = prefixes;; p++) {
        const size_t prefix = strcspn(p, "|");
        for (const char *own = names; going(b); own++) {
            const size_t length = strcspn(own, "|");
            text name = {0};
            const checkpoint_entry *e =
                make_name(b, p, prefix, own, length, &name) ? checkpoint_find(b->source->file, name.s) : NULL;
            text_free(&name);
            if (e && n < MAX_NAMES) out[n++] = e;
            own += length;
            if (!*own) break;
        }
        p += prefix;
        if (!*p || !going(b)) break;
    }
    return n;
}

/* Whether two tensors hold the same bytes; a failure to read them is kept. */
static int same_tensor(binder *b, const checkpoint_entry *x, const checkpoint_entry *y) {
    enum { PIECE = 1 << 16 };
    const size_t size = checkpoint_dtype_size(x->dtype);
    if (x->dtype != y->dtype || x->count != y->count) return 0;
    char *one = malloc(2 * PIECE * size);
    char *other = one ? one + PIECE * size : NULL;
    int same = 1;
    if (!one) {
        error_no_memory(&b->error, x->name, 2 * PIECE * size);
        return 0;
    }
    for (int64_t at = 0; going(b) && same && at < x->count; at += PIECE) {
        int64_t n = x->count - at < PIECE ? x->count - at : PIECE;
        same = checkpoint_read(x, at, n, one, &b->error) == SS_OK &&
               checkpoint_read(y, at, n, other, &b->error) == SS_OK && memcmp(one, other, (size_t)n * size) == 0;
    }
    free(one);
    return same;
}

/* A file may have the tensor under several names (tied weights, saved twice). `used` is the one that is bound; where
 * another one differs, another program may compute with that. */
static void weights_compare_names(binder *b, const checkpoint_entry *const *found, int n,
                                  const checkpoint_entry *used) {
    for (int i = 0; b->source->notices && going(b) && i < n; i++)
        if (found[i] != used && !same_tensor(b, used, found[i]) && going(b))
            notices_add(b->source->notices, &b->error, "%s: %s is used; %s, another name of the same tensor, differs",
                        used->file, used->name, found[i]->name);
}

/* [rows, columns] values as [columns, rows]. */
static void turn_values(char *out, const char *data, int64_t rows, int64_t columns, size_t element) {
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < columns; i++)
            memcpy(out + (size_t)(i * rows + r) * element, data + (size_t)(r * columns + i) * element, element);
}

static ss_status weights_read_values(const void *from, int64_t first, int64_t n, void *out, ss_error *err) {
    return checkpoint_read(from, first, n, out, err);
}

/* All values of a tensor [I, O] as [O, I]. */
static ss_status weights_read_turned(const void *from, int64_t first, int64_t n, void *out, ss_error *err) {
    const checkpoint_entry *e = from;
    size_t element = checkpoint_dtype_size(e->dtype), bytes = (size_t)e->count * element;
    (void)first; /* of a linear layer all are asked for at once */
    (void)n;
    char *data = malloc(bytes ? bytes : 1);
    if (!data) return error_no_memory(err, e->name, bytes);
    ss_status status = checkpoint_read(e, 0, e->count, data, err);
    if (status == SS_OK && e->count) turn_values(out, data, e->shape[0], e->count / e->shape[0], element);
    free(data);
    return status;
}

static void bind_from_file(binder *b, weight_item *item, const char *prefixes, const weight_row *row,
                           const row_shape *shape) {
    text message = {0};
    const checkpoint_entry *found[MAX_NAMES];
    const int n = find_entries(b, prefixes, row->name, found);
    if (!going(b)) return;
    const checkpoint_entry *e = n ? found[n - 1] : NULL;
    for (int i = 0; i < n; i++) b->set->claimed[found[i] - checkpoint_at(b->source->file, 0)] = 1;
    tensor_type type;
    int fits = 1;
    if (!e) {
        text_addf(&message, "%s is missing\n  ", item->name);
        add_expected(&message, b, shape);
        fits = 0;
    } else {
        fits = e->ndim == shape->ndim && memcmp(e->shape, shape->dim, sizeof(int64_t) * (size_t)e->ndim) == 0;
        if (!fits) {
            text_addf(&message, "%s has shape ", e->name);
            add_shape(&message, e->ndim, e->shape);
            text_add(&message, "\n  ");
            add_expected(&message, b, shape);
        } else if (!weights_type(e->dtype, &type)) {
            text_addf(&message, "%s has dtype %s; expected F64, F32, F16, BF16 or F8", e->name,
                      checkpoint_stored_name(e));
            fits = 0;
        }
    }
    if (message.failed) error_no_memory(&b->error, "a message", message.len);
    else if (!fits) error_set(&b->error, SS_ERR_INPUT, e ? e->file : checkpoint_path(b->source->file), "%s", message.s);
    text_free(&message);
    if (!fits) return;
    item->w->source = source_view(row->kind, e->ndim, e->shape, type, NULL);
    item->w->values = (weight_values){row->kind == WEIGHT_TRANSPOSED ? weights_read_turned : weights_read_values, e};
    item->entry = e;
    item->type = e->dtype;
    weights_compare_names(b, found, n, e);
}

/* The bound source, [I, O], becomes [O, I]. */
static void weights_turn(binder *b, weight *w) {
    tensor s = w->source;
    size_t element = tensor_type_size(s.type);
    char *data = s.data ? binder_array(b, tensor_elements(s), element) : NULL;
    if (data) turn_values(data, s.data, s.dim[0], s.dim[1], element);
    w->kind = WEIGHT_LINEAR;
    w->source = tensor_2d(data, s.type, s.dim[1], s.dim[0]);
}

static void visit_row(binder *b, char *base, const weight_row *row, const char *prefixes) {
    row_shape shape;
    weight_set *s = b->set;
    if (!weights_parse_shape(b, row->shape, &shape)) {
        error_set(&b->error, SS_ERR_INTERNAL, NULL, "weight tables: cannot read shape '%s' of %s%s", row->shape,
                  prefixes, row->name);
        return;
    }
    text name = {0};
    if (!make_name(b, prefixes, strcspn(prefixes, "|"), row->name, strcspn(row->name, "|"), &name) ||
        ARRAY_ROOM(s->item, s->capacity, s->n + 1, "weight tables", &b->error) != SS_OK) {
        text_free(&name);
        error_no_memory(&b->error, "weight tables", sizeof *s->item);
        return;
    }
    weight_item item = {
        .w = (weight *)(void *)(base + row->offset), .name = name.s, .shape = row->shape, .ndim = shape.ndim};
    memcpy(item.dim, shape.dim, sizeof shape.dim);
    item.w->kind = row->kind;
    if (b->source->mode == WEIGHTS_FROM_FILE) {
        bind_from_file(b, &item, prefixes, row, &shape);
    } else {
        tensor *source = &item.w->source;
        *source = source_view(row->kind, shape.ndim, shape.dim, TENSOR_F32, NULL);
        item.type = CHECKPOINT_F32;
        if (b->source->mode == WEIGHTS_RANDOM)
            source->data = binder_array(b, tensor_elements(*source), tensor_type_size(source->type));
    }
    if (b->source->mode == WEIGHTS_RANDOM && item.w->source.data)
        weights_random_values(&item, b->source->seed, TENSOR_F32, 0, tensor_elements(item.w->source),
                              item.w->source.data);
    if (row->kind == WEIGHT_TRANSPOSED && going(b)) weights_turn(b, item.w);
    if (going(b)) s->item[s->n++] = item;
    else text_free(&name);
}

void binder_rows(binder *b, void *base, const weight_row *rows, int n, const char *prefix_format, ...) {
    if (!base) return;
    char prefix[PREFIX_SIZE];
    va_list args;
    va_start(args, prefix_format);
    vsnprintf(prefix, sizeof prefix, prefix_format, args);
    va_end(args);
    for (int i = 0; i < n && going(b); i++) visit_row(b, base, &rows[i], prefix);
}

/* ---- tensors that no row has ---- */

static int ends_in_one(const char *name, const char *const *ends) {
    for (; ends && *ends; ends++)
        if (text_ends_with(name, *ends)) return 1;
    return 0;
}

/* Adds "a, b, c", or, where they are many, "vision_model.* (196), logit_scale". */
static void add_unclaimed(text *t, const weight_set *s, int others) {
    enum { SHOWN = 8 };
    const int in_groups = others > SHOWN;
    int shown = 0, rest = 0;
    size_t count = checkpoint_count(s->file);
    for (size_t i = 0, next; i < count; i = next) {
        const char *name = checkpoint_at(s->file, i)->name;
        const size_t group = strcspn(name, ".");
        int n = !s->claimed[i];
        for (next = i + 1; in_groups && name[group] && next < count; next++) { /* entries are sorted by name */
            if (strncmp(checkpoint_at(s->file, next)->name, name, group + 1) != 0) break;
            n += !s->claimed[next];
        }
        if (n == 0) continue;
        if (shown == SHOWN) rest += n;
        else if (n == 1 && next == i + 1) text_addf(t, "%s%s", shown++ ? ", " : "", name);
        else text_addf(t, "%s%.*s.* (%d)", shown++ ? ", " : "", (int)group, name, n);
    }
    if (rest) text_addf(t, " and %d more", rest);
}

/* 8-bit weights with a separate scale, without which they cannot be used. */
static ss_status check_scales(const weight_set *s, const checkpoint_entry *e, ss_error *err) {
    static const char *const scales[] = {"scaled_fp8", ".scale_weight", ".weight_scale", NULL};
    if (!ends_in_one(e->name, scales)) return SS_OK;
    for (int i = 0; i < s->n; i++) {
        const char *stored = s->item[i].entry ? checkpoint_stored_name(s->item[i].entry) : "";
        if (strncmp(stored, "F8_", 3) == 0)
            return error_set(err, SS_ERR_INPUT, e->file,
                             "%s: the weights in %s have scales beside them, which is not supported; expected plain "
                             "weights (of 16 bits, or F8 without scales)",
                             e->name, stored);
    }
    return SS_OK;
}

static ss_status fail_unclaimed(const weight_set *s, const weight_source *source, const checkpoint_entry *first,
                                int others, ss_error *err) {
    text shape = {0};
    add_shape(&shape, first->ndim, first->shape);
    char more[64] = "";
    if (others > 1) snprintf(more, sizeof more, " (and %d more)", others - 1);
    error_set(err, SS_ERR_INPUT, first->file,
              "%s %s%s is not part of the network that %s describes; expected %d tensors, found %zu", first->name,
              shape.s ? shape.s : "", more, source->config_name, s->n, checkpoint_count(source->file));
    text_free(&shape);
    return err->code;
}

/* Every tensor of the file belongs to a row, is on the list of unused ones, or is noted. */
static ss_status check_claims(weight_set *s, const weight_source *source, ss_error *err) {
    const checkpoint_entry *first = NULL;
    int others = 0;
    for (size_t i = 0; i < checkpoint_count(source->file); i++) {
        const checkpoint_entry *e = checkpoint_at(source->file, i);
        s->claimed[i] |= ends_in_one(e->name, source->ignore) ||
                         (source->prefix && strncmp(e->name, source->prefix, strlen(source->prefix)) != 0);
        if (s->claimed[i]) continue;
        SS_TRY(check_scales(s, e, err));
        if (!first) first = e;
        others++;
    }
    if (!first) return SS_OK;
    if (source->others_fail) return fail_unclaimed(s, source, first, others, err);
    text line = {0};
    text_addf(&line,
              "%s: %d tensor%s no part of the network that %s describes, and ignored: ", checkpoint_path(source->file),
              others, others == 1 ? " is" : "s are", source->config_name);
    add_unclaimed(&line, s, others);
    return notices_add_text(source->notices, &line, err);
}

/* ---- the whole ---- */

ss_status weights_bind(weight_set *s, weight_walk walk, const void *config, void *weights, const weight_source *source,
                       ss_error *err) {
    binder b = {.set = s, .source = source};
    s->file = source->mode == WEIGHTS_FROM_FILE ? source->file : NULL;
    if (s->file && !(s->claimed = calloc(checkpoint_count(s->file) + 1, 1)))
        return error_no_memory(err, "weight tables", checkpoint_count(s->file));
    walk(&b, config, weights);
    if (!going(&b)) {
        *err = b.error;
        return err->code;
    }
    return source->mode == WEIGHTS_FROM_FILE ? check_claims(s, source, err) : SS_OK;
}
