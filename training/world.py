"""The world of shapes: scenes, their exact rendering and their captions.

Everything here is closed-form, so that another language can render the same
pixels. Coordinates are pixels with the origin in the top left corner, x to the
right and y DOWN; pixel (i, j) covers [j, j+1) x [i, i+1).

A scene is a background and 1 to 4 objects. An object is (shape, colour, cx, cy,
r): the shape's inside test is evaluated in the unit coordinates
u = (x - cx) / r, v = (y - cy) / r. Nothing is rotated.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

SIZE = 128          # picture side, pixels
SUPERSAMPLE = 4     # samples per pixel side: centres at (k + 0.5) / 4

SHAPES = ("circle", "square", "triangle", "star", "heart", "diamond", "cross", "ring")
PLURALS = ("circles", "squares", "triangles", "stars", "hearts", "diamonds", "crosses", "rings")
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "black", "white")
PALETTE = np.array([
    (205, 15, 45),      # red
    (250, 125, 10),     # orange
    (250, 230, 30),     # yellow
    (20, 150, 50),      # green
    (20, 60, 220),      # blue
    (150, 30, 200),     # purple
    (10, 10, 10),       # black
    (250, 250, 250),    # white
], dtype=np.uint8)

COUNT_WORDS = {2: "two", 3: "three", 4: "four"}
RELATIONS = ("left of", "right of", "above", "below")
TAGS = ("single_object", "two_object", "counting", "colors", "position", "color_attr")

# (colour, shape) pairs that no training scene contains: one per colour and per shape.
HELD_OUT = (
    ("red", "diamond"), ("orange", "star"), ("yellow", "cross"), ("green", "heart"),
    ("blue", "triangle"), ("purple", "square"), ("black", "ring"), ("white", "circle"),
)
_HELD_OUT_IDS = frozenset((COLOURS.index(c), SHAPES.index(s)) for c, s in HELD_OUT)

# Background: R = G = B = level + gx * (x - 64) / 64 + gy * (y - 64) / 64.
BACKGROUND_LEVEL = (120.0, 136.0)
BACKGROUND_SLOPE = 8.0      # |gx|, |gy| <= this

# Radius ranges by number of objects.
RADIUS = {1: (34.0, 42.0), 2: (22.0, 27.0), 3: (19.0, 24.0), 4: (19.0, 24.0)}
SINGLE_JITTER = 12.0        # one object: centre 64 +- this on both axes
PAIR_OFFSET = (31.0, 34.0)  # two objects: 64 -+ this on the axis that separates them
PAIR_JITTER = 14.0          # ... and 64 +- this on the other axis
GRID_CENTRES = (32.0, 96.0) # three or four objects: cells of a 2 x 2 grid
GRID_JITTER = 4.0


@dataclass
class Object:
    shape: int
    colour: int
    cx: float
    cy: float
    r: float


@dataclass
class Scene:
    level: float = 128.0
    gx: float = 0.0
    gy: float = 0.0
    objects: list[Object] = field(default_factory=list)


# ---------------------------------------------------------------- shapes

HEART_X, HEART_Y, HEART_SHIFT = 1.15, 1.12, 0.10
STAR_INNER = 0.45   # radius of the star's five inner corners; its outer radius is 1


def inside(shape: int, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """True where the unit-coordinate points (u, v), v down, lie in the shape."""
    name = SHAPES[shape]
    if name == "circle":
        return u * u + v * v <= 1.0
    if name == "square":
        return np.maximum(np.abs(u), np.abs(v)) <= 0.85
    if name == "triangle":      # apex (0, -1), base from (-1, 0.8) to (1, 0.8)
        return (v <= 0.8) & (np.abs(u) * 1.8 <= v + 1.0)
    if name == "star":          # five points, one of them up
        fifth = 2.0 * np.pi / 5.0
        rho = np.hypot(u, v)
        fold = np.arctan2(u, -v)                        # 0 = up
        fold = np.abs(fold - fifth * np.round(fold / fifth))    # in [0, pi/5]
        p, q = rho * np.cos(fold), rho * np.sin(fold)
        ex = STAR_INNER * np.cos(fifth / 2.0) - 1.0     # edge (1, 0) -> inner corner
        ey = STAR_INNER * np.sin(fifth / 2.0)
        return ex * q - ey * (p - 1.0) >= 0.0
    if name == "heart":
        x, y = HEART_X * u, HEART_SHIFT - HEART_Y * v
        w = x * x + y * y - 1.0
        return w * w * w - x * x * y * y * y <= 0.0
    if name == "diamond":
        return np.abs(u) / 0.75 + np.abs(v) <= 1.0
    if name == "cross":
        a, b = np.abs(u), np.abs(v)
        return (np.minimum(a, b) <= 0.32) & (np.maximum(a, b) <= 0.95)
    if name == "ring":
        d = u * u + v * v
        return (d <= 1.0) & (d >= 0.5 * 0.5)
    raise ValueError(name)


def coverage(obj: Object) -> tuple[slice, slice, np.ndarray]:
    """Rows, columns and the share of samples inside, over the object's box."""
    reach = obj.r * 1.1
    x0, x1 = max(int(obj.cx - reach), 0), min(int(obj.cx + reach) + 2, SIZE)
    y0, y1 = max(int(obj.cy - reach), 0), min(int(obj.cy + reach) + 2, SIZE)
    s = SUPERSAMPLE
    xs = x0 + (np.arange((x1 - x0) * s) + 0.5) / s
    ys = y0 + (np.arange((y1 - y0) * s) + 0.5) / s
    u, v = (xs - obj.cx) / obj.r, (ys - obj.cy) / obj.r
    hit = inside(obj.shape, u[None, :], v[:, None])
    hit = hit.reshape(y1 - y0, s, x1 - x0, s).sum(axis=(1, 3), dtype=np.float64)
    return slice(y0, y1), slice(x0, x1), hit / (s * s)


