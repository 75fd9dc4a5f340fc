#!/usr/bin/env python3
"""Reference values for tests/unit/stats, from SciPy, statsmodels and NumPy.

Writes tests/data/stats/vectors.h. Run from the root of the repository:
    python3 tests/generators/stats_vectors.py
Last made with SciPy 1.17.1, statsmodels 0.15.0, NumPy 2.4.6.
"""
import math
import pathlib

import numpy as np
import scipy.stats as st
from scipy.optimize import brentq
from scipy.stats import _resampling
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.weightstats import DescrStatsW

out = []


def number(x):
    return repr(float(x))


def table(struct, name, fields, rows):
    """A C array of structs of doubles."""
    out.append(f"struct {struct} {{\n    double {', '.join(fields)};\n}};")
    body = ",\n".join("    {" + ", ".join(number(x) for x in row) + "}" for row in rows)
    out.append(f"static const struct {struct} {name}[] = {{\n{body},\n}};\n")


def array(name, values):
    body = ", ".join(number(x) for x in values)
    out.append(f"static const double {name}[{len(values)}] = {{{body}}};")


def distributions():
    table("quantile_row", "normal_quantiles", ["p", "x"],
          [(p, st.norm.ppf(p)) for p in (1e-300, 1e-20, 1e-6, 0.001, 0.025, 0.3, 0.499, 0.5, 0.6, 0.9, 0.975, 0.9999)])
    table("t_row", "t_uppers", ["t", "df", "p"],
          [(t, df, st.t.sf(t, df)) for df in (1, 2, 5, 30, 63, 552, 4999)
           for t in (-3.0, -0.2, 0.0, 0.1, 1.0, 2.5, 8.0, 40.0)])
    table("t_quantile_row", "t_quantiles", ["p", "df", "t"],
          [(p, df, st.t.ppf(p, df)) for df in (1, 2, 5, 63, 552, 4999) for p in (0.01, 0.4, 0.9, 0.95, 0.975, 0.9995)])
    table("nct_row", "noncentral_t_uppers", ["t", "df", "delta", "p"],
          [(t, df, delta, st.nct.sf(t, df, delta)) for t, df, delta in
           [(12.706, 1, 16), (4.3, 2, 3), (2.0, 10, 0.5), (2.0, 63, 2.8), (2.0, 63, 10), (1.96, 4999, 2.8),
            (-1.0, 8, 0.7), (2.5, 20, -1.0), (0.0, 5, 1.0),
            (36.0, 2, 40), (44.0, 7, 40)]])
    table("binomial_row", "binomial_cdfs", ["k", "n", "p", "cdf"],
          [(k, n, p, st.binom.cdf(k, n, p)) for k, n, p in
           [(0, 1, 0.5), (2, 14, 0.5), (7, 14, 0.5), (0, 30, 0.5), (200, 553, 0.5), (2400, 5000, 0.5), (3, 20, 0.1)]])


def differences():
    """Samples of differences: continuous, tied, with zeros, skewed, offset."""
    rng = np.random.default_rng(20251124)
    return {
        "two": np.array([0.25, -0.0625]),
        "five": np.array([1.83, 0.5, -0.22, 1.1, 0.07]),
        "twelve": np.round(rng.normal(0.2, 1, 12), 6),
        "ties": rng.integers(-3, 5, 40) / 2,
        "thirty": np.round(rng.exponential(1, 30) - 0.8, 6),
        "offset": 1e6 + np.round(rng.normal(0, 1e-2, 25), 6),
        "many": np.round(rng.normal(0.02, 0.3, 120), 6),
        "many_ties": rng.integers(-4, 6, 150) / 4,
        "geneval": np.round(rng.gamma(2, 0.1, 553) - 0.19, 7),
    }


