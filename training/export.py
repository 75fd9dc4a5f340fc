"""Stage 6: the diffusers folder, float16, from the stages' checkpoints.

    python export.py ../models/shapes-sd3

The folder is written beside its target and renamed into place. Files in the target
that this program does not write (prompts.jsonl, CARD.md, ...) are carried over.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import torch
from diffusers import (AutoencoderKL, FlowMatchEulerDiscreteScheduler,
                       StableDiffusion3Pipeline)

import denoiser
import text
import vae
from common import ROOT

USE = {"steps": 28, "guidance": 4.0, "width": 128, "height": 128,
       "max_sequence_length": text.T5_TOKENS}


def autoencoder(root: Path) -> AutoencoderKL:
    model = vae.load_average(root, "cpu")
    scale = json.loads((root / "latents.json").read_text())
    model.register_to_config(scaling_factor=scale["scaling_factor"],
                             shift_factor=scale["shift_factor"], force_upcast=False)
    return model


def pipeline(root: Path, untrained: bool, other: Path | None) -> StableDiffusion3Pipeline:
    encoders = text.load_encoders(root, "cpu")
    first, second, third = encoders.tokenizers
    transformer = denoiser.make_model() if untrained else denoiser.load_average(root, other)
    return StableDiffusion3Pipeline(
        transformer=transformer, vae=autoencoder(root),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=denoiser.SHIFT),
        text_encoder=encoders.clip, tokenizer=first,
        text_encoder_2=encoders.clip2, tokenizer_2=second,
        text_encoder_3=encoders.t5, tokenizer_3=third)


def replace_folder(target: Path, write) -> None:
    """write(new folder) beside the target, carry over foreign files, swap by renaming."""
    new, old = [target.with_name(f".{target.name}.{s}") for s in ("new", "old")]
    for stale in (new, old):
        shutil.rmtree(stale, ignore_errors=True)
    new.mkdir(parents=True)
    write(new)
    if target.exists():
        for item in target.iterdir():
            if item.is_file() and not (new / item.name).exists():
                shutil.copy2(item, new / item.name)
        target.rename(old)
    new.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", type=Path)
    parser.add_argument("--root", type=Path, default=ROOT)
    parser.add_argument("--untrained", action="store_true",
                        help="random denoiser: the final shapes before any training")
    parser.add_argument("--mean-with", type=Path,
                        help="the mean of the denoiser's weights with those of an earlier checkpoint")
    args = parser.parse_args()
    pipe = pipeline(args.root, args.untrained, args.mean_with).to(torch.float16)

    def write(folder: Path) -> None:
        pipe.save_pretrained(folder, safe_serialization=True)
        (folder / "sinkscope.json").write_text(json.dumps(USE, indent=2) + "\n")
    replace_folder(args.target, write)
    size = sum(p.stat().st_size for p in args.target.rglob("*") if p.is_file())
    print(f"{args.target}: {size / 2 ** 20:.1f} MiB")


if __name__ == "__main__":
    main()