def render(scene: Scene) -> np.ndarray:
    """The picture, uint8 [128, 128, 3]: objects painted in order, rounded half up."""
    t = (np.arange(SIZE) + 0.5 - SIZE / 2) / (SIZE / 2)
    grey = scene.level + scene.gx * t[None, :] + scene.gy * t[:, None]
    image = np.repeat(grey[:, :, None], 3, axis=2)
    for obj in scene.objects:
        rows, cols, cover = coverage(obj)
        cover = cover[:, :, None]
        image[rows, cols] += cover * (PALETTE[obj.colour] - image[rows, cols])
    return np.floor(np.clip(image, 0, 255) + 0.5).astype(np.uint8)


def relation_holds(relation: str, a: Object, b: Object) -> bool:
    """GenEval's rule for 'a <relation> b', on boxes of side 2r.

    The offset of the centres is shrunk on each axis by 0.1 of the boxes' summed
    sides (never past 0), then divided by the length of the unshrunk offset; a
    component beyond 0.5 in size makes the relation true.
    """
    offset = np.array([a.cx - b.cx, a.cy - b.cy])
    slack = 0.1 * (2 * a.r + 2 * b.r)
    revised = np.sign(offset) * np.maximum(np.abs(offset) - slack, 0.0)
    if np.all(np.abs(revised) < 1e-3):
        return False
    dx, dy = revised / np.linalg.norm(offset)
    return bool({"left of": dx < -0.5, "right of": dx > 0.5,
                 "above": dy < -0.5, "below": dy > 0.5}[relation])


# ---------------------------------------------------------------- scenes

def is_held_out(colour: int, shape: int) -> bool:
    return (colour, shape) in _HELD_OUT_IDS


def draw_colour(rng: np.random.Generator, shape: int, held_out: bool = False) -> int:
    """A colour that makes a training pair with the shape (any colour if held_out)."""
    while True:
        colour = int(rng.integers(len(COLOURS)))
        if held_out or not is_held_out(colour, shape):
            return colour


def _background(rng: np.random.Generator) -> Scene:
    gx, gy = rng.uniform(-BACKGROUND_SLOPE, BACKGROUND_SLOPE, 2)
    return Scene(float(rng.uniform(*BACKGROUND_LEVEL)), float(gx), float(gy))