def paired(samples):
    fields = ["n", "mean", "sd", "d_z", "t", "t_p", "t_low", "t_high", "margin", "tost_p", "worse_p",
              "w", "w_normal_p", "w_exact_p", "pratt_w", "pratt_p"]
    rows = []
    for name, d in samples.items():
        array(f"sample_{name}", d)
        test = st.ttest_1samp(d, 0)
        ci = test.confidence_interval(0.95)
        margin = 0.8 * abs(d.mean()) + d.std(ddof=1)
        tost = DescrStatsW(d).ttost_mean(-margin, margin)[0]
        worse = st.ttest_1samp(d, -margin, alternative="greater").pvalue
        normal = st.wilcoxon(d, method="asymptotic", correction=False)
        pratt = st.wilcoxon(d, method="asymptotic", zero_method="pratt", correction=False)
        kept = d[d != 0]
        untied = len(np.unique(np.abs(kept))) == len(kept)
        exact = st.wilcoxon(kept, method="exact").pvalue if untied and len(kept) <= 50 else -1
        ranks = st.rankdata(np.abs(kept))
        pratt_ranks = st.rankdata(np.abs(d))
        rows.append([len(d), d.mean(), d.std(ddof=1), d.mean() / d.std(ddof=1), test.statistic, test.pvalue, ci.low,
                     ci.high, margin, tost, worse, ranks[kept > 0].sum(), normal.pvalue, exact,
                     pratt_ranks[d > 0].sum(), pratt.pvalue])
    table("paired_row", "paired_rows", fields, rows)
    names = ", ".join(f"sample_{name}" for name in samples)
    out.append(f"static const double *const samples[] = {{{names}}};\n")


def sign_flips(samples):
    rows = []
    for i, (name, d) in enumerate(samples.items()):
        if len(d) > 12:
            continue
        result = st.permutation_test((d,), np.mean, permutation_type="samples", n_resamples=np.inf, vectorized=True)
        rows.append([i, result.pvalue])
    table("flip_row", "flip_rows", ["sample", "p"], rows)


class Congruential:
    """The index stream that tests/unit/stats/test_bootstrap.c repeats: Knuth's MMIX generator, high bits."""

    def __init__(self, seed):
        self.state = seed

    def indices(self, n, shape):
        values = np.empty(shape, dtype=np.int64)
        for i in np.ndindex(*shape):
            self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
            values[i] = (self.state >> 33) % n
        return values


def bootstraps(samples):
    """SciPy's BCa on the congruential generator's index matrix (its own generator is replaced)."""
    rows = []
    original = _resampling.rng_integers
    for i, (name, d) in enumerate(samples.items()):
        if name == "two":
            continue
        resamples = 2000 if len(d) < 500 else 500
        for level in (0.95, 0.9):
            stream = Congruential(i + 1)
            _resampling.rng_integers = lambda rng, low, high, shape: stream.indices(high, shape)
            # Ties with the observed mean are decided on exact sums: shifted, scaled to whole numbers.
            shift = 1e6 if name == "offset" else 0
            whole = np.rint((d - shift) * 1e7)
            assert np.abs(whole / 1e7 - (d - shift)).max() < 1e-9
            ci = st.bootstrap((whole,), lambda x, axis: x.sum(axis=axis), n_resamples=resamples, method="BCa",
                              confidence_level=level, batch=resamples).confidence_interval
            scale = 1e7 * len(d)
            rows.append([i, resamples, level, ci.low / scale + shift, ci.high / scale + shift])
    _resampling.rng_integers = original
    table("bca_row", "bca_rows", ["sample", "resamples", "level", "low", "high"], rows)


def powers():
    rows = []
    for n in (3, 5, 12, 64, 553, 3000):
        for alpha in (0.05, 0.01):
            d = 0.5 if n < 100 else 0.1
            critical = st.t.ppf(1 - alpha / 2, n - 1)
            nc = d * math.sqrt(n)
            def power(nc):
                return st.nct.sf(critical, n - 1, nc) + st.nct.sf(critical, n - 1, -nc)

            # Brent's method: statsmodels' own solver ends up to 7e-6 away, and at power 0.787 for n = 3, alpha = 0.01.
            detectable = brentq(lambda nc: power(nc) - 0.8, 0, 40, xtol=1e-13, rtol=1e-14) / math.sqrt(n)
            peer = TTestPower().solve_power(nobs=n, alpha=alpha, power=0.8)
            assert abs(peer / detectable - 1) < (1e-5 if (n, alpha) != (3, 0.01) else 0.03)
            rows.append([n, alpha, d, power(nc), detectable])
    table("power_row", "power_rows", ["n", "alpha", "d_z", "power", "detectable"], rows)


