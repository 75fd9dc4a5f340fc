/* Open addressing with linear probing, at most half full. Keys are borrowed: the caller frees keys after the map. */
#include "base/string_map.h"

#include <stdlib.h>
#include <string.h>

static uint64_t hash_of(const char *key, size_t length) {
    uint64_t hash = STRING_MAP_SEED;
    for (size_t i = 0; i < length; i++) hash = string_map_step(hash, (unsigned char)key[i]);
    return hash;
}

/* The slot that holds the key, or the free one where it would go. */
static string_map_slot *string_map_find_slot(string_map_slot *slots, size_t capacity, uint64_t hash, const char *key,
                                             size_t length) {
    size_t i = (size_t)(hash ^ hash >> 32) & (capacity - 1);
    while (slots[i].key &&
           (slots[i].hash != hash || slots[i].length != length || memcmp(slots[i].key, key, length) != 0))
        i = (i + 1) & (capacity - 1);
    return &slots[i];
}

static ss_status string_map_grow(string_map *m, ss_error *err) {
    size_t capacity = m->capacity ? 2 * m->capacity : 64;
    string_map_slot *slots = calloc(capacity, sizeof *slots);
    if (!slots) return error_no_memory(err, "a table of texts", capacity * sizeof *slots);
    for (size_t i = 0; i < m->capacity; i++) {
        const string_map_slot *s = &m->slots[i];
        if (s->key) *string_map_find_slot(slots, capacity, s->hash, s->key, s->length) = *s;
    }
    free(m->slots);
    m->slots = slots;
    m->capacity = capacity;
    return SS_OK;
}

ss_status string_map_put(string_map *m, const char *key, size_t length, int32_t value, ss_error *err) {
    if (2 * (m->count + 1) > m->capacity) SS_TRY(string_map_grow(m, err));
    uint64_t hash = hash_of(key, length);
    string_map_slot *s = string_map_find_slot(m->slots, m->capacity, hash, key, length);
    m->count += s->key == NULL;
    *s = (string_map_slot){key, (uint32_t)length, value, hash};
    return SS_OK;
}

int32_t string_map_get_hashed(const string_map *m, uint64_t hash, const char *key, size_t length) {
    if (m->capacity == 0) return -1;
    const string_map_slot *s = string_map_find_slot(m->slots, m->capacity, hash, key, length);
    return s->key ? s->value : -1;
}

int32_t string_map_get(const string_map *m, const char *key, size_t length) {
    return string_map_get_hashed(m, hash_of(key, length), key, length);
}

void string_map_free(string_map *m) {
    free(m->slots);
    *m = (string_map){0};
}
