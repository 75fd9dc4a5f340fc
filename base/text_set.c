/* Open addressing with linear probing; the hash is FNV-1a, 64 bits, with a final mix (its low bits choose the slot). */
#include "base/text_set.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"

static uint64_t hash(const char *s, size_t length) {
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < length; i++) h = (h ^ (unsigned char)s[i]) * 0x100000001b3u;
    return h ^ h >> 32;
}

/* The slot of the text, or the free one where it would go. */
static size_t find_slot(text_set *w, const char *s, size_t length) {
    size_t i = (size_t)hash(s, length) & (w->slots - 1);
    for (; w->slot[i]; i = (i + 1) & (w->slots - 1)) {
        const char *there = w->at[w->slot[i] - 1];
        w->compared++;
        if (strncmp(there, s, length) == 0 && there[length] == '\0') break;
    }
    return i;
}

static ss_status grow(text_set *w, ss_error *err) {
    size_t slots = w->slots ? 2 * w->slots : 64;
    const char **at = array_resize(w->at, slots / 2, sizeof *at);
    if (at) w->at = at;
    int64_t *slot = at ? calloc(slots, sizeof *slot) : NULL;
    if (!slot) return error_no_memory(err, "a set of texts", slots * sizeof *slot);
    free(w->slot);
    w->slot = slot;
    w->slots = slots;
    for (int64_t i = 0; i < w->n; i++) w->slot[find_slot(w, w->at[i], strlen(w->at[i]))] = i + 1;
    return SS_OK;
}

ss_status text_set_add(text_set *w, const char *s, int64_t *number, ss_error *err) {
    if (w->slots <= 2 * (size_t)w->n + 1) SS_TRY(grow(w, err));
    size_t i = find_slot(w, s, strlen(s));
    if (!w->slot[i]) {
        w->at[w->n] = s;
        w->slot[i] = ++w->n;
    }
    *number = w->slot[i] - 1;
    return SS_OK;
}

int64_t text_set_find_n(text_set *w, const char *s, size_t length) {
    return w->slots ? w->slot[find_slot(w, s, length)] - 1 : -1;
}

int64_t text_set_find(text_set *w, const char *s) { return text_set_find_n(w, s, strlen(s)); }

void text_set_free(text_set *w) {
    free(w->at);
    free(w->slot);
    *w = (text_set){0};
}
