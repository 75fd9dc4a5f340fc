/* Numbers that are no numbers: infinities and NaNs. */
#ifndef BASE_FINITE_H
#define BASE_FINITE_H

#include <stdint.h>

/* Index of the first of `n` numbers that is infinite or NaN; -1 where all are finite. */
int64_t finite_first_bad(const float *x, int64_t n);

/* "NaN", "infinity" or "-infinity" of a number that is not finite. */
const char *finite_word(double x);

#endif
