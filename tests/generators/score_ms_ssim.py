"""Vectors for the metric ms-ssim in tests/unit/score/test_images.c: pytorch-msssim's ms_ssim in float64, data range 255.

    python score_ms_ssim.py > ../data/score/ms_ssim.txt
Made with pytorch-msssim 1.0. Lines `ms-ssim seed_a seed_b mix width height value`: the baseline is made from seed_a, the
image is (mix * a + (8 - mix) * b) / 8 rounded down, b from seed_b."""

import random

import torch
from pytorch_msssim import ms_ssim
from score_inputs import pixels

random.seed(7)
print("# kind seed_a seed_b mix width height value")
for seed, (w, h) in enumerate([(161, 161), (162, 175), (176, 176), (177, 161), (203, 190), (256, 256), (161, 400), (333, 222)], 1):
    for mix in (0, 5, 7, 8):
        a, b = pixels(seed, w, h), pixels(seed + 100, w, h)
        image = (mix * a.astype(int) + (8 - mix) * b.astype(int)) // 8
        x, y = (torch.from_numpy(v.astype("float64")).permute(2, 0, 1)[None] for v in (image, a))
        print("ms-ssim", seed, seed + 100, mix, w, h, repr(ms_ssim(x, y, data_range=255).item()))
