#!/usr/bin/env python3
"""Distances between sets of features for tests/unit/stats/test_frechet.c, test_kernel_distance.c and
test_kernel_resample.c: small sets to 60 digits (mpmath), larger ones by pytorch-fid, torch-fidelity, clean-fid, and the
formula of google-research/cmmd (distance.py) in float64.

Features are made from Philox streams on both sides, in float64 and in the same order of operations: see `features`,
whose twin is tests/unit/stats/made_features.h. Writes tests/data/stats/distances.h. Run from the root of the repository:
    python3 tests/generators/stats_distances.py
Last made with mpmath 1.3.0, pytorch-fid 0.3.0, torch-fidelity 0.4.0, clean-fid 0.1.35, SciPy 1.17.1, NumPy 2.4.6.
"""
import pathlib
import sys

import mpmath as mp
import numpy as np
from cleanfid.fid import kernel_distance
from pytorch_fid.fid_score import calculate_frechet_distance
from torch_fidelity.metric_kid import kernel_poly, mmd2

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from philox_weights import philox, stream_state  # noqa: E402

mp.mp.dps = 60
KINDS = ["full", "shifted", "singular", "constant", "graded", "point", "positive"]


def uniforms(seed, n):
    """philox_uniform, n times, of the stream of `seed` alone."""
    s = stream_state(seed, [])
    blocks = (n + 1) // 2
    w = philox([np.arange(blocks, dtype=np.uint64), np.zeros(blocks), np.full(blocks, s[2]), np.full(blocks, s[3])], s[:2])
    u = [((w[i] | w[i + 1] << np.uint64(32)) >> np.uint64(11)).astype(np.float64) * 2.0**-53 for i in (0, 2)]
    return np.stack(u, axis=1).ravel()[:n]