def place(rng: np.random.Generator, pairs: list[tuple[int, int]],
          relation: str | None = None) -> Scene:
    """A scene of the given (colour, shape) pairs; for two, pair 0 <relation> pair 1."""
    scene, n = _background(rng), len(pairs)
    radii = rng.uniform(*RADIUS[n], n)
    if n == 1:
        centres = 64 + rng.uniform(-SINGLE_JITTER, SINGLE_JITTER, (1, 2))
    elif n == 2:
        relation = relation or RELATIONS[int(rng.integers(4))]
        axis = 0 if relation in ("left of", "right of") else 1
        sign = -1 if relation in ("left of", "above") else 1
        centres = np.empty((2, 2))
        centres[:, axis] = 64 + np.array([sign, -sign]) * rng.uniform(*PAIR_OFFSET, 2)
        centres[:, 1 - axis] = 64 + rng.uniform(-PAIR_JITTER, PAIR_JITTER, 2)
    else:
        cells = rng.permutation(4)[:n]
        grid = np.array(GRID_CENTRES)
        centres = np.stack([grid[cells % 2], grid[cells // 2]], axis=1)
        centres = centres + rng.uniform(-GRID_JITTER, GRID_JITTER, (n, 2))
    scene.objects = [Object(shape, colour, float(c[0]), float(c[1]), float(r))
                     for (colour, shape), c, r in zip(pairs, centres, radii)]
    return scene


PREFIXES = ("a photo of ", "", "a picture of ", "an image of ")
PREFIX_WEIGHTS = (0.5, 0.3, 0.1, 0.1)


def noun(shape: int, colour: int | None = None, count: int = 1) -> str:
    """'a red circle', 'an orange star', 'three hearts', 'two black rings'."""
    words = ([] if colour is None else [COLOURS[colour]])
    words.append(SHAPES[shape] if count == 1 else PLURALS[shape])
    if count > 1:
        return " ".join([COUNT_WORDS[count]] + words)
    return " ".join(["an" if words[0][0] in "aeiou" else "a"] + words)


def prefix(rng: np.random.Generator) -> str:
    return PREFIXES[int(rng.choice(len(PREFIXES), p=PREFIX_WEIGHTS))]


def draw(rng: np.random.Generator, tag: str, held_out: bool = False) -> tuple[Scene, str]:
    """A scene and a caption of one of the six tags.

    What the caption leaves open is random; a counted group shares one colour, and
    two objects of one picture always differ in shape (but in color_attr, where
    they differ in colour and may share the shape).
    """
    shape = int(rng.integers(len(SHAPES)))
    colour = draw_colour(rng, shape, held_out)
    if tag == "single_object":
        return place(rng, [(colour, shape)]), prefix(rng) + noun(shape)
    if tag == "colors":
        return place(rng, [(colour, shape)]), prefix(rng) + noun(shape, colour)
    if tag == "counting":
        n = int(rng.integers(2, 5))
        named = colour if rng.random() < 0.3 else None
        return (place(rng, [(colour, shape)] * n),
                prefix(rng) + noun(shape, named, n))
    other = int(rng.integers(len(SHAPES)))
    while tag != "color_attr" and other == shape:
        other = int(rng.integers(len(SHAPES)))
    colour2 = draw_colour(rng, other, held_out)
    while tag == "color_attr" and colour2 == colour:
        colour2 = draw_colour(rng, other, held_out)
    pairs = [(colour, shape), (colour2, other)]
    if tag == "two_object":
        return place(rng, pairs), f"{prefix(rng)}{noun(shape)} and {noun(other)}"
    if tag == "color_attr":
        return (place(rng, pairs),
                f"{prefix(rng)}{noun(shape, colour)} and {noun(other, colour2)}")
    if tag == "position":
        relation = RELATIONS[int(rng.integers(4))]
        names = (noun(shape), noun(other))
        if rng.random() < 0.3:
            names = (noun(shape, colour), noun(other, colour2))
        return (place(rng, pairs, relation),
                f"{prefix(rng)}{names[0]} {relation} {names[1]}")
    raise ValueError(tag)


def in_reading_order(caption: str, objects: list) -> str:
    """The caption, its 'A and B' turned round if B stands before A: left before right where the centres lie further
    apart across than down, else upper before lower. objects: (shape, colour, cx, cy, r), in the caption's order."""
    if " and " not in caption:
        return caption
    (ax, ay), (bx, by) = (o[2:4] for o in objects)
    if (ax <= bx) if abs(ax - bx) > abs(ay - by) else (ay <= by):
        return caption
    start = next((p for p in PREFIXES if p and caption.startswith(p)), "")
    first, second = caption.removeprefix(start).split(" and ")
    return f"{start}{second} and {first}"


def stream(seed: int, mix: dict[str, float]):
    """Endless (tag, scene, caption) of the tag mix; the same for the same seed."""
    rng = np.random.default_rng(seed)
    tags = list(mix)
    p = np.array([mix[t] for t in tags], dtype=np.float64)
    while True:
        tag = tags[int(rng.choice(len(tags), p=p / p.sum()))]
        scene, caption = draw(rng, tag)
        yield tag, scene, caption
