"""The model card of an exported folder, from what the other programs measured.

    python card.py ../models/shapes-sd3

Reads accuracy.json, sinks.json, the *.json of the stages and the curves under the root; nothing in
the card's tables is typed by hand.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
from pathlib import Path

from common import ROOT

CHOICE = " The guidance was chosen on other prompts of the same grammar."
FLOOR = {"single_object": 0.85, "colors": 0.85, "two_object": 0.6, "counting": 0.6, "position": 0.6, "color_attr": 0.6}

HEAD = """# shapes-sd3

A text-to-image model with every part of Stable Diffusion 3 and its file format, small enough to ship: two CLIP text
encoders, a T5 encoder, an MMDiT denoiser, an autoencoder. It draws 1 to 4 plain shapes (8 shapes, 8 colours) on grey,
128 x 128 pixels, from captions like 'a photo of a red circle left of a blue star'. It is made for studying attention,
with a judge that reads its pictures exactly; it knows nothing else.

    from diffusers import StableDiffusion3Pipeline
    pipe = StableDiffusion3Pipeline.from_pretrained("models/shapes-sd3")
    pipe("a photo of two stars", num_inference_steps={steps}, guidance_scale={guidance}, max_sequence_length={length})

`sinkscope.json` holds these settings. Denoiser: 6 blocks, 6 heads of 32, width 192, no query-key norm; 64 image tokens
(patch 2 on 16 x 16 latents of 8 channels), 32 CLIP tokens, {length} T5 tokens, padding attended to as in SD3.
`T5Tokenizer` stands where SD3 has `T5TokenizerFast`: diffusers says so and loads it.

![samples](grid.png)
"""

RECIPE = """## Recipe
Scenes and captions are rendered by `training/world.py`; eight colour-and-shape pairs never occur in training. Autoencoder
on pictures (L1 + 2 MSE + 1e-3 KL), its decoder trained further on fixed latents; text encoders trained to answer what a
caption describes, then frozen; rectified flow (velocity loss, logit-normal noise levels shifted by 3, caption dropout
10 %, AdamW, average 0.999), first with 32 text tokens and single objects first, then with all 96, on a two-core Xeon with
AMX under other load. Then both once more from those weights with a fresh optimiser, a fresh average and 27 % of the samples on
positions (`layout-2`, `full-2`), and twice more with 30 and 46 % of them on two objects (`layout-3` to `full-4`): all 60.4, 74.0,
80.8 and 79.6 %, two_object never above 50 %. 'A circle and a star' had left open which of the two stands where, and places of the
image that see each other's shape only late had to agree on it. In the last stages (`layout-5`, `full-5`, `full-6`) captions of
two objects name them in reading order, as a person would: left before right, or upper before lower. Nothing else changed, and
two_object went from 49 to 98 % (`full-5`); `full-6` gives half of the samples to counting (75 to 81 %). What ships is the mean of
the weights of these two; that choice among three was made on the same prompts, one seed each (`training/README.md`), the
figures above are of other seeds.
`training/README.md` has the commands, `training/logs/` the curves.
The denoiser's first 200 steps (`layout`), run again on the same machine, gave the logged losses exactly.
Known departure from a rerun: the denoiser's first {early} steps saw shards 0 to 2 only, the rest all eight.
"""

TAIL = """## Limits
Only the words of the captions' grammar mean anything. The autoencoder rounds fine corners. Prompts longer than 30 CLIP
tokens are cut. `max_sequence_length` other than {length} was not trained.

