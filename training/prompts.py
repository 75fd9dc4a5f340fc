"""models/shapes-sd3/prompts.jsonl: 553 prompts in GenEval's evaluation_metadata format, with its counts per tag.

An independent draw from the same grammar as the training captions (another generator, another seed); training
never reads the file. A prompt that names a held-out colour-and-shape pair has "held_out": true; they are
HELD_OUT_SHARE of the tags that name colours. Within a tag texts are distinct as far as the grammar allows
(single_object has 32 of them, so its texts repeat).

    python prompts.py ../models/shapes-sd3/prompts.jsonl
"""

from __future__ import annotations

import json
import sys

import numpy as np

import world

COUNTS = {"single_object": 80, "two_object": 99, "counting": 80, "colors": 94, "position": 100, "color_attr": 100}
HELD_OUT_SHARE = 0.2
SEED = 20260509


def pick_pair(rng: np.random.Generator, held_out: bool) -> tuple[int, int]:
    """(colour, shape), one that training saw or one that it did not."""
    if held_out:
        colour, shape = world.HELD_OUT[int(rng.integers(len(world.HELD_OUT)))]
        return world.COLOURS.index(colour), world.SHAPES.index(shape)
    shape = int(rng.integers(len(world.SHAPES)))
    return world.draw_colour(rng, shape), shape


def wanted(shape: int, count: int = 1, colour: int | None = None) -> dict:
    item = {"class": world.SHAPES[shape], "count": count}
    if colour is not None:
        item["color"] = world.COLOURS[colour]
    return item


def make(rng: np.random.Generator, tag: str, held_out: bool) -> dict:
    """One prompt of a tag. Objects of two classes differ in shape, as GenEval's do."""
    colour, shape = pick_pair(rng, held_out)
    colour2, other = pick_pair(rng, False)
    while other == shape or colour2 == colour:
        colour2, other = pick_pair(rng, False)
    first = int(rng.integers(2))    # a held-out pair may stand in either place
    start = world.prefix(rng)
    if tag == "single_object":
        return {"include": [wanted(shape)], "prompt": start + world.noun(shape)}
    if tag == "colors":
        return {"include": [wanted(shape, colour=colour)], "prompt": start + world.noun(shape, colour)}
    if tag == "counting":
        n = int(rng.integers(2, 5))
        return {"include": [wanted(shape, n)], "exclude": [wanted(shape, n + 1)],
                "prompt": start + world.noun(shape, None, n)}
    pairs = [(colour, shape), (colour2, other)]
    if tag == "color_attr":
        (c0, s0), (c1, s1) = pairs[first], pairs[1 - first]
        return {"include": [wanted(s0, colour=c0), wanted(s1, colour=c1)],
                "prompt": f"{start}{world.noun(s0, c0)} and {world.noun(s1, c1)}"}
    if tag == "two_object":
        return {"include": [wanted(shape), wanted(other)], "prompt": f"{start}{world.noun(shape)} and {world.noun(other)}"}
    if tag == "position":
        relation = world.RELATIONS[int(rng.integers(4))]
        return {"include": [wanted(other), {**wanted(shape), "position": [relation, 0]}],
                "prompt": f"{start}{world.noun(shape)} {relation} {world.noun(other)}"}
    raise ValueError(tag)


def make_all() -> list[dict]:
    rng = np.random.default_rng(SEED)
    prompts = []
    for tag, count in COUNTS.items():
        seen: set[str] = set()
        hidden = round(HELD_OUT_SHARE * count) if tag in ("colors", "color_attr") else 0
        for i in range(count):
            held_out = i < hidden
            for _ in range(200):
                item = make(rng, tag, held_out)
                if item["prompt"] not in seen:
                    break
            seen.add(item["prompt"])
            prompts.append({"tag": tag, **item, **({"held_out": True} if held_out else {})})
    return prompts


if __name__ == "__main__":
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        for item in make_all():
            file.write(json.dumps(item) + "\n")
