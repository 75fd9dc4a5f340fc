/* Noise of a Brownian path, drawn on demand as torchsde.BrownianInterval does (halfway_tree, tol 1e-6, pool_size 24),
 * which k-diffusion's and diffusers' DPM++ SDE use. An increment does not depend on the order of the calls. Nothing is
 * cached: an interval is computed from the top, by bisection. */
#ifndef SAMPLER_BROWNIAN_H
#define SAMPLER_BROWNIAN_H

#include "sampler/torch_noise.h"

enum { BROWNIAN_LEVELS = 40 }; /* of halves, down to 1e-6 */

typedef struct brownian {
    torch_device device;
    uint64_t seed;
    double low, high; /* where the path begins and ends */
} brownian;

/* (W(to) - W(from)) / sqrt(|to - from|), n numbers; scratch [BROWNIAN_LEVELS + 1, n]. The ends are rounded to 1e-6. */
void brownian_noise(const brownian *b, double from, double to, float *room, float *out, int64_t n);

/* numpy.random.SeedSequence(entropy, spawn_key=(key, depth), pool_size=24).generate_state(1)[0]; without a key where
 * `depth` is negative. */
uint32_t brownian_seed(uint64_t entropy, uint64_t key, int depth);

#endif
