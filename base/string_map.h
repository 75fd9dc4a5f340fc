/* A hash map from byte strings to 32-bit numbers, of vocabularies and of sets of texts (base/text_set.h). Keys are not
 * copied and must outlive the map. */
#ifndef BASE_STRING_MAP_H
#define BASE_STRING_MAP_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

typedef struct string_map_slot {
    const char *key; /* NULL = free */
    uint32_t length;
    int32_t value;
    uint64_t hash;
} string_map_slot;

/* Zero-initialise; free with string_map_free. */
typedef struct string_map {
    string_map_slot *slots;
    size_t capacity, count; /* capacity is a power of two */
} string_map;

/* FNV-1a in steps: begin with STRING_MAP_SEED and feed the bytes, so that all prefixes of a text cost one pass. */
#define STRING_MAP_SEED UINT64_C(14695981039346656037)
static inline uint64_t string_map_step(uint64_t hash, unsigned char byte) {
    return (hash ^ byte) * UINT64_C(1099511628211);
}

/* Set key to value; an old value is replaced. */
ss_status string_map_put(string_map *m, const char *key, size_t length, int32_t value, ss_error *err);

/* The value, or -1 where there is no such key. */
int32_t string_map_get(const string_map *m, const char *key, size_t length);
int32_t string_map_get_hashed(const string_map *m, uint64_t hash, const char *key, size_t length);

void string_map_free(string_map *m);

#endif
