"""Vectors for tests/unit/score/test_images.c: Pillow's bicubic resize (SHA-256 of the result) and scikit-image's SSIM, on
images whose pixels come from a 32-bit linear congruential generator that the C test has too.

    python score_images.py > ../data/score/images.txt
Made with Pillow 13, scikit-image 0.26.
"""

import hashlib
import random

import numpy as np
from PIL import Image
from skimage.metrics import structural_similarity


def pixels(seed, width, height):
    """Smooth in part and noisy in part, so that rounding and clipping both happen."""
    state, out = seed, np.empty(width * height * 3, np.uint8)
    for i in range(out.size):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        noise = state >> 24
        out[i] = noise if (i // 97) % 2 else (i * 5 // (width + 1)) & 255
    return out.reshape(height, width, 3)


random.seed(7)
print("# resize seed width height new_width new_height sha256")
for seed in range(1, 61):
    width, height, w, h = (random.randint(1, 150) for _ in range(4))
    image = Image.fromarray(pixels(seed, width, height))
    print("resize", seed, width, height, w, h, hashlib.sha256(image.resize((w, h), Image.BICUBIC).tobytes()).hexdigest())
print("# ssim seed_a seed_b width height value")
for seed in range(1, 13):
    width, height = random.randint(11, 70), random.randint(11, 70)
    a, b = pixels(seed, width, height), pixels(seed + 1, width, height)
    value = structural_similarity(a, b, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255,
                                  channel_axis=2)
    print("ssim", seed, seed + 1, width, height, repr(float(value)))
