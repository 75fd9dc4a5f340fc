"""Vectors for tests/unit/score/test_resize.c: Pillow's resize of 8-bit RGB and of mode F, and PyTorch's interpolate.

    python score_resize.py > ../data/score/resize.txt
Where PyTorch antialiases to a width of 1, its vertical pass gives the first row everywhere (torch 2.15, CPU): there the
image is turned over, resized and turned back, which gives what was meant. Of Pillow's the first 16 digits of the SHA-256 of the result's bytes, of PyTorch's some values. Made with Pillow 13.0 and
torch 2.15, ATEN_CPU_CAPABILITY=avx2 (avx512 gives the same file but for a last digit here and there)."""

import hashlib
import random

import numpy as np
import torch
from PIL import Image
from score_inputs import floats, pixels

FILTERS = ["BOX", "BILINEAR", "HAMMING", "BICUBIC", "LANCZOS"]
random.seed(7)


def side():
    return random.choice([1, 2, 3, random.randint(1, 20), random.randint(1, 90), random.randint(1, 90), random.randint(60, 260)])


def short_hash(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:16]


def interpolate(x, size, mode, antialias):
    if antialias and size[1] == 1 and size[0] > 1:
        return interpolate(x.transpose(2, 3).contiguous(), size[::-1], mode, antialias).transpose(2, 3)
    return torch.nn.functional.interpolate(x, size=size, mode=mode, align_corners=False, antialias=antialias)


print("# kind seed filter width height new_width new_height hash")
for seed in range(1, 2001):
    w, h, nw, nh = (side() for _ in range(4))
    f = random.randrange(5)
    resized = Image.fromarray(pixels(seed, w, h)).resize((nw, nh), getattr(Image, FILTERS[f]))
    print("rgb", seed, f, w, h, nw, nh, short_hash(resized))
for seed in range(1, 501):
    w, h, nw, nh = (side() for _ in range(4))
    f = random.randrange(5)
    plane = floats(seed, h, w) * np.float32(256) - np.float32(64)
    resized = Image.fromarray(plane).resize((nw, nh), getattr(Image, FILTERS[f]))
    print("float", seed, f, w, h, nw, nh, short_hash(resized))
print("# torch seed bicubic antialias channels height width new_height new_width then 8 x index value")
sizes = [(1, 1, 9, 9), (3, 1000, 1, 224), (1000, 3, 224, 1), (224, 224, 224, 224), (512, 512, 224, 224), (1023, 767, 224, 168),
         (767, 1023, 299, 299), (50, 61, 299, 299), (299, 299, 299, 299), (4000, 2, 299, 3)]
sizes += [tuple(side() for _ in range(4)) for _ in range(40)]
for seed, (h, w, nh, nw) in enumerate(sizes, 1):
    x = torch.from_numpy(floats(seed, 2, h, w))
    for bicubic in (0, 1):
        for antialias in (0, 1):
            y = interpolate(x[None], (nh, nw), ("bilinear", "bicubic")[bicubic], bool(antialias)).flatten()
            at = [random.randrange(y.numel()) for _ in range(8)]
            print("torch", seed, bicubic, antialias, 2, h, w, nh, nw, *(f"{i} {y[i].item():.9g}" for i in at))
