/* What every test of stats/ needs: cmocka, closeness, the reference values. */
#ifndef TESTS_UNIT_STATS_NEAR_H
#define TESTS_UNIT_STATS_NEAR_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "stats/figure.h"
#include "stats/vectors.h"

#define COUNT_OF(array) ((int)(sizeof(array) / sizeof((array)[0])))

/* Relative difference at most `tolerance`; exact where `expected` is 0. */
#define assert_near(actual, expected, tolerance)                                                                       \
    do {                                                                                                               \
        double actual_ = (actual), expected_ = (expected);                                                             \
        if (!(fabs(actual_ - expected_) <= (tolerance)*fabs(expected_)))                                               \
            fail_msg("%s is %.17g; expected %.17g within %g", #actual, actual_, expected_, (double)(tolerance));       \
    } while (0)

#define assert_figure(figure, expected, tolerance)                                                                     \
    do {                                                                                                               \
        stats_figure figure_ = (figure);                                                                               \
        if (figure_.state != STATS_DEFINED)                                                                            \
            fail_msg("%s is undefined: %s", #figure, stats_states[figure_.state].name);                                \
        assert_near(figure_.value, expected, tolerance);                                                               \
    } while (0)

#define assert_state(figure, expected) assert_int_equal((figure).state, expected)

#endif
