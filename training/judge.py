"""The judge: what a picture of the world of shapes shows, and whether it does what a prompt asks.

The twin of score/judge.c. Everything is integer arithmetic, so the two agree on every picture:

1. Label: each pixel takes the nearest of nine classes, the eight palette colours and the background (the grey
   axis from GREY_LOW to GREY_HIGH), by squared distance in RGB; ties go to the lower class, background first.
2. Components of equal colour (4-neighbourhood). Below MIN_OBJECT pixels: a speck.
3. Shape: the component's mask against eight templates stretched over its box; the largest intersection over
   union, in thousandths, is the confidence. Under MIN_CONFIDENCE, or with a box of the wrong proportions, the
   component is nothing the judge can name.
4. A picture is unreadable when a component cannot be named, when there is none, or when specks cover more than
   MAX_SPECKS pixels. An unreadable picture is wrong.
5. The prompt is decided by GenEval's rules (evaluate_images.py of GenEval): objects of a class by falling
   confidence; count, colour, relation for `include`; too many for `exclude`.

    python judge.py --templates > ../score/judge_templates.h
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

import world

GRID = 64               # template cells on a side
GREY_LOW, GREY_HIGH = 96, 160
MIN_OBJECT = 120        # pixels; the smallest object of the world covers about 430
MAX_SPECKS = 300        # pixels
MIN_CONFIDENCE = 700    # thousandths of intersection over union


@dataclass
class Found:
    shape: int
    colour: int
    confidence: int                     # thousandths
    box: tuple[int, int, int, int]      # x0, y0, x1, y1 (exclusive)
    area: int


@dataclass
class Reading:
    objects: list[Found]
    unreadable: str                     # why; "" = readable


def make_templates() -> tuple[np.ndarray, np.ndarray]:
    """Bits [8, GRID, GRID] over each shape's own box, and the boxes' width and height in thousandths of r."""
    fine = (np.arange(4096) + 0.5) / 4096 * 2.4 - 1.2
    bits, sizes = [], []
    for shape in range(len(world.SHAPES)):
        hit = world.inside(shape, fine[None, :], fine[:, None])
        xs, ys = fine[hit.any(axis=0)], fine[hit.any(axis=1)]
        width, height = xs[-1] - xs[0], ys[-1] - ys[0]
        cell = (np.arange(GRID) + 0.5) / GRID
        bits.append(world.inside(shape, (xs[0] + cell * width)[None, :], (ys[0] + cell * height)[:, None]))
        sizes.append((round(width * 1000), round(height * 1000)))
    return np.array(bits), np.array(sizes)


TEMPLATES, SIZES = make_templates()


def label(image: np.ndarray) -> np.ndarray:
    """0 = background, 1.. = palette colour + 1; image uint8 [H, W, 3]."""
    rgb = image.astype(np.int64)
    grey = np.clip((rgb.sum(axis=2) + 1) // 3, GREY_LOW, GREY_HIGH)
    distances = [((rgb - grey[:, :, None]) ** 2).sum(axis=2)]
    distances += [((rgb - colour.astype(np.int64)) ** 2).sum(axis=2) for colour in world.PALETTE]
    return np.argmin(np.stack(distances), axis=0)


def name_shape(mask: np.ndarray) -> tuple[int, int]:
    """(shape, confidence) of a component's mask over its box; confidence 0 where the proportions fit no shape."""
    h, w = mask.shape
    rows = ((2 * np.arange(h) + 1) * GRID) // (2 * h)
    cols = ((2 * np.arange(w) + 1) * GRID) // (2 * w)
    best, best_shape = 0, 0
    for shape in range(len(world.SHAPES)):
        wide, high = (int(v) for v in SIZES[shape])
        if 2 * w * high > 3 * h * wide or 3 * w * high < 2 * h * wide:
            continue
        template = TEMPLATES[shape][rows[:, None], cols[None, :]]
        both = int((mask & template).sum())
        either = int((mask | template).sum())
        confidence = 1000 * both // either
        if confidence > best:
            best, best_shape = confidence, shape
    return best_shape, best


def read(image: np.ndarray) -> Reading:
    labels = label(image)
    objects, specks, nameless = [], 0, 0
    for colour in range(len(world.COLOURS)):
        parts, n = ndimage.label(labels == colour + 1)
        for index, box in enumerate(ndimage.find_objects(parts), start=1):
            mask = parts[box] == index
            area = int(mask.sum())
            if area < MIN_OBJECT:
                specks += area
                continue
            shape, confidence = name_shape(mask)
            if confidence < MIN_CONFIDENCE:
                nameless += 1
                continue
            objects.append(Found(shape, colour, confidence,
                                 (box[1].start, box[0].start, box[1].stop, box[0].stop), area))
    objects.sort(key=lambda o: (-o.confidence, o.box[1], o.box[0]))
    why = ""
    if nameless:
        why = "a part that is no shape"
    elif specks > MAX_SPECKS:
        why = "specks"
    elif not objects:
        why = "no object"
    return Reading(objects, why)


