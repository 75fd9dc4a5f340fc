/* The noise that PyTorch makes, so that a seed gives the same image as in diffusers: on the CPU, or on an NVIDIA
 * card. */
#ifndef SAMPLER_TORCH_NOISE_H
#define SAMPLER_TORCH_NOISE_H

#include <stdint.h>

#include "base/error.h"
#include "base/text.h"

/* Where torch draws. On a card the numbers depend on how many threads it can hold: a card draws larger tensors in
 * rounds. */
typedef struct torch_device {
    int processors; /* multiProcessorCount; 0 = the CPU */
    int threads;    /* maxThreadsPerMultiProcessor */
} torch_device;

#define TORCH_CPU ((torch_device){0, 0})
#define TORCH_A6000 ((torch_device){84, 1536}) /* NVIDIA RTX A6000, the paper's; what torch-cuda alone means */

/* "torch", "torch-cuda" or "torch-cuda:108x2048"; the error is at `where`. */
ss_status torch_device_read(torch_device *out, const char *name, const char *where, ss_error *err);
void torch_device_add_words(const torch_device *d, text *out); /* the name, with the numbers */

/* torch.Generator(device).manual_seed(seed): a value, so that copying it copies what it will draw. */
enum { TORCH_MT_SIZE = 624 };
typedef struct torch_generator {
    torch_device device;
    uint64_t seed, offset; /* CUDA: the key of Philox, and the blocks that every thread has drawn */
    uint32_t state[TORCH_MT_SIZE];
    int next, has_spare;
    double spare; /* a Gaussian number drawn and not used yet */
} torch_generator;

void torch_generator_begin(torch_generator *r, torch_device device, uint64_t seed);

/* The next torch.randn(n, generator=r, dtype=float32), to 1e-6 (CUDA: to 2e-5, since a card's fast sine, cosine and
 * logarithm are not the exact ones). */
void torch_generator_randn(torch_generator *r, float *out, int64_t n);

/* torch.randn(n, generator=torch.Generator('cpu').manual_seed(seed), dtype=float32), to 1e-6. */
void torch_randn(uint64_t seed, float *out, int64_t n);

#endif
