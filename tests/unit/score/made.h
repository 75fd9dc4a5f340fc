/* Images that the generators of the vectors make too (tests/generators/score_inputs.py), and lines of vector files. */
#ifndef TESTS_SCORE_MADE_H
#define TESTS_SCORE_MADE_H

#include <stddef.h>
#include <stdint.h>

#include "io/rgb_image.h"

/* Partly smooth, partly noise. Free with rgb_image_free. */
rgb_image made_image(uint32_t seed, int width, int height);

/* n values in 0..1 of 24 bits (malloc). */
float *made_floats(uint32_t seed, size_t n);

/* Calls `check` with every line of TEST_DATA/score/NAME that begins with `kind`; fails unless there are `expected`. */
void made_lines(const char *name, const char *kind, void (*check)(const char *line), int expected);

/* From *at on: the next word as a number, whatever the locale; *at moves behind it. */
double made_number(const char **at);
int made_int(const char **at);

#endif
