"""The attention sinks of an exported model: where, how heavy, of what class, how lasting.

    python sinks.py ../models/shapes-sd3 --json sinks.json

Incoming mass of a key: its attention averaged over the image queries. For every
block, head and step of the conditional branch: the largest mass against uniform,
the class of the key that has it, whether the key stays from step to step, and what
it contributes (mass x value norm / mean output norm). A head 'has a sink' of a class
when, for at least 80 % of the prompts and in at least half the steps, a key of that
class holds at least 10 times the uniform mass.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from common import save_json
from sample import add_settings, draw, load, settings

CLASSES = ("image", "CLIP start", "CLIP word", "CLIP end", "CLIP padding",
           "T5 word", "T5 end", "T5 padding")
THRESHOLD, PROMPT_SHARE, STEP_SHARE = 10.0, 0.8, 0.5


class Recorder:
    """Attention of one block that keeps, per call, mass and contribution of every key."""

    def __init__(self):
        self.mass, self.contribution = [], []

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None):
        batch, images = hidden_states.shape[:2]

        def joint(own, added):
            x = torch.cat([own(hidden_states), added(encoder_hidden_states)], dim=1)
            return x.view(batch, x.shape[1], attn.heads, -1).transpose(1, 2)

        q = joint(attn.to_q, attn.add_q_proj)
        k = joint(attn.to_k, attn.add_k_proj)
        v = joint(attn.to_v, attn.add_v_proj)
        weights = torch.softmax(q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5, dim=-1)
        out = weights @ v
        half = batch // 2       # the conditional branch is the second half
        mass = weights[half:, :, :images].mean(2)
        scale = out[half:, :, :images].norm(dim=-1).mean(-1, keepdim=True)
        self.mass.append(mass.numpy())
        self.contribution.append((mass * v[half:].norm(dim=-1) / scale).numpy())
        out = out.transpose(1, 2).flatten(2)
        image, text = attn.to_out[0](out[:, :images]), out[:, images:]
        return image, text if attn.context_pre_only else attn.to_add_out(text)


def key_classes(pipe, prompt: str, images: int, t5_length: int) -> np.ndarray:
    """Index into CLASSES of every key, image tokens first."""
    clip = pipe.tokenizer(prompt, padding="max_length", truncation=True).input_ids
    end = clip.index(pipe.tokenizer.eos_token_id)
    t5 = pipe.tokenizer_3(prompt, padding="max_length", max_length=t5_length).input_ids
    t5_end = t5.index(pipe.tokenizer_3.eos_token_id)
    classes = [0] * images + [1] + [2] * (end - 1) + [3] + [4] * (len(clip) - end - 1)
    return np.array(classes + [5] * t5_end + [6] + [7] * (len(t5) - t5_end - 1))


@torch.no_grad()
def record(pipe, use: dict, prompts: list[str], batch: int):
    """mass and contribution [prompt, block, step, head, key]; classes [prompt, key]."""
    blocks = pipe.transformer.transformer_blocks
    parts = []
    for i in range(0, len(prompts), batch):
        for block in blocks:
            block.attn.processor = Recorder()
        draw(pipe, use, prompts[i:i + batch], list(range(i, min(i + batch, len(prompts)))))
        recorders = [block.attn.processor for block in blocks]
        parts.append([np.stack([np.stack(getattr(r, name)) for r in recorders])
                      .transpose(2, 0, 1, 3, 4) for name in ("mass", "contribution")])
    mass, contribution = [np.concatenate([p[i] for p in parts]) for i in (0, 1)]
    images = (use["width"] // 16) * (use["height"] // 16)
    classes = np.stack([key_classes(pipe, p, images, use["max_sequence_length"])
                        for p in prompts])
    return mass, contribution, classes


def head_figures(mass, contribution, classes) -> dict:
    """One head: mass [prompt, step, key], contribution alike, classes [prompt, key]."""
    prompts, steps, keys = mass.shape
    top = mass.argmax(-1)
    times = np.take_along_axis(mass, top[..., None], -1)[..., 0] * keys
    given = np.take_along_axis(contribution, top[..., None], -1)[..., 0]
    kinds = np.take_along_axis(classes, top, 1)
    heavy = times >= THRESHOLD
    sinks = {}
    for c in range(len(CLASSES)):
        held = (mass * keys >= THRESHOLD) & (classes[:, None] == c)
        share = float((held.any(-1).mean(1) >= STEP_SHARE).mean())
        if share > 0:
            sinks[CLASSES[c]] = round(share, 3)
    best = max(sinks, key=sinks.get) if sinks else None
    return {
        "times_uniform": {"mean": round(float(times.mean()), 2),
                          "max": round(float(times.max()), 2),
                          "by_step": times.mean(0).round(2).tolist()},
        "top_class": {CLASSES[c]: round(float((kinds == c).mean()), 3)
                      for c in range(len(CLASSES)) if (kinds == c).any()},
        "heavy_share": round(float(heavy.mean()), 3),
        "persistence": round(float((top[:, 1:] == top[:, :-1]).mean()), 3),
        "contribution": round(float(given.mean()), 4),
        "prompts_with_sink": sinks,
        "sink": best if best and sinks[best] >= PROMPT_SHARE else None,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--prompts", type=Path, help="default: prompts.jsonl in the folder")
    parser.add_argument("--count", type=int, default=64)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--json", type=Path)
    add_settings(parser)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    lines = (args.prompts or args.folder / "prompts.jsonl").read_text().splitlines()
    picked = [json.loads(lines[i * len(lines) // args.count])["prompt"]
              for i in range(args.count)]
    pipe, use = load(args.folder, args.device), settings(args.folder, args)
    mass, contribution, classes = record(pipe, use, picked, args.batch)
    _, blocks, _, heads, keys = mass.shape
    rows = [dict(block=b, head=h, **head_figures(mass[:, b, :, h], contribution[:, b, :, h],
                                                 classes))
            for b in range(blocks) for h in range(heads)]
    for r in rows:
        top = max(r["top_class"], key=r["top_class"].get)
        print(f"block {r['block']} head {r['head']}: {r['times_uniform']['mean']:5.1f} x "
              f"(max {r['times_uniform']['max']:5.1f})  top {top} "
              f"{100 * r['top_class'][top]:.0f} %  stays {100 * r['persistence']:.0f} %  "
              f"contribution {r['contribution']:.3f}  sink {r['sink']}")
    if args.json:
        share = {c: round(float((classes == i).mean()), 3) for i, c in enumerate(CLASSES)}
        save_json(args.json, {"prompts": args.count, "settings": use, "keys": keys,
                              "class_share_of_keys": share, "heads": rows})


if __name__ == "__main__":
    main()
