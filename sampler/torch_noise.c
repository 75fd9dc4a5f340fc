/* MT19937 and PyTorch's two ways of making Gaussian numbers from it; Philox and the Gaussian numbers of its CUDA
 * kernels. Sources: Matsumoto & Nishimura, "Mersenne Twister", 1998; PyTorch's ATen/core/MT19937RNGEngine.h,
 * ATen/core/TransformationHelper.h, ATen/native/cpu/DistributionTemplates.h (normal_fill, normal_kernel) and
 * ATen/native/cuda/DistributionTemplates.h; curand's curand_normal4 (Box-Muller on pairs of words). Functions are
 * evaluated in double and rounded once, so that they agree with any of PyTorch's vectorised forms to a float's last
 * bits. */
#include "sampler/torch_noise.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/philox.h"
#include "base/text.h"

enum { MT_SIZE = TORCH_MT_SIZE, MT_SHIFT = 397, FILL = 16 };
static const double TWO_PI = 6.283185307179586476925;

/* As PyTorch: the lower half of a 64-bit seed. */
static void mt_seed(torch_generator *r, uint64_t seed) {
    r->state[0] = (uint32_t)seed;
    for (uint32_t i = 1; i < MT_SIZE; i++) r->state[i] = 1812433253u * (r->state[i - 1] ^ (r->state[i - 1] >> 30)) + i;
    r->next = MT_SIZE;
}

static void mt_refill(torch_generator *r) {
    for (int i = 0; i < MT_SIZE; i++) {
        uint32_t y = (r->state[i] & 0x80000000u) | (r->state[(i + 1) % MT_SIZE] & 0x7fffffffu);
        r->state[i] = r->state[(i + MT_SHIFT) % MT_SIZE] ^ (y >> 1) ^ (y & 1 ? 0x9908b0dfu : 0);
    }
    r->next = 0;
}

static uint32_t mt_u32(torch_generator *r) {
    if (r->next == MT_SIZE) mt_refill(r);
    uint32_t y = r->state[r->next++];
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    return y ^ (y >> 18);
}

/* Uniform on [0, 1): 24 bits for floats, 53 for doubles. */
static float uniform_float(torch_generator *r) { return (float)(mt_u32(r) & 0xffffffu) * 0x1p-24f; }

static double uniform_double(torch_generator *r) {
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

/* A Gaussian number where few are drawn: pairs of doubles, the second of which is kept for the next call. */
static float normal_double(torch_generator *r) {
    if (r->has_spare) {
        r->has_spare = 0;
        return (float)r->spare;
    }
    double u = uniform_double(r), v = uniform_double(r), radius = sqrt(-2 * log1p(-v)), theta = TWO_PI * u;
    r->spare = radius * sin(theta);
    r->has_spare = 1;
    return (float)(radius * cos(theta));
}

static void randn_cpu(torch_generator *r, float *out, int64_t n) {
    if (n < FILL) {
        for (int64_t i = 0; i < n; i++) out[i] = normal_double(r);
        return;
    }
    for (int64_t i = 0; i < n; i++) out[i] = uniform_float(r);
    for (int64_t i = 0; i + FILL <= n; i += FILL) normal_fill(out + i);
    if (n % FILL == 0) return;
    for (int64_t i = n - FILL; i < n; i++) out[i] = uniform_float(r); /* the last 16 are drawn anew */
    normal_fill(out + n - FILL);
}

/* ---- CUDA ---- */

/* curand's _curand_box_muller: two words give two Gaussian numbers, the sine first. Constants and products are
 * floats. */
static void box_muller(uint32_t x, uint32_t y, float *sine, float *cosine) {
    const float unit = 2.3283064e-10f, turn = 2.3283064e-10f * 6.2831855f;
    float u = (float)x * unit + unit / 2, v = (float)y * turn + turn / 2;
    float radius = sqrtf(-2 * (float)log((double)u));
    *sine = radius * (float)sin((double)v);
    *cosine = radius * (float)cos((double)v);
}

/* distribution_elementwise_grid_stride_kernel: thread t of T draws four Gaussian numbers at a time, for the elements t,
 * t + T, t + 2 T, t + 3 T, and goes on 4 T further. Its Philox counter is {calls so far, thread}. */
static void randn_cuda(torch_generator *r, float *out, int64_t n) {
    enum { BLOCK = 256, UNROLL = 4 };
    const torch_device *d = &r->device;
    const uint32_t key[2] = {(uint32_t)r->seed, (uint32_t)(r->seed >> 32)};
    int64_t blocks = (n + BLOCK - 1) / BLOCK, most = (int64_t)d->processors * (d->threads / BLOCK);
    int64_t threads = (blocks < most ? blocks : most) * BLOCK, rounds = n ? (n - 1) / (threads * UNROLL) + 1 : 0;
    for (int64_t round = 0; round < rounds; round++)
        for (int64_t t = 0, first = round * threads * UNROLL; t < threads && first + t < n; t++) {
            uint64_t at = r->offset + (uint64_t)round;
            const uint32_t counter[4] = {(uint32_t)at, (uint32_t)(at >> 32), (uint32_t)t, (uint32_t)(t >> 32)};
            uint32_t word[4];
            float normal[UNROLL];
            philox4x32(counter, key, word);
            box_muller(word[0], word[1], &normal[0], &normal[1]);
            box_muller(word[2], word[3], &normal[2], &normal[3]);
            for (int i = 0; i < UNROLL && first + t + i * threads < n; i++) out[first + t + i * threads] = normal[i];
        }
    r->offset += (uint64_t)rounds;
}

/* ---- either ---- */

void torch_generator_begin(torch_generator *r, torch_device device, uint64_t seed) {
    *r = (torch_generator){.device = device, .seed = seed};
    mt_seed(r, seed);
}

void torch_generator_randn(torch_generator *r, float *out, int64_t n) {
    if (r->device.processors) randn_cuda(r, out, n);
    else randn_cpu(r, out, n);
}

void torch_randn(uint64_t seed, float *out, int64_t n) {
    torch_generator r;
    torch_generator_begin(&r, TORCH_CPU, seed);
    torch_generator_randn(&r, out, n);
}

/* ---- names ---- */

ss_status torch_device_read(torch_device *out, const char *name, const char *where, ss_error *err) {
    static const char cuda[] = "torch-cuda";
    int processors, threads, end = 0;
    *out = TORCH_CPU;
    if (strcmp(name, "torch") == 0) return SS_OK;
    *out = TORCH_A6000;
    if (strcmp(name, cuda) == 0) return SS_OK;
    if (sscanf(name, "torch-cuda:%4dx%5d%n", &processors, &threads, &end) == 2 && name[end] == 0 && processors > 0 &&
        threads >= 256) {
        *out = (torch_device){processors, threads};
        return SS_OK;
    }
    return error_set(err, SS_ERR_INPUT, where,
                     "noise is '%s'; expected torch, torch-cuda, or torch-cuda:PROCESSORSxTHREADS of another card, as "
                     "torch-cuda:108x2048",
                     name);
}

void torch_device_add_words(const torch_device *d, text *out) {
    if (!d->processors) text_add(out, "torch");
    else text_addf(out, "torch-cuda:%dx%d", d->processors, d->threads);
}
