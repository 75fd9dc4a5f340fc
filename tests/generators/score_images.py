"""Vectors for the metric ssim in tests/unit/score/test_images.c: scikit-image's.

    python score_images.py > ../data/score/images.txt
Made with scikit-image 0.26.
"""

import random

from score_inputs import pixels
from skimage.metrics import structural_similarity

random.seed(7)
for _ in range(240):  # once used for something else; the sizes below stay what they were
    random.randint(1, 150)
print("# ssim seed_a seed_b width height value")
for seed in range(1, 13):
    width, height = random.randint(11, 70), random.randint(11, 70)
    a, b = pixels(seed, width, height), pixels(seed + 1, width, height)
    value = structural_similarity(a, b, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255,
                                  channel_axis=2)
    print("ssim", seed, seed + 1, width, height, repr(float(value)))
