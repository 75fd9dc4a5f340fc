/* See seed.h. */
#include "base/seed.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

image_seed seed_of(int64_t number) { return (image_seed){(uint64_t)number, number < 0}; }
image_seed seed_of_unsigned(uint64_t number) { return (image_seed){number, 0}; }

/* The `n` bytes at s. */
static int parse(const char *s, size_t n, image_seed *out) {
    uint64_t size = 0;
    int negative = n > 0 && *s == '-';
    if (n > 0 && (*s == '-' || *s == '+')) s++, n--;
    if (n == 0) return -1;
    for (size_t i = 0; i < n; i++) {
        if (s[i] < '0' || s[i] > '9') return -1;
        uint64_t digit = (uint64_t)(s[i] - '0');
        if (size > (UINT64_MAX - digit) / 10) return -1;
        size = 10 * size + digit;
    }
    if (negative && size > (uint64_t)INT64_MAX + 1) return -1;
    negative &= size > 0;
    *out = (image_seed){negative ? 0 - size : size, negative};
    return 0;
}

int seed_parse(const char *s, image_seed *out) { return parse(s, strlen(s), out); }

int seed_parse_cell(const char *s, image_seed *out) {
    size_t whole = strcspn(s, "."), zeros = s[whole] == '.' ? strspn(s + whole + 1, "0") : 0;
    if (s[whole] == '.' && s[whole + 1 + zeros] != '\0') return -1;
    return parse(s, whole, out);
}

const char *seed_write(image_seed a, seed_text out) {
    if (a.negative) snprintf(out, sizeof(seed_text), "-%" PRIu64, 0 - a.bits);
    else snprintf(out, sizeof(seed_text), "%" PRIu64, a.bits);
    return out;
}

int seed_compare(image_seed a, image_seed b) {
    if (a.negative != b.negative) return a.negative ? -1 : 1;
    return (a.bits > b.bits) - (a.bits < b.bits);
}

int seed_add(image_seed a, int64_t n, image_seed *out) {
    uint64_t bits = a.bits + (uint64_t)n; /* modulo 2^64 */
    int negative = a.negative;
    if (n > 0 && bits < a.bits) { /* past 2^64, or past 0 */
        if (!a.negative) return -1;
        negative = 0;
    }
    if (n < 0 && bits > a.bits) { /* past 0, or past -2^64 */
        if (a.negative) return -1;
        negative = 1;
    }
    if (negative && bits < (uint64_t)1 << 63) return -1; /* below -2^63 */
    *out = (image_seed){bits, negative};
    return 0;
}

uint32_t seed_noise(image_seed a) { return (uint32_t)a.bits; }
int seed_is_int64(image_seed a) { return a.negative || a.bits <= (uint64_t)INT64_MAX; }
int64_t seed_key(image_seed a) { return (int64_t)a.bits; }

typedef struct numbered {
    uint32_t noise;
    int i;
} numbered;

static int compare_numbered(const void *a, const void *b) {
    const numbered *x = a, *y = b;
    if (x->noise != y->noise) return x->noise < y->noise ? -1 : 1;
    return (x->i > y->i) - (x->i < y->i);
}

int seed_find_same_noise(const image_seed *a, int n, int *first) {
    numbered *sorted = malloc(((size_t)n + 1) * sizeof *sorted);
    int found = -1;
    if (!sorted) return -2;
    for (int i = 0; i < n; i++) sorted[i] = (numbered){seed_noise(a[i]), i};
    qsort(sorted, (size_t)n, sizeof *sorted, compare_numbered);
    for (int i = 1; i < n; i++) {
        if (sorted[i].noise != sorted[i - 1].noise || (found >= 0 && sorted[i].i >= found)) continue;
        found = sorted[i].i;
        *first = sorted[i - 1].i;
    }
    free(sorted);
    return found;
}
