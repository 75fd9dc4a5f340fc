"""The model card of shapes-sdxl, from what sinkscope itself measured.

    sed 's|^model:.*|model: models/shapes-sdxl|' studies/accuracy.yaml > accuracy.yaml
    sinkscope run accuracy.yaml -o accuracy
    python evaluate.py ../models/shapes-sdxl --prompts ../models/shapes-sd3/prompts.jsonl --store accuracy \\
        --json accuracy.json --failures ../models/shapes-sdxl/failures.png
    sinkscope run sinks.yaml -o sinks      # probes mass, persistence, value, census; no conditions; 64 prompts
    python card_unet.py ../models/shapes-sdxl --accuracy accuracy.json --pictures accuracy --sinks sinks

Nothing in the card's tables is typed by hand.
"""

from __future__ import annotations

import argparse
import csv
import json
import sqlite3
from pathlib import Path

import numpy as np
from PIL import Image

import card
from common import ROOT
from evaluate import stored
from sample import grid

GRID = 24
SHAPES_SD3_SAMPLES = 1_984_000                      # training/README.md
SINK, PROMPT_SHARE, STEP_SHARE = 10.0, 0.8, 0.5     # as in sinks.py

HEAD = """# shapes-sdxl

shapes-sd3's counterpart with Stable Diffusion XL's architecture and file format: a U-Net whose image tokens attend to one another
and, apart from that, to the text. It draws the same world (1 to 4 plain shapes, 8 shapes, 8 colours, grey ground, 128 x 128
pixels) with the same autoencoder and the same two CLIP text encoders; it has no T5.

    from diffusers import StableDiffusionXLPipeline
    pipe = StableDiffusionXLPipeline.from_pretrained("models/shapes-sdxl")
    pipe("a photo of two stars", num_inference_steps={steps}, guidance_scale={guidance}, width=128, height=128)

`sinkscope.json` holds these settings. Denoiser: channels 64 and 128, one resnet a level (two on the way up), transformers of two
layers with 4 heads of 32 at the coarser level alone, where there are 64 image tokens; 32 text tokens; noise prediction, Euler.

![samples](grid.png)
"""

RECIPE = """## Recipe
Scenes, captions (two objects named in reading order), autoencoder and text encoders are those of shapes-sd3 (`training/README.md`,
stage 8). Noise prediction on the scaled-linear schedule, loss weighted by min(SNR, 5) / SNR, caption dropout 10 %, AdamW
(0.9, 0.99), rate 1e-3 falling to a twentieth, batch 48, gradient clipping 1, average 0.999; single objects first, the even mix of tags
after 1,500 steps, from step 3,200 on 36 % positions and 28 % color_attr, from step 7,050 on 50 % counting, the rate at 1e-3 again
both times and then falling; float32 on one core of a Xeon that did other work too. {samples:,} samples of {shards} of the scenes' shards in
{minutes:.0f} minutes: {share:.0f} % of what shapes-sd3 has seen.
"""

LICENCE = """## Licence
MIT, as the rest of this repository: own work, trained from scratch on rendered data; no weights or data of others.
"""

HEADS = """
SELECT b.block, b.name, b.kind, b.keys, s.head, avg(s.max_mass) * b.keys, max(s.max_mass) * b.keys, avg(s.persistence),
       avg(s.contribution)
FROM sites s JOIN blocks b USING (block) WHERE s.branch = 'cond' AND s.condition = 'baseline'
GROUP BY b.block, s.head ORDER BY avg(s.max_mass) * b.keys DESC"""

CLASSES = """
SELECT token_class, count(*) FROM sinks WHERE rank = 0 AND branch = 'cond' AND condition = 'baseline' AND block = ? AND head = ?
GROUP BY token_class ORDER BY count(*) DESC"""

HELD = """
SELECT token_class, sum(share >= :steps) * 1.0 / :prompts AS held FROM (
    SELECT prompt, token_class, sum(mass * :keys >= :sink) * 1.0 / :n AS share FROM sinks
    WHERE rank = 0 AND branch = 'cond' AND condition = 'baseline' AND block = :block AND head = :head
    GROUP BY prompt, token_class) GROUP BY token_class ORDER BY held DESC LIMIT 1"""


