/* Noise that PyTorch would make on the CPU, so that a seed gives the picture it gives in diffusers. */
#ifndef SAMPLER_TORCH_NOISE_H
#define SAMPLER_TORCH_NOISE_H

#include <stdint.h>

/* torch.randn(n, generator=torch.Generator('cpu').manual_seed(seed), dtype=float32), to 1e-6. */
void torch_randn(uint64_t seed, float *out, int64_t n);

#endif
