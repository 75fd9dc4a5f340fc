/* See finite.h. Bits are compared, not numbers: no compiler flag and no rounding mode changes the answer. */
#include "base/finite.h"

#include <math.h>
#include <string.h>

static uint32_t exponent_of(const float *x) {
    uint32_t bits;
    memcpy(&bits, x, sizeof bits);
    return bits & 0x7F800000u;
}

int64_t finite_first_bad(const float *x, int64_t n) {
    enum { PART = 4096 };
    for (int64_t first = 0; first < n; first += PART) {
        int64_t end = n - first < PART ? n : first + PART;
        uint32_t bad = 0;
        for (int64_t i = first; i < end; i++) bad |= exponent_of(x + i) == 0x7F800000u;
        for (int64_t i = first; bad && i < end; i++)
            if (exponent_of(x + i) == 0x7F800000u) return i;
    }
    return -1;
}

const char *finite_word(double x) { return isnan(x) ? "NaN" : x > 0 ? "infinity" : "-infinity"; }
