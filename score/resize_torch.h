/* Resizing as PyTorch does it: torch.nn.functional.interpolate(mode, align_corners=False, antialias) on float32 tensors
 * on the CPU, and with it torchvision.transforms.functional.resize on float tensors. Source: PyTorch's
 * aten/src/ATen/native/cpu/UpSampleKernel.cpp and UpSample.h. Positions and weights are computed in float32, as there:
 * in double they would be off by up to 1e-4, not 1e-7, since a float32 position of 1000 has no more than that.
 * PyTorch's AVX2 and AVX-512 builds fuse multiply and add (all but in the bilinear positions of larger results), and so
 * does this; its build without AVX does not, and differs from both by up to 3e-6. One fault of PyTorch's (2.15) is not
 * repeated: with antialias to a width of 1, its vertical pass gives the first row everywhere. */
#ifndef SCORE_RESIZE_TORCH_H
#define SCORE_RESIZE_TORCH_H

#include "base/error.h"

typedef enum torch_filter {
    TORCH_BILINEAR,
    TORCH_BICUBIC, /* a = -0.75, with antialias -0.5; results are not clamped */
} torch_filter;

/* planes [channels, h, w] to out [channels, out_h, out_w], both the caller's; sides at least 1. Within 1e-6 of PyTorch
 * for values in 0..1. */
ss_status resize_torch(const float *planes, int channels, int h, int w, torch_filter filter, int antialias, int out_h,
                       int out_w, float *out, ss_error *err);

#endif