def sinks(store: Path) -> str:
    with sqlite3.connect(f"file:{store / 'results.sqlite'}?mode=ro", uri=True) as db:
        prompts, steps = db.execute("SELECT count(DISTINCT prompt), max(step) + 1 FROM sites").fetchone()
        rows = []
        for block, name, kind, keys, head, mean, most, stays, contribution in db.execute(HEADS).fetchall():
            classes = db.execute(CLASSES, (block, head)).fetchall()
            held = db.execute(HELD, dict(steps=STEP_SHARE, prompts=prompts, keys=keys, sink=SINK, n=steps, block=block,
                                         head=head)).fetchone()
            total = sum(n for _, n in classes)
            rows.append((block, name, kind, head, mean, most, ", ".join(f"{c} {100 * n / total:.0f} %" for c, n in classes[:2]),
                         stays, contribution, held[0] if held[1] >= PROMPT_SHARE else "-"))
    meets = sum(r[-1] != "-" for r in rows)
    lines = [
        "## Attention sinks", f"Incoming mass over all queries of a call (image tokens), conditional branch, {prompts} prompts, "
        f"{steps} steps; uniform is 1/64 of a row in self-attention, 1/32 in cross-attention. {meets} of {len(rows)} heads meet "
        "the criterion of a sink: for at least 80 % of the prompts and in at least half the steps, a key of one class with "
        "10 x uniform or more. They arose from training; nothing was planted.", "",
        "| block | kind | head | top key, mean x uniform | largest | class of the top key | 5 heaviest stay a step | contribution | sink |",
        "|---|---|---|---|---|---|---|---|---|"]
    lines += [f"| {b} | {kind} | {h} | {mean:.1f} | {most:.1f} | {classes} | {stays:.2f} | {c:.3f} | {sink} |"
              for b, _, kind, h, mean, most, classes, stays, c, sink in rows[:12]]
    lines += ["", "The twelve heaviest heads. Blocks are numbered as `sinkscope inspect` shows them."]
    return "\n".join(lines) + "\n"


def curve(path: Path) -> tuple[str, dict]:
    with path.open() as f:
        rows = list(csv.DictReader(f))
    last = int(rows[-1]["step"])
    lines = ["## Curve", "", "| step | samples | minutes | loss |", "|---|---|---|---|"]
    for share in (0, 0.1, 0.25, 0.5, 0.75, 1):
        r = min(rows, key=lambda row: abs(int(row["step"]) - share * last))
        lines.append(f"| {r['step']} | {r['samples']} | {float(r['seconds']) / 60:.1f} | {float(r['loss']):.4f} |")
    return "\n".join(lines) + "\n", rows[-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--accuracy", type=Path, required=True)
    parser.add_argument("--pictures", type=Path, required=True, help="store of the accuracy study")
    parser.add_argument("--sinks", type=Path, required=True, help="store of the sinks study")
    parser.add_argument("--shards", default="3")
    parser.add_argument("--root", type=Path, default=ROOT)
    args = parser.parse_args()
    figures = json.loads(args.accuracy.read_text())
    use = json.loads((args.folder / "sinkscope.json").read_text())
    drawn = list(stored(args.pictures))
    pictures = [p for _, s, p in drawn if s == min(s for _, s, _ in drawn)]
    grid(np.stack(pictures[::len(pictures) // GRID][:GRID]), 8).save(args.folder / "grid.png")
    table, last = curve(args.root / "unet.csv")
    parts = [HEAD.format(**use), card.accuracy(figures, ""), sinks(args.sinks),
             RECIPE.format(samples=int(last["samples"]), minutes=float(last["seconds"]) / 60, shards=args.shards,
                           share=100 * int(last["samples"]) / SHAPES_SD3_SAMPLES),
             table, card.checksums(args.folder), LICENCE]
    (args.folder / "CARD.md").write_text("\n".join(parts))


if __name__ == "__main__":
    main()
