"""Accuracy per tag by the judge, with Wilson intervals.

    python evaluate.py ../models/shapes-sd3 --seeds 4

Prompt i with seed s starts from the noise of seed 1000 * s + i. A picture that the
judge cannot read is wrong. --save DIR keeps the pictures as PNG files.
"""

from __future__ import annotations

import argparse
import json
import math
import sqlite3
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from common import save_json
from denoiser import MatrixAttention
from judge import judge
from sample import add_settings, draw, grid, load, settings


def wilson(right: int, n: int, z: float = 1.959964) -> tuple[float, float]:
    """The 95 % score interval of a proportion."""
    if n == 0:
        return 0.0, 1.0
    p = right / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return centre - half, centre + half


def groups_of(item: dict) -> list[str]:
    """The tag and, where the tag names colours, whether a pair was held out."""
    names = [item["tag"]]
    if item["tag"] in ("colors", "color_attr"):
        names.append(item["tag"] + (", held-out" if item.get("held_out") else ", in-distribution"))
    return names + ["all"]


def table(results: list[dict]) -> dict:
    out = {}
    for result in results:
        for name in groups_of(result["item"]):
            row = out.setdefault(name, {"n": 0, "right": 0, "unreadable": 0})
            row["n"] += 1
            row["right"] += result["right"]
            row["unreadable"] += result["reason"].startswith("unreadable")
    for row in out.values():
        low, high = wilson(row["right"], row["n"])
        row.update(accuracy=round(row["right"] / row["n"], 4), low=round(low, 4),
                   high=round(high, 4))
    return dict(sorted(out.items()))


def pick_failures(failures: list[dict], per_tag: int = 2) -> list[dict]:
    """The first failures of every tag, in the order of the prompts' tags."""
    seen, out = {}, []
    for f in failures:
        tag = f["item"]["tag"]
        if seen.setdefault(tag, 0) < per_tag:
            seen[tag] += 1
            out.append(f)
    return out


def show(rows: dict) -> None:
    for name, r in rows.items():
        print(f"{name:28s} {r['right']:4d}/{r['n']:4d} {100 * r['accuracy']:6.1f} %  "
              f"[{100 * r['low']:.1f}, {100 * r['high']:.1f}]  unreadable {r['unreadable']}")


def drawn(args, items: list[dict], use: dict):
    """(prompt, seed, picture) drawn by diffusers."""
    jobs = [(i, s) for s in range(args.seeds) for i in range(0, len(items), args.every)]
    pipe = load(args.folder, args.device)
    if args.device == "cpu":
        pipe.transformer.set_attn_processor(MatrixAttention())
    for k in range(0, len(jobs), args.batch):
        part = jobs[k:k + args.batch]
        pictures = draw(pipe, use, [items[i]["prompt"] for i, _ in part],
                        [1000 * s + i for i, s in part],
                        torch.bfloat16 if args.bfloat16 else torch.float32)
        yield from ((i, s, picture) for (i, s), picture in zip(part, pictures))


def stored(store: Path):
    """(prompt, seed, picture) of the baseline's pictures in a store that `sinkscope run` made."""
    for path in sorted(store.glob("images/baseline/*/samples/*.png")):
        yield int(path.parts[-3]), int(path.stem), np.asarray(Image.open(path).convert("RGB"))


def compare_with_store(store: Path, results: list[dict]) -> str:
    """How often the store's own judge, in C, says the same of the same picture."""
    asked = ("SELECT prompt, value FROM long_scores WHERE metric = 'judge' AND condition = 'baseline'"
             " ORDER BY prompt, seed")
    with sqlite3.connect(f"file:{store / 'results.sqlite'}?mode=ro", uri=True) as db:
        theirs = db.execute(asked).fetchall()
    ours = [(r["prompt"], float(r["right"])) for r in results]
    same = sum(a == b for a, b in zip(ours, theirs))
    return f"the store's judge agrees on {same} of {len(theirs)} pictures ({len(ours)} judged here)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--prompts", type=Path, help="default: prompts.jsonl in the folder")
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--every", type=int, default=1, help="each n-th prompt only")
    parser.add_argument("--batch", type=int, default=24)
    parser.add_argument("--bfloat16", action="store_true", help="faster, not bit for bit")
    parser.add_argument("--store", type=Path, help="judge the pictures of `sinkscope run studies/accuracy.yaml`")
    parser.add_argument("--save", type=Path, help="folder for the pictures")
    parser.add_argument("--failures", type=Path, help="file for a grid of failures")
    parser.add_argument("--json", type=Path, help="file for the table")
    add_settings(parser)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    path = args.prompts or args.folder / "prompts.jsonl"
    items = [json.loads(line) for line in path.read_text().splitlines()]
    use = settings(args.folder, args)
    if args.save:
        args.save.mkdir(parents=True, exist_ok=True)
    results, failures, start = [], [], time.monotonic()
    for i, s, picture in stored(args.store) if args.store else drawn(args, items, use):
        right, reason = judge(picture, items[i])
        results.append({"item": items[i], "prompt": i, "right": right, "reason": reason})
        if not right:
            failures.append(dict(results[-1], seed=s, picture=picture))
        if args.save:
            Image.fromarray(picture).save(args.save / f"{i:03d}-{s}.png")
    rows = table(results)
    show(rows)
    print(f"{len(results)} pictures, {time.monotonic() - start:.0f} s, {use}")
    if args.store:
        print(compare_with_store(args.store, results))
    shown = pick_failures(failures)
    if args.failures and shown:
        grid(np.stack([f["picture"] for f in shown]), 6).save(args.failures)
    if args.json:
        precision = "float32, drawn by sinkscope" if args.store else "bfloat16 autocast" if args.bfloat16 else "float32"
        save_json(args.json, {
            "settings": use, "seeds": len(results) / len(items), "rows": rows, "precision": precision,
            "failures": [{"prompt": f["item"]["prompt"], "seed": f["seed"],
                          "reason": f["reason"]} for f in shown]})


if __name__ == "__main__":
    main()
