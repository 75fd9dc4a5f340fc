/* What is done with a set of bound weights: packing, freeing, sizes. */
#include <stdlib.h>
#include <string.h>
#include "nn/weights.h"

static int in_part(const weight_item *item, const char *prefix) {
    return strncmp(item->name, prefix, strlen(prefix)) == 0;
}

static size_t source_bytes(const weight_item *item) {
    return (size_t)tensor_elements(item->w->source) * tensor_type_size(item->w->source.type);
}

void weights_pack_part(const weight_set *s, compute *c, const char *prefix) {
    for (int i = 0; i < s->n; i++) {
        weight *w = s->item[i].w;
        if (!w->packed && in_part(&s->item[i], prefix)) weight_pack(c, w);
    }
}

void weights_set_form(const weight_set *s, weight_form form) {
    for (int i = 0; i < s->n; i++) s->item[i].w->form = form;
}

void weights_pack(const weight_set *s, compute *c) { weights_pack_part(s, c, ""); }

void weights_unpack_part(const weight_set *s, compute *c, const char *prefix) {
    for (int i = 0; i < s->n; i++) {
        weight *w = s->item[i].w;
        if (w->packed && in_part(&s->item[i], prefix)) weight_free(c, w);
    }
}

void weights_free(weight_set *s, compute *c) {
    for (int i = 0; i < s->n; i++) {
        if (c) weight_free(c, s->item[i].w);
        free(s->item[i].name);
    }
    for (int i = 0; i < s->n_memory; i++) free(s->memory[i]);
    free(s->item);
    free(s->memory);
    free(s->claimed);
    *s = (weight_set){0};
}

int64_t weights_parameter_count(const weight_set *s) {
    int64_t n = 0;
    for (int i = 0; i < s->n; i++) n += tensor_elements(s->item[i].w->source);
    return n;
}

size_t weights_packed_part_bytes(const weight_set *s, const compute *c, const char *prefix) {
    size_t n = 0;
    for (int i = 0; i < s->n; i++)
        if (in_part(&s->item[i], prefix)) n += weight_packed_bytes(c, s->item[i].w);
    return n;
}

size_t weights_packed_bytes(const weight_set *s, const compute *c) { return weights_packed_part_bytes(s, c, ""); }

size_t weights_packing_bytes(const weight_set *s, const compute *c) {
    size_t packed = 0, read = 0, most = 0;
    for (int i = 0; i < s->n; i++) {
        size_t bytes = weight_packed_bytes(c, s->item[i].w), source = bytes && s->file ? source_bytes(&s->item[i]) : 0;
        packed += bytes;
        if (source > read) read = source;
        if (packed + read > most) most = packed + read;
    }
    return most;
}
