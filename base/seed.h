/* Seeds of noise, exactly: every whole number that torch.Generator.manual_seed takes, -2^63 to 2^64 - 1. No 64-bit type
 * holds them all, and a double holds few.
 *
 * torch keeps a seed modulo 2^64, and its CPU generator seeds the Mersenne Twister with the low 32 bits of that
 * (torch/csrc/Generator.cpp, unpack_uint64; ATen/core/MT19937RNGEngine.h, init_with_uint32). So seeds that are equal
 * modulo 2^32 are one noise: 1 and 4294967297, -1 and 4294967295. Two images of one prompt with such seeds are one
 * image, and counting them as two is a false n. */
#ifndef BASE_SEED_H
#define BASE_SEED_H

#include <stdint.h>

typedef struct image_seed {
    uint64_t bits; /* the number modulo 2^64 */
    int negative;  /* the number is bits - 2^64 */
} image_seed;

typedef char seed_text[24];

image_seed seed_of(int64_t number);
image_seed seed_of_unsigned(uint64_t number);

/* The whole of `s`: digits, before them a sign or not. 0, or -1 where it is no seed. */
int seed_parse(const char *s, image_seed *out);

/* The same of a cell that a program wrote which holds whole numbers as floating point: "1.0", "12.". */
int seed_parse_cell(const char *s, image_seed *out);

/* As seed_parse reads it; -> out. */
const char *seed_write(image_seed a, seed_text out);

int seed_compare(image_seed a, image_seed b); /* < 0, 0, > 0, by the numbers */

/* a + n; -1 where that is no seed. */
int seed_add(image_seed a, int64_t n, image_seed *out);

/* What the generator makes of it. */
uint32_t seed_noise(image_seed a);

/* A name among seeds of different noise, for tables of 64-bit numbers: the number itself where it fits. */
int64_t seed_key(image_seed a);
int seed_is_int64(image_seed a); /* whether it does */

/* The first of the seeds that has the noise of one before it: its index, and the other's in *first; -1 = none,
 * -2 = no memory. */
int seed_find_same_noise(const image_seed *a, int n, int *first);

#endif