def features(kind, seed, n, d):
    z = uniforms(seed, n * d).reshape(n, d) - 0.5
    x = z + 0.5 * np.roll(z, -1, axis=1)
    k = np.arange(d, dtype=np.float64)
    if kind == "shifted":
        x = x * (1 + k / 8) + 1000
    elif kind == "singular":  # the upper half repeats the lower
        x[:, d - d // 2:] = x[:, :d // 2]
    elif kind == "constant":
        x[:, ::3] = 2.5
    elif kind == "graded":
        x = x * 0.25**k
    elif kind == "point":
        x = np.zeros((n, d)) + k
    elif kind == "positive":
        x = np.abs(x) + 0.125 * k / d
    return x


def exact_moments(x):
    n, d = x.shape
    rows = [[mp.mpf(float(v)) for v in r] for r in x]
    mean = [mp.fsum(r[k] for r in rows) / n for k in range(d)]
    s = mp.matrix(d, d)
    for i in range(d):
        for j in range(i + 1):
            s[i, j] = s[j, i] = mp.fsum((r[i] - mean[i]) * (r[j] - mean[j]) for r in rows) / (n - 1)
    return mean, s


def exact_frechet(x, y, ridge=0):
    (m1, s1), (m2, s2) = exact_moments(x), exact_moments(y)
    d = len(m1)
    e, v = mp.eigsy(s1 + ridge * mp.eye(d))
    b = mp.diag([mp.sqrt(max(0, t)) for t in e]) * v.T
    inner = mp.eigsy(b * (s2 + ridge * mp.eye(d)) * b.T, eigvals_only=True)
    cross = mp.fsum(mp.sqrt(max(0, t)) for t in inner)
    trace = mp.fsum(s1[k, k] + s2[k, k] for k in range(d))
    return float(mp.fsum((a - b) ** 2 for a, b in zip(m1, m2)) + trace - 2 * cross), float(cross)


def package_frechet(x, y):
    return calculate_frechet_distance(x.mean(0), np.cov(x, rowvar=False), y.mean(0), np.cov(y, rowvar=False))


# ---- Frechet ----

small = []
for kind1, n1, kind2, n2, d in [
        ("full", 30, "full", 25, 1), ("full", 40, "full", 30, 8), ("full", 40, "shifted", 35, 16),
        ("shifted", 30, "shifted", 30, 12), ("singular", 30, "full", 40, 12), ("singular", 30, "singular", 25, 9),
        ("constant", 25, "full", 20, 7), ("constant", 25, "constant", 20, 16), ("graded", 30, "graded", 40, 10),
        ("graded", 30, "full", 40, 10), ("point", 10, "full", 20, 5), ("full", 9, "point", 7, 5), ("point", 10, "point", 12, 5),
        ("full", 5, "full", 7, 16), ("full", 2, "full", 2, 6), ("full", 6, "full", 60, 16), ("shifted", 9, "graded", 8, 13),
        ("full", 9, "full", 9, 8), ("full", 8, "full", 8, 8)]:
    x, y = features(kind1, len(small) + 1, n1, d), features(kind2, len(small) + 101, n2, d)
    small.append((KINDS.index(kind1), n1, KINDS.index(kind2), n2, d, *exact_frechet(x, y), exact_frechet(x, y, mp.mpf(1e-6))[0]))

large = []  # the last two are singular: SciPy's sqrtm keeps half of the digits there
for kind1, n1, kind2, n2, d, tolerance in [
        ("full", 300, "full", 200, 64, 1e-9), ("shifted", 400, "shifted", 250, 64, 1e-9),
        ("positive", 900, "positive", 700, 150, 1e-9), ("positive", 300, "graded", 600, 24, 1e-9),
        ("full", 40, "full", 30, 64, 1e-6), ("singular", 300, "full", 400, 64, 1e-6)]:
    x, y = features(kind1, len(large) + 1, n1, d), features(kind2, len(large) + 101, n2, d)
    large.append((KINDS.index(kind1), n1, KINDS.index(kind2), n2, d, package_frechet(x, y), tolerance))

# ---- kernels ----


def exact_mmd(x, y, kernel, biased):
    rows = [[[mp.mpf(float(v)) for v in r] for r in s] for s in (x, y)]

    def mean(a, b, same):
        pairs = [(i, j) for i in range(len(a)) for j in range(len(b)) if biased or not same or i != j]
        return mp.fsum(kernel(a[i], b[j]) for i, j in pairs) / len(pairs)

    return mean(rows[0], rows[0], True) + mean(rows[1], rows[1], True) - 2 * mean(rows[0], rows[1], False)


def dot(a, b):
    return mp.fsum(p * q for p, q in zip(a, b))


def cubic(a, b):
    return (dot(a, b) / len(a) + 1) ** 3


def gaussian(a, b):
    a, b = ([p / mp.sqrt(dot(v, v)) for p in v] for v in (a, b))
    return mp.exp(-mp.fsum((p - q) ** 2 for p, q in zip(a, b)) / 200)


kernels_small = []
for kind1, n1, kind2, n2, d in [("full", 12, "full", 12, 4), ("positive", 9, "full", 14, 7), ("full", 2, "positive", 3, 5),
                                ("positive", 20, "positive", 15, 16), ("full", 6, "shifted", 7, 1)]:
    x, y = features(kind1, len(kernels_small) + 1, n1, d), features(kind2, len(kernels_small) + 101, n2, d)
    kernels_small.append((KINDS.index(kind1), n1, KINDS.index(kind2), n2, d,
                          *(float(exact_mmd(x, y, cubic, b)) for b in (False, True)),
                          *(float(1000 * exact_mmd(x, y, gaussian, b)) for b in (False, True))))


def cmmd_reference(x, y):
    """distance.py's mmd, in float64, of rows of length 1 (embedding.py)."""
    x, y = (s / np.linalg.norm(s, axis=1, keepdims=True) for s in (x, y))
    xs, ys = np.diag(x @ x.T), np.diag(y @ y.T)
    gamma = 1 / (2 * 10**2)
    k_xx = np.mean(np.exp(-gamma * (-2 * (x @ x.T) + xs[:, None] + xs[None, :])))
    k_xy = np.mean(np.exp(-gamma * (-2 * (x @ y.T) + xs[:, None] + ys[None, :])))
    k_yy = np.mean(np.exp(-gamma * (-2 * (y @ y.T) + ys[:, None] + ys[None, :])))
    return 1000 * (k_xx + k_yy - 2 * k_xy)


def fidelity(x, y, estimator):
    o = {"kid_kernel_poly_degree": 3, "kid_kernel_poly_gamma": None, "kid_kernel_poly_coef0": 1}
    return mmd2(kernel_poly(x, x, **o), kernel_poly(x, y, **o), kernel_poly(y, y, **o), mmd_est=estimator)


kernels_large = []
for kind1, kind2, n, d in [("full", "full", 250, 64), ("positive", "positive", 130, 300), ("positive", "full", 121, 256)]:
    x, y = features(kind1, len(kernels_large) + 1, n, d), features(kind2, len(kernels_large) + 101, n, d)
    kernels_large.append((KINDS.index(kind1), KINDS.index(kind2), n, d,
                          *(fidelity(x, y, e) for e in ("unbiased", "biased", "u-statistic")),
                          kernel_distance(x, y, num_subsets=1, max_subset_size=n), cmmd_reference(x, y)))

out = ["/* Made by tests/generators/stats_distances.py: do not edit. */"]
for name, fields, rows in [
        ("frechet_small", "kind1, n1, kind2, n2, d, distance, cross, ridged", small),
        ("frechet_large", "kind1, n1, kind2, n2, d, pytorch_fid, tolerance", large),
        ("kernel_small", "kind1, n1, kind2, n2, d, kid, kid_biased, cmmd, cmmd_biased", kernels_small),
        ("kernel_large", "kind1, kind2, n, d, unbiased, biased, u_statistic, clean_fid, cmmd", kernels_large)]:
    out.append(f"struct {name}_row {{\n    double {fields};\n}};")
    body = ",\n".join("    {" + ", ".join(repr(float(v)) for v in r) + "}" for r in rows)
    out.append(f"static const struct {name}_row {name}[] = {{\n{body},\n}};")
pathlib.Path("tests/data/stats/distances.h").write_text("\n".join(out) + "\n")
