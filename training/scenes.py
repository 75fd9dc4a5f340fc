"""Stage 1: render the training scenes into shards.

    python scenes.py --shards 8

Shard k holds 8,192 scenes drawn from seed k (pictures uint8, tags, captions);
shard 'held' (seed 10,000) is never trained on.
"""

from __future__ import annotations

import argparse
import json
from itertools import islice
from pathlib import Path

import numpy as np

import world
from common import ROOT, write_atomic

SHARD = 8192
HELD_SEED = 10_000
MIX = {"single_object": 0.08, "colors": 0.16, "counting": 0.20,
       "two_object": 0.14, "position": 0.20, "color_attr": 0.22}


def make_shard(folder: Path, seed: int, count: int) -> None:
    if (folder / "captions.json").exists():
        return
    pictures = np.empty((count, world.SIZE, world.SIZE, 3), dtype=np.uint8)
    tags, captions, objects = [], [], []
    for i, (tag, scene, caption) in enumerate(islice(world.stream(seed, MIX), count)):
        pictures[i] = world.render(scene)
        tags.append(tag)
        captions.append(caption)
        objects.append([[o.shape, o.colour, o.cx, o.cy, o.r] for o in scene.objects])
    folder.mkdir(parents=True, exist_ok=True)

    def write_pictures(path):
        with open(path, "wb") as f:
            np.save(f, pictures)
    write_atomic(folder / "pictures.npy", write_pictures)
    write_atomic(folder / "captions.json", lambda p: p.write_text(json.dumps(
        {"tags": tags, "captions": captions, "objects": objects})))


def shard_folder(root: Path, k: int | str) -> Path:
    return root / "scenes" / str(k)


def load_pictures(root: Path, k: int | str) -> np.ndarray:
    return np.load(shard_folder(root, k) / "pictures.npy", mmap_mode="r")


def load_captions(root: Path, k: int | str) -> dict:
    return json.loads((shard_folder(root, k) / "captions.json").read_text())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=ROOT)
    parser.add_argument("--shards", type=int, default=8)
    args = parser.parse_args()
    make_shard(shard_folder(args.root, "held"), HELD_SEED, 1024)
    for k in range(args.shards):
        make_shard(shard_folder(args.root, k), k, SHARD)


if __name__ == "__main__":
    main()
