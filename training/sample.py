"""A grid of pictures for fixed prompts, drawn by diffusers from an exported folder.

    python sample.py ../models/shapes-sd3 grid.png
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from diffusers import StableDiffusion3Pipeline
from PIL import Image

PROMPTS = (
    "a photo of a circle", "a photo of a star", "a photo of a red square",
    "a photo of a blue heart", "a photo of a yellow ring", "a photo of a green triangle",
    "a photo of a white diamond", "a photo of a black cross",
    "a photo of two stars", "a photo of three circles", "a photo of four hearts",
    "a photo of three squares", "a photo of a circle and a star",
    "a photo of a cross and a heart", "a photo of a ring and a square",
    "a photo of a triangle and a diamond", "a photo of a circle left of a star",
    "a photo of a heart right of a cross", "a photo of a ring above a square",
    "a photo of a diamond below a triangle", "a photo of a red circle and a blue star",
    "a photo of a green cross and a yellow heart", "a photo of a white ring and a black square",
    "a photo of an orange triangle and a purple diamond",
)


def load(folder: Path, device: str) -> StableDiffusion3Pipeline:
    pipe = StableDiffusion3Pipeline.from_pretrained(folder).to(device)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def draw(pipe: StableDiffusion3Pipeline, use: dict, prompts: list[str], seeds: list[int],
         precision: torch.dtype = torch.float32) -> np.ndarray:
    """uint8 [n, h, w, 3]; picture i starts from seed i's own CPU noise."""
    channels, side = pipe.transformer.config.in_channels, use["height"] // 8
    noise = torch.cat([torch.randn(1, channels, side, side,
                                   generator=torch.Generator().manual_seed(s)) for s in seeds])
    device = pipe.transformer.device
    with torch.autocast(device.type, precision, enabled=precision != torch.float32):
        out = pipe(prompts, negative_prompt=[""] * len(prompts), latents=noise.to(device),
                   num_inference_steps=use["steps"], guidance_scale=use["guidance"],
                   height=use["height"], width=use["width"],
                   max_sequence_length=use["max_sequence_length"], output_type="np").images
    return np.round(out * 255).astype(np.uint8)


def grid(pictures: np.ndarray, columns: int) -> Image.Image:
    """Row by row; what is missing in the last row stays white."""
    n, height, width, _ = pictures.shape
    rows = -(-n // columns)
    sheet = np.full((rows * columns, height, width, 3), 255, dtype=np.uint8)
    sheet[:n] = pictures
    sheet = sheet.reshape(rows, columns, height, width, 3).swapaxes(1, 2)
    return Image.fromarray(sheet.reshape(rows * height, columns * width, 3))


def settings(folder: Path, args) -> dict:
    use = json.loads((folder / "sinkscope.json").read_text())
    for name in ("steps", "guidance", "max_sequence_length"):
        if getattr(args, name) is not None:
            use[name] = getattr(args, name)
    return use


def add_settings(parser) -> None:
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--guidance", type=float)
    parser.add_argument("--max-sequence-length", type=int)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    add_settings(parser)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    pipe, use = load(args.folder, args.device), settings(args.folder, args)
    seeds = [args.seed * 1000 + i for i in range(len(PROMPTS))]
    grid(draw(pipe, use, list(PROMPTS), seeds), 8).save(args.picture)


if __name__ == "__main__":
    main()
