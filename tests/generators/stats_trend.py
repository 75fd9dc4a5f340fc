#!/usr/bin/env python3
"""Page's trend test and slopes on log k, from SciPy, for tests/unit/stats/test_trend.c.

Writes tests/data/stats/trend_rows.h. Run from the root of the repository:
    python3 tests/generators/stats_trend.py
Last made with SciPy 1.17.1.
"""
import pathlib

import numpy as np
import scipy.stats as st

LEVELS = [1, 5, 10, 20, 50]
rng = np.random.default_rng(20251125)
out, rows, values = [], [], []
for n, k, trend in [(2, 3, 0.0), (4, 3, 0.6), (7, 4, -0.4), (12, 5, 0.2), (40, 5, 0.05), (64, 5, 0.0)]:
    x = np.round(rng.normal(0, 1, (n, k)) + trend * np.arange(k), 6)
    up = st.page_trend_test(x, method="exact")
    down = st.page_trend_test(x[:, ::-1], method="exact")
    normal = st.page_trend_test(x, method="asymptotic")
    z = np.log(LEVELS[:k])
    slopes = [st.linregress(z, row).slope for row in x]
    rows.append((n, k, up.statistic, up.pvalue, down.pvalue, normal.pvalue, np.mean(slopes)))
    values += list(x.ravel())
fields = "n, k, l, p_up, p_down, p_normal, slope"
out.append(f"struct trend_row {{\n    double {fields};\n}};")
body = ",\n".join("    {" + ", ".join(repr(float(v)) for v in r) + "}" for r in rows)
out.append(f"static const struct trend_row trend_rows[] = {{\n{body},\n}};\n")
out.append(f"static const double trend_values[{len(values)}] = {{{', '.join(repr(float(v)) for v in values)}}};\n")
pathlib.Path("tests/data/stats/trend_rows.h").write_text(
    "/* Made by tests/generators/stats_trend.py: do not edit. */\n" + "\n".join(out))