def relation_holds(relation: str, a: Found, b: Found) -> bool:
    """GenEval's relative_position, in twentieths of a pixel: exact in integers up to the final comparison
    |revised| > 0.5 |offset|, which is compared squared."""
    ax, ay = a.box[0] + a.box[2], a.box[1] + a.box[3]       # twice the centre
    bx, by = b.box[0] + b.box[2], b.box[1] + b.box[3]
    dx, dy = 10 * (ax - bx), 10 * (ay - by)                 # twentieths
    sx = 2 * (a.box[2] - a.box[0] + b.box[2] - b.box[0])    # 0.1 x summed sides
    sy = 2 * (a.box[3] - a.box[1] + b.box[3] - b.box[1])
    rx, ry = max(abs(dx) - sx, 0), max(abs(dy) - sy, 0)
    squared = dx * dx + dy * dy
    along_x, along_y = 4 * rx * rx > squared, 4 * ry * ry > squared
    return {"left of": along_x and dx < 0, "right of": along_x and dx > 0,
            "above": along_y and dy < 0, "below": along_y and dy > 0}[relation]


def judge(image: np.ndarray, metadata: dict) -> tuple[bool, str]:
    """(right, why not) for one picture and its GenEval metadata."""
    reading = read(image)
    if reading.unreadable:
        return False, "unreadable: " + reading.unreadable
    by_class = {name: [o for o in reading.objects if world.SHAPES[o.shape] == name] for name in world.SHAPES}
    groups, reason = [], ""
    for want in metadata.get("include", []):
        found = by_class[want["class"]][:want["count"]]
        problem = ""
        if len(found) < want["count"]:
            problem = f"{len(found)} of {want['count']} {want['class']}"
        elif "color" in want:
            right = sum(world.COLOURS[o.colour] == want["color"] for o in found)
            if right < want["count"]:
                problem = f"{right} of {want['count']} {want['color']} {want['class']}"
        if not problem and "position" in want:
            relation, target = want["position"]
            if groups[target] is None or not all(relation_holds(relation, a, b) for a in found for b in groups[target]):
                problem = f"{want['class']} not {relation} its mate"
        groups.append(None if problem else found)
        reason = reason or problem
    for want in metadata.get("exclude", []):
        if len(by_class[want["class"]]) >= want["count"]:
            reason = reason or f"{len(by_class[want['class']])} {want['class']}, too many"
    return not reason, reason


def write_templates(out) -> None:
    out.write("/* Shape templates of the judge: generated by training/judge.py --templates; do not edit. Row r of shape s is\n"
              " * JUDGE_TEMPLATE[s][r], its leftmost cell the highest bit. */\n")
    out.write("#ifndef SCORE_JUDGE_TEMPLATES_H\n#define SCORE_JUDGE_TEMPLATES_H\n\n#include <stdint.h>\n\n")
    out.write(f"enum {{ JUDGE_GRID = {GRID}, JUDGE_SHAPES = {len(world.SHAPES)}, JUDGE_COLOURS = {len(world.COLOURS)} }};\n\n")
    names = lambda words: ", ".join(f'"{w}"' for w in words)
    out.write(f"static const char *const JUDGE_SHAPE_NAME[JUDGE_SHAPES] = {{{names(world.SHAPES)}}};\n")
    out.write(f"static const char *const JUDGE_COLOUR_NAME[JUDGE_COLOURS] = {{{names(world.COLOURS)}}};\n")
    palette = ", ".join("{%d, %d, %d}" % tuple(int(v) for v in c) for c in world.PALETTE)
    out.write(f"static const int JUDGE_PALETTE[JUDGE_COLOURS][3] = {{{palette}}};\n")
    sizes = ", ".join("{%d, %d}" % tuple(int(v) for v in s) for s in SIZES)
    out.write(f"/* Width and height of each shape's box, thousandths of its radius. */\n"
              f"static const int JUDGE_SIZE[JUDGE_SHAPES][2] = {{{sizes}}};\n\n")
    out.write("static const uint64_t JUDGE_TEMPLATE[JUDGE_SHAPES][JUDGE_GRID] = {\n")
    for shape in range(len(world.SHAPES)):
        rows = [int("".join("1" if b else "0" for b in row), 2) for row in TEMPLATES[shape]]
        out.write("    {" + ",\n     ".join(", ".join(f"0x{v:016x}" for v in rows[i:i + 4]) for i in range(0, GRID, 4)) + "},\n")
    out.write("};\n\n#endif\n")


if __name__ == "__main__":
    if sys.argv[1:] != ["--templates"]:
        sys.exit(__doc__)
    write_templates(sys.stdout)
