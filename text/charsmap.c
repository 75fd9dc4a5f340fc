/* A Darts double array: each unit holds a label, an offset and whether a value hangs below. Every offset is checked
 * against the array before it is followed. */
#include "text/charsmap.h"

#include <string.h>

#include "text/unicode.h"

enum { SHORT_CLUSTER = 6 }; /* bytes; a cluster shorter than this is looked up whole first */

ss_status charsmap_read(charsmap *c, const unsigned char *bytes, size_t size, const char *where, ss_error *err) {
    uint32_t trie_size = 0;
    if (size >= 4) memcpy(&trie_size, bytes, 4);
    if (size < 4 || trie_size % 4 || trie_size == 0 || trie_size > size - 4)
        return error_set(err, SS_ERR_INPUT, where, "has a normalization table of %zu bytes whose trie claims %u", size,
                         trie_size);
    *c = (charsmap){bytes + 4, trie_size / 4, (const char *)bytes + 4 + trie_size, size - 4 - trie_size};
    if (unicode_find_invalid(c->replacements, c->size) < c->size)
        return error_set(err, SS_ERR_INPUT, where, "has a normalization table that is not UTF-8");
    if (c->size == 0 || c->replacements[c->size - 1] != '\0')
        return error_set(err, SS_ERR_INPUT, where, "has a normalization table that ends within a replacement");
    return SS_OK;
}

static int get_unit(const charsmap *c, size_t i, uint32_t *unit) {
    if (i >= c->units) return 0;
    memcpy(unit, c->trie + 4 * i, 4);
    return 1;
}

static size_t offset_of(uint32_t unit) { return (size_t)(unit >> 10) << ((unit & (1u << 9)) >> 6); }

/* The replacement of the shortest prefix of s in the table, or NULL. It replaces all of s, not the prefix alone: the
 * reference does that. */
static const char *charsmap_find(const charsmap *c, const char *s, size_t n) {
    uint32_t unit;
    size_t node = 0;
    if (!get_unit(c, 0, &unit)) return NULL;
    node ^= offset_of(unit);
    for (size_t i = 0; i < n && s[i]; i++) {
        unsigned char byte = (unsigned char)s[i];
        node ^= byte;
        if (!get_unit(c, node, &unit) || (unit & (1u << 31 | 0xFF)) != byte) return NULL;
        node ^= offset_of(unit);
        if ((unit >> 8 & 1) == 0) continue;
        if (!get_unit(c, node, &unit)) return NULL;
        size_t at = unit & ((1u << 31) - 1);
        int inside = at < c->size && ((unsigned char)c->replacements[at] & 0xC0) != 0x80;
        return inside ? c->replacements + at : NULL;
    }
    return NULL;
}

void charsmap_add(const charsmap *c, const char *s, size_t n, text *out) {
    for (size_t i = 0; i < n;) {
        size_t cluster = unicode_grapheme(s + i, n - i), end = i + cluster;
        const char *whole = cluster < SHORT_CLUSTER ? charsmap_find(c, s + i, cluster) : NULL;
        if (whole) text_add(out, whole);
        while (!whole && i < end) {
            int32_t cp;
            size_t step = unicode_next(s + i, end - i, &cp);
            const char *one = charsmap_find(c, s + i, step);
            if (one) text_add(out, one);
            else text_add_n(out, s + i, step);
            i += step;
        }
        i = end;
    }
}
