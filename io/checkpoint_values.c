/* See checkpoint_values.h. An IEEE number is infinite or NaN where all bits of its exponent are set. */
#include "io/checkpoint_values.h"

#include <stdlib.h>
#include <string.h>

/* Elements of one read: some pages of each type. */
enum { PART = 1 << 20 };

/* Bits of the exponent and of the fraction of a type that has them. */
static const struct {
    uint32_t exponent, fraction;
} BITS[] = {[CHECKPOINT_F32] = {0x7F800000u, 0x007FFFFFu},
            [CHECKPOINT_F16] = {0x7C00u, 0x03FFu},
            [CHECKPOINT_BF16] = {0x7F80u, 0x007Fu},
            [CHECKPOINT_U8] = {0, 0}};

static uint32_t bits_at(const void *data, size_t size, int64_t i) {
    uint32_t wide;
    uint16_t narrow;
    if (size == sizeof wide) {
        memcpy(&wide, (const char *)data + (size_t)i * sizeof wide, sizeof wide);
        return wide;
    }
    memcpy(&narrow, (const char *)data + (size_t)i * sizeof narrow, sizeof narrow);
    return narrow;
}

/* Whether any of n values has all exponent bits set: one pass without a branch, which the compiler makes wide. */
static int any32(const void *data, int64_t n, uint32_t exponent) {
    uint32_t bad = 0;
    for (int64_t i = 0; i < n; i++) bad |= (bits_at(data, sizeof(uint32_t), i) & exponent) == exponent;
    return (int)bad;
}

static int any16(const void *data, int64_t n, uint16_t exponent) {
    uint16_t bad = 0;
    for (int64_t i = 0; i < n; i++) {
        uint16_t h;
        memcpy(&h, (const char *)data + (size_t)i * sizeof h, sizeof h);
        bad |= (uint16_t)((h & exponent) == exponent);
    }
    return bad;
}

static void count_part(const void *data, checkpoint_dtype type, int64_t first, int64_t n, checkpoint_values *out) {
    size_t size = checkpoint_dtype_size(type);
    uint32_t exponent = BITS[type].exponent;
    if (!(size == 4 ? any32(data, n, exponent) : any16(data, n, (uint16_t)exponent))) return;
    for (int64_t i = 0; i < n; i++) {
        uint32_t bits = bits_at(data, size, i);
        if ((bits & exponent) != exponent) continue;
        if (out->first < 0) out->first = first + i;
        if (bits & BITS[type].fraction) out->nan++;
        else out->infinite++;
    }
}

ss_status checkpoint_count_values(const checkpoint *s, const checkpoint_entry *e, checkpoint_values *out,
                                  ss_error *err) {
    (void)s;
    *out = (checkpoint_values){.first = -1};
    if (!BITS[e->dtype].exponent) return SS_OK;
    size_t bytes = PART * checkpoint_dtype_size(e->dtype);
    void *part = malloc(bytes);
    ss_status status = part ? SS_OK : error_no_memory(err, e->name, bytes);
    for (int64_t first = 0; status == SS_OK && first < e->count; first += PART) {
        int64_t n = e->count - first < PART ? e->count - first : PART;
        status = checkpoint_read(e, first, n, part, err);
        if (status == SS_OK) count_part(part, e->dtype, first, n, out);
    }
    free(part);
    return status;
}

/* "[3, 17]" of the index in the tensor. */
static void add_index(text *t, const checkpoint_entry *e, int64_t index) {
    int64_t rest = e->count;
    text_add(t, "[");
    for (int i = 0; i < e->ndim; i++) {
        rest /= e->shape[i];
        text_addf(t, "%s%lld", i ? ", " : "", (long long)(index / rest));
        index %= rest;
    }
    text_add(t, "]");
}

void checkpoint_add_values(text *t, const checkpoint_entry *e, const checkpoint_values *v) {
    if (v->nan) text_addf(t, "%lld NaN", (long long)v->nan);
    if (v->nan && v->infinite) text_add(t, " and ");
    if (v->infinite) text_addf(t, "%lld infinite", (long long)v->infinite);
    if (v->first < 0) text_add(t, "none that is not finite");
    text_add(t, " of ");
    text_add_grouped(t, e->count);
    text_add(t, e->count == 1 ? " value" : " values");
    if (v->first < 0) return;
    text_add(t, v->nan + v->infinite == 1 ? ", at " : ", the first at ");
    add_index(t, e, v->first);
}
