/* See made.h. */
#include "made.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

static uint32_t step(uint32_t *state) { return *state = *state * 1664525u + 1013904223u; }

rgb_image made_image(uint32_t seed, int width, int height) {
    rgb_image image = {width, height, malloc(3 * (size_t)width * (size_t)height)};
    assert_non_null(image.rgb);
    for (int i = 0; i < 3 * width * height; i++) {
        unsigned noise = step(&seed) >> 24;
        image.rgb[i] = (unsigned char)(i / 97 % 2 ? noise : (unsigned)(i * 5 / (width + 1)) & 255);
    }
    return image;
}

float *made_floats(uint32_t seed, size_t n) {
    float *out = malloc(n * sizeof *out);
    assert_non_null(out);
    for (size_t i = 0; i < n; i++) out[i] = (float)(step(&seed) >> 8) * 0x1p-24f;
    return out;
}

void made_lines(const char *name, const char *kind, void (*check)(const char *line), int expected) {
    char path[512], line[1024];
    int n = 0;
    snprintf(path, sizeof path, TEST_DATA "/score/%s", name);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    size_t length = strlen(kind);
    while (fgets(line, sizeof line, f))
        if (strncmp(line, kind, length) == 0 && line[length] == ' ') check(line + length), n++;
    fclose(f);
    assert_int_equal(n, expected);
}

double made_number(const char **at) {
    char word[64];
    double value;
    int length = 0;
    if (sscanf(*at, "%63s%n", word, &length) != 1 || text_to_double(word, &value) != 0)
        fail_msg("no number in '%s'", *at);
    *at += length;
    return value;
}

int made_int(const char **at) { return (int)made_number(at); }