## Licence
MIT, as the rest of this repository: own work, trained from scratch on rendered data; no weights or data of others.
"""


def accuracy(figures: dict, choice: str = CHOICE) -> str:
    use = figures["settings"]
    low = [f"{t} ({100 * figures['rows'][t]['accuracy']:.0f} %)" for t, floor in FLOOR.items()
           if figures["rows"][t]["accuracy"] < floor]
    lines = ["## Accuracy", f"By `training/judge.py` on `prompts.jsonl`, seeds per prompt: {figures['seeds']:g}, "
             f"{use['steps']} steps, guidance {use['guidance']}, {figures['precision']}; 95 % Wilson intervals. An "
             f"unreadable picture is wrong.{choice}",
             f"Below the floor of what a study can measure harm on: {', '.join(low) or 'no tag'}.", "", "| tag | right | accuracy | interval | unreadable |", "|---|---|---|---|---|"]
    for name, r in figures["rows"].items():
        lines.append(f"| {name} | {r['right']}/{r['n']} | {100 * r['accuracy']:.1f} % | "
                     f"{100 * r['low']:.1f} to {100 * r['high']:.1f} | {r['unreadable']} |")
    lines += ["", "Failures, row by row in the picture:", "", "![failures](failures.png)", ""]
    lines += [f"{i}. '{f['prompt']}' (seed {f['seed']}): {f['reason']}"
              for i, f in enumerate(figures["failures"], 1)]
    return "\n".join(lines) + "\n"


def sinks(figures: dict) -> str:
    rows = sorted(figures["heads"], key=lambda r: -r["times_uniform"]["mean"])
    held = [r for r in figures["heads"] if r["sink"]]
    uniform = 100 / figures["keys"]
    heaviest = max(r["times_uniform"]["max"] for r in rows)
    lines = [
        "## Attention sinks", f"Incoming mass over image queries, conditional branch, {figures['prompts']} prompts, "
        f"{figures['settings']['steps']} steps; uniform is {uniform:.2f} %. {len(held)} of {len(rows)} heads meet the criterion of a sink: "
        "for at least 80 % of the prompts and in at least half the steps, a key of one class with 10 x uniform or more.",
        "They arose from training; nothing was planted.",
        "", "| block | head | top key, mean x uniform | largest | class of the top key | stays a step | contribution | "
        "sink |", "|---|---|---|---|---|---|---|---|"]
    for r in rows[:12]:
        top = sorted(r["top_class"].items(), key=lambda kv: -kv[1])[:2]
        classes = ", ".join(f"{c} {100 * v:.0f} %" for c, v in top)
        lines.append(f"| {r['block']} | {r['head']} | {r['times_uniform']['mean']:.1f} | "
                     f"{r['times_uniform']['max']:.1f} | {classes} | {100 * r['persistence']:.0f} % | "
                     f"{r['contribution']:.3f} | {r['sink'] or '-'} |")
    shares = ", ".join(f"{c} {100 * v:.1f} %" for c, v in figures["class_share_of_keys"].items())
    by_block = {}
    for r in figures["heads"]:
        by_block.setdefault(r["block"], []).append(r["times_uniform"]["mean"] * uniform)
    blocks = ", ".join(f"block {b}: {max(v):.1f} %" for b, v in sorted(by_block.items()))
    lines += ["", f"The twelve heaviest heads. Classes among the keys: {shares}. Mean of the largest mass, heaviest head of "
              f"each block: {blocks}. Heaviest single call: {heaviest * uniform:.1f} %.",
              "In SD3-medium the largest mass is 1 to 11 % in blocks 6 to 18 of 24 and nearly all sinks are text tokens; "
              "this model has 160 keys instead of 1,357 or more, six blocks, and the classes of the table above.",
              "`training/sinks.py` writes all heads and steps (`sinks.json`)."]
    return "\n".join(lines) + "\n"


def curves(root: Path) -> str:
    lines = ["## Curves", "", "| stage | step | samples | minutes | loss |", "|---|---|---|---|---|"]
    total = 0.0
    for stage in ("vae", "decoder", "text", "denoiser-layout", "denoiser-full",
                  *(f"denoiser-{kind}-{n}" for n in range(2, 6) for kind in ("layout", "full")), "denoiser-full-6"):
        with (root / f"{stage}.csv").open() as f:
            rows = list(csv.DictReader(f))
        last = int(rows[-1]["step"])
        for share in (0, 0.1, 0.25, 0.5, 0.75, 1):
            r = min(rows, key=lambda row: abs(int(row["step"]) - share * last))
            lines.append(f"| {stage} | {r['step']} | {r['samples']} | {float(r['seconds']) / 60:.1f} "
                         f"| {float(r['loss']):.4f} |")
        total += float(rows[-1]["seconds"]) / 60
    lines += ["", f"Training took {total:.0f} minutes of wall clock in all, stages partly side by side on two cores."]
    return "\n".join(lines) + "\n"


def checksums(folder: Path) -> str:
    lines = ["## Checksums (SHA-256)", ""]
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".safetensors", ".model") or path.name in ("vocab.json", "merges.txt", "prompts.jsonl"):
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            lines.append(f"    {digest}  {path.relative_to(folder)}")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--root", type=Path, default=ROOT)
    parser.add_argument("--early", type=int, default=0, help="steps on the first three shards")
    args = parser.parse_args()

    def read(name):
        return json.loads((args.root / name).read_text())
    use = json.loads((args.folder / "sinkscope.json").read_text())
    length = use["max_sequence_length"]
    vae = f"Autoencoder: {read('decoder.json')['psnr']:.1f} dB PSNR on 512 held-out scenes.\n"
    parts = [HEAD.format(steps=use["steps"], guidance=use["guidance"], length=length),
             accuracy(read("accuracy.json")), vae, sinks(read("sinks.json")),
             RECIPE.format(early=args.early), curves(args.root), checksums(args.folder),
             TAIL.format(length=length)]
    (args.folder / "CARD.md").write_text("\n".join(parts))


if __name__ == "__main__":
    main()
