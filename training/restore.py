"""Checkpoints of the frozen stages from an exported folder, to train on without the originals.

    python restore.py ../models/shapes-sd3

Writes vae.pt, latents.json, text.pt and the tokenizers; then run `vae.py --encode` and
`denoiser.py --init-from`.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from transformers import CLIPTextModelWithProjection, T5EncoderModel

from common import ROOT, save_checkpoint, save_json
from text import Encoders


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--root", type=Path, default=ROOT)
    args = parser.parse_args()
    for name in ("tokenizer", "tokenizer_2", "tokenizer_3"):
        shutil.copytree(args.folder / name, args.root / "tokenizers" / name, dirs_exist_ok=True)
    vae = AutoencoderKL.from_pretrained(args.folder / "vae", torch_dtype=torch.float32)
    save_checkpoint(args.root / "vae.pt", {"average": [p.detach() for p in vae.parameters()]})
    save_json(args.root / "latents.json", {"shift_factor": vae.config.shift_factor,
                                           "scaling_factor": vae.config.scaling_factor})
    encoders = Encoders(args.root)
    for part, kind, name in ((encoders.clip, CLIPTextModelWithProjection, "text_encoder"),
                             (encoders.clip2, CLIPTextModelWithProjection, "text_encoder_2"),
                             (encoders.t5, T5EncoderModel, "text_encoder_3")):
        source = kind.from_pretrained(args.folder / name, torch_dtype=torch.float32)
        part.load_state_dict(source.state_dict())
    save_checkpoint(args.root / "text.pt", {"model": encoders.state_dict()})


if __name__ == "__main__":
    main()
