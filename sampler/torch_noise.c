/* MT19937 and PyTorch's two ways of making normal numbers from it. Relies on libm alone. Sources: Matsumoto &
 * Nishimura, "Mersenne Twister", 1998; PyTorch's ATen/core/MT19937RNGEngine.h, ATen/core/TransformationHelper.h and
 * ATen/native/cpu/DistributionTemplates.h (normal_fill, normal_kernel). Functions are evaluated in double
 * and rounded once, so that they agree with any of PyTorch's vectorised forms to a float's last bits. */
#include "sampler/torch_noise.h"

#include <math.h>

enum { MT_SIZE = 624, MT_SHIFT = 397, FILL = 16 };
static const double TWO_PI = 6.283185307179586476925;

typedef struct mt19937 {
    uint32_t state[MT_SIZE];
    int next;
} mt19937;

/* As PyTorch: the lower half of a 64-bit seed. */
static void mt_seed(mt19937 *r, uint64_t seed) {
    r->state[0] = (uint32_t)seed;
    for (uint32_t i = 1; i < MT_SIZE; i++) r->state[i] = 1812433253u * (r->state[i - 1] ^ (r->state[i - 1] >> 30)) + i;
    r->next = MT_SIZE;
}

static void mt_refill(mt19937 *r) {
    for (int i = 0; i < MT_SIZE; i++) {
        uint32_t y = (r->state[i] & 0x80000000u) | (r->state[(i + 1) % MT_SIZE] & 0x7fffffffu);
        r->state[i] = r->state[(i + MT_SHIFT) % MT_SIZE] ^ (y >> 1) ^ (y & 1 ? 0x9908b0dfu : 0);
    }
    r->next = 0;
}

static uint32_t mt_u32(mt19937 *r) {
    if (r->next == MT_SIZE) mt_refill(r);
    uint32_t y = r->state[r->next++];
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    return y ^ (y >> 18);
}

/* Uniform on [0, 1): 24 bits for floats, 53 for doubles. */
static float uniform_float(mt19937 *r) { return (float)(mt_u32(r) & 0xffffffu) * 0x1p-24f; }

static double uniform_double(mt19937 *r) {
    uint64_t high = mt_u32(r), low = mt_u32(r);
    return (double)((high << 32 | low) & ((UINT64_C(1) << 53) - 1)) * 0x1p-53;
}

/* normal_fill_16: Box-Muller on 16 uniforms in place, pairs eight apart. Every product is a float there, and a half
 * unit in theta's last place is 2e-7 radians: it has to be rounded likewise. */
static void normal_fill(float *x) {
    for (int i = 0; i < FILL / 2; i++) {
        float radius = sqrtf(-2 * (float)log((double)(1 - x[i]))), theta = (float)TWO_PI * x[i + FILL / 2];
        x[i] = radius * (float)cos((double)theta);
        x[i + FILL / 2] = radius * (float)sin((double)theta);
    }
}

void torch_randn(uint64_t seed, float *out, int64_t n) {
    mt19937 r;
    mt_seed(&r, seed);
    if (n >= FILL) {
        for (int64_t i = 0; i < n; i++) out[i] = uniform_float(&r);
        for (int64_t i = 0; i + FILL <= n; i += FILL) normal_fill(out + i);
        if (n % FILL) { /* the last 16 are drawn anew */
            for (int64_t i = n - FILL; i < n; i++) out[i] = uniform_float(&r);
            normal_fill(out + n - FILL);
        }
        return;
    }
    for (int64_t i = 0; i < n; i += 2) {
        double u = uniform_double(&r), v = uniform_double(&r);
        double radius = sqrt(-2 * log1p(-v)), theta = TWO_PI * u;
        out[i] = (float)(radius * cos(theta));
        if (i + 1 < n) out[i + 1] = (float)(radius * sin(theta));
    }
}
