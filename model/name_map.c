/* See name_map.h. */
#include "model/name_map.h"

#include <string.h>

enum { MAX_NUMBER = 9999 };

/* A number without leading zeros; NULL: there is none. */
static const char *read_number(const char *s, int64_t *out) {
    const char *start = s;
    for (*out = 0; *s >= '0' && *s <= '9'; s++) {
        *out = 10 * *out + (*s - '0');
        if (*out > MAX_NUMBER) return NULL;
    }
    return s == start || (*start == '0' && s - start > 1) ? NULL : s;
}

/* How much of the name the row covers; 0: it does not fit. */
static size_t name_map_match(const char *from, const char *name, int flat, int64_t number[MAP_MAX_NUMBERS]) {
    const char *p = name;
    int n = 0;
    const char *f = from;
    for (; *f; f++) {
        if (*f == '#') {
            if (n == MAP_MAX_NUMBERS || !(p = read_number(p, &number[n++]))) return 0;
        } else if (*p == *f || (flat && *f == '.' && *p == '_')) p++;
        else return 0;
    }
    return f > from && f[-1] != '.' && *p ? 0 : (size_t)(p - name);
}

static const map_row *name_map_find_row(const name_map *m, const char *name, int flat, int64_t number[MAP_MAX_NUMBERS],
                                        size_t *covered) {
    for (int i = 0; i < m->rows; i++) {
        memset(number, 0, sizeof *number * MAP_MAX_NUMBERS);
        *covered = name_map_match(m->row[i].from, name, flat, number);
        if (*covered) return &m->row[i];
    }
    return NULL;
}

const map_row *name_map_find(const name_map *m, const char *name, int64_t number[MAP_MAX_NUMBERS], size_t *covered) {
    return name_map_find_row(m, name, 0, number, covered);
}

static int64_t count_anew(const map_numbers *n, char rule, int64_t x) {
    const int64_t layers = n->layers > 0 ? n->layers : 1;
    switch (rule) {
    case '-': return x - 1;
    case '^': return n->blocks - 1 - x;
    case '<': return (x - 1) / layers;
    case ',': return (x - 1) % layers;
    case '>': return x / layers;
    case ';': return x % layers;
    default: return x;
    }
}

/* Append one of the row's new beginnings, up to '|' or the end; the rest of it is returned. */
static const char *add_beginning(text *out, const char *to, const map_numbers *n,
                                 const int64_t number[MAP_MAX_NUMBERS]) {
    for (; *to && *to != '|'; to++) {
        if (*to != '{') {
            text_add_n(out, to, 1);
            continue;
        }
        const int64_t x = number[to[1] - '0'];
        text_addf(out, "%lld", (long long)count_anew(n, to[2], x));
        to += to[2] == '}' ? 2 : 3;
    }
    return *to ? to + 1 : NULL;
}

static void change_form(view_tensor *t, map_change change, int is_last) {
    switch (change) {
    case MAP_SWAP_LAST:
        if (is_last) view_swap_halves(t);
        break;
    case MAP_SWAP: view_swap_halves(t); break;
    case MAP_TURN: view_transpose(t); break;
    case MAP_FLAT: view_flatten(t); break;
    case MAP_SAME:
    case MAP_DROP: break;
    }
}

/* Rows that do not divide are an error of the file: a part would be of no shape. */
static ss_status check_rows(const checkpoint_entry *e, int parts, ss_error *err) {
    if (parts == 1 || (e->ndim > 0 && e->shape[0] % parts == 0)) return SS_OK;
    return error_set(err, SS_ERR_INPUT, e->file, "%s has %lld rows; expected a multiple of %d, for it holds %d tensors",
                     e->name, (long long)(e->ndim ? e->shape[0] : 0), parts, parts);
}

static ss_status name_map_apply_row(const name_map *m, const map_numbers *n, const char *name, int flat,
                                    const checkpoint_entry *e, view_tensors *list, int *known, ss_error *err) {
    int64_t number[MAP_MAX_NUMBERS];
    size_t covered;
    const map_row *row = name_map_find_row(m, name, flat, number, &covered);
    *known = row != NULL;
    if (!row || row->change == MAP_DROP) return SS_OK;
    int parts = 1, part = 0;
    for (const char *p = row->to; *p; p++) parts += *p == '|';
    SS_TRY(check_rows(e, parts, err));
    for (const char *to = row->to; to; part++) {
        text made = {0};
        to = add_beginning(&made, to, n, number);
        text_add(&made, name + covered);
        view_tensor *t = view_tensors_add(list, &made, e, err);
        if (!t) return err->code;
        if (parts > 1) view_take_rows(t, part, parts);
        change_form(t, row->change, number[0] == n->blocks - 1);
    }
    return SS_OK;
}

ss_status name_map_apply(const name_map *m, const map_numbers *n, const char *name, const checkpoint_entry *e,
                         view_tensors *list, int *known, ss_error *err) {
    return name_map_apply_row(m, n, name, 0, e, list, known, err);
}

ss_status name_map_apply_flat(const name_map *m, const map_numbers *n, const char *name, const checkpoint_entry *e,
                              view_tensors *list, int *known, ss_error *err) {
    return name_map_apply_row(m, n, name, 1, e, list, known, err);
}