def wilson(x, n):
    low, high = proportion_confint(x, n, method="wilson")
    return (0.0 if x == 0 else low), (1.0 if x == n else high)  # where statsmodels leaves its rounding


def newcombe(a, b, c, d):
    """Method 10 as the paper writes it, from statsmodels' Wilson limits."""
    n = a + b + c + d
    (l1, u1), (l2, u2) = wilson(a + b, n), wilson(a + c, n)
    p1, p2 = (a + b) / n, (a + c) / n
    product = (a + b) * (c + d) * (a + c) * (b + d)
    cross = a * d - b * c
    phi = 0 if product == 0 else (max(cross - n / 2, 0) if cross > 0 else cross) / math.sqrt(product)
    low = p1 - p2 - math.sqrt((p1 - l1) ** 2 - 2 * phi * (p1 - l1) * (u2 - p2) + (u2 - p2) ** 2)
    high = p1 - p2 + math.sqrt((u1 - p1) ** 2 - 2 * phi * (u1 - p1) * (p2 - l2) + (p2 - l2) ** 2)
    return low, high


def binaries():
    rows = []
    for a, b, c, d in [(36, 12, 2, 0), (59, 6, 16, 80), (1, 1, 7, 12), (14, 5, 0, 22), (0, 9, 4, 1), (300, 40, 21, 192),
                       (0, 0, 0, 7), (3, 3, 3, 3)]:
        rows.append([a, b, c, d, mcnemar([[a, b], [c, d]], exact=True).pvalue, *newcombe(a, b, c, d),
                     *wilson(a + b, a + b + c + d)])
    table("binary_row", "binary_rows", ["a", "b", "c", "d", "mcnemar_p", "low", "high", "wilson_low", "wilson_high"],
          rows)


def families():
    p = np.array([0.01, 0.04, 0.03, 0.005, 0.8, 0.04, 0.0001, 0.5])
    table("family_row", "family_rows", ["p", "holm", "bh"],
          zip(p, multipletests(p, method="holm")[1], multipletests(p, method="fdr_bh")[1]))
    counted = np.append(p, [1.0, 1.0])  # two undefined members count as p = 1
    table("family_undefined_row", "family_undefined_rows", ["holm", "bh"],
          list(zip(multipletests(counted, method="holm")[1], multipletests(counted, method="fdr_bh")[1]))[:len(p)])


def margin():
    """Pooled within-prompt sd as the residual of a regression on prompt dummies."""
    rng = np.random.default_rng(7)
    prompt = np.repeat(np.arange(10), [3, 2, 1, 4, 2, 3, 3, 1, 2, 5])
    value = np.round(0.3 + 0.1 * rng.normal(size=10)[prompt] + 0.02 * rng.normal(size=len(prompt)), 6)
    fit = OLS(value, np.eye(10)[prompt]).fit()
    array("margin_prompt", prompt)
    array("margin_value", value)
    out.append(f"static const double margin_sd = {number(math.sqrt(fit.mse_resid))};")


def main():
    samples = differences()
    distributions()
    paired(samples)
    sign_flips(samples)
    bootstraps(samples)
    powers()
    binaries()
    families()
    margin()
    head = ("/* Reference values for tests/unit/stats. Made by tests/generators/stats_vectors.py; do not edit. */\n"
            "#ifndef TESTS_DATA_STATS_VECTORS_H\n#define TESTS_DATA_STATS_VECTORS_H\n\n")
    pathlib.Path("tests/data/stats/vectors.h").write_text("// clang-format off\n" + head + "\n".join(out) + "\n\n#endif\n")


if __name__ == "__main__":
    main()
