"""Pictures of the program against diffusers' pipeline of the folder, from prompt and seed: at least 99.9 % of the channel
values of every image must be within one level.

usage: python pipeline.py BUILD MODEL [--steps N]   (BUILD/sinkscope; torch, diffusers, transformers, Pillow)
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from diffusers import DiffusionPipeline
from PIL import Image

# prompt, negative, seed, guidance (None = the model's), size as a multiple of the model's (None = the model's)
CASES = [
    ("a red circle and a blue star", "", 1, None, None),
    ("two green squares", "", 1234, None, None),
    ("a yellow triangle left of a purple heart", "grey", 2**40 + 3, None, None),
    ("", "", 7, 1.0, None),
    ("three orange stars", "blue", 99, 5.0, (0.75, 0.5)),
]
LEAST = 0.999


def diffusers_picture(pipe, use, prompt, negative, seed):
    t5 = {"max_sequence_length": use["max_sequence_length"]} if hasattr(pipe, "text_encoder_3") else {}
    picture = pipe(prompt, negative_prompt=negative, num_inference_steps=use["steps"], guidance_scale=use["guidance"],
                   width=use["width"], height=use["height"], **t5,
                   generator=torch.Generator("cpu").manual_seed(seed), output_type="np").images[0]
    return np.round(picture * 255).astype(np.int16)


def our_picture(program, model, use, prompt, negative, seed):
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([program, "generate", model, "--prompt", prompt, "--negative", negative, "--seed", str(seed),
                        "--steps", str(use["steps"]), "--guidance", str(use["guidance"]),
                        "--size", f"{use['width']}x{use['height']}", "-o", folder],
                       check=True, stdout=subprocess.DEVNULL)
        return np.array(Image.open(next(Path(folder).glob("*.png")))).astype(np.int16)


def denoiser(pipe):
    return pipe.transformer if hasattr(pipe, "transformer") else pipe.unet


def size_unit(pipe):
    """What a side must be a multiple of, in pixels."""
    halvings = 0 if hasattr(pipe, "transformer") else len(pipe.unet.config.block_out_channels) - 1
    return pipe.vae_scale_factor * getattr(pipe, "patch_size", 2 ** halvings)


def settings(model, pipe, steps):
    side = denoiser(pipe).config.sample_size * pipe.vae_scale_factor
    use = {"steps": 28, "guidance": 7.0, "width": side, "height": side, "max_sequence_length": 256}
    own = model / "sinkscope.json"
    if own.exists():
        use |= json.loads(own.read_text())
    if steps:
        use["steps"] = steps
    return use


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("--steps", type=int)
    args = parser.parse_args()
    pipe = DiffusionPipeline.from_pretrained(args.model, torch_dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    failed = 0
    for prompt, negative, seed, guidance, size in CASES:
        use = settings(args.model, pipe, args.steps)
        unit = size_unit(pipe)
        if guidance is not None:
            use["guidance"] = guidance
        if size is not None:
            use["width"], use["height"] = (int(use[k] * f) // unit * unit for k, f in zip(("width", "height"), size))
        expected = diffusers_picture(pipe, use, prompt, negative, seed)
        found = our_picture(args.build / "sinkscope", args.model, use, prompt, negative, seed)
        difference = np.abs(expected - found)
        within, equal = (difference <= 1).mean(), (difference == 0).mean()
        failed += within < LEAST
        print(f"{prompt!r}, seed {seed}, {use['steps']} steps, guidance {use['guidance']}, "
              f"{use['width']} x {use['height']}: {within:.4%} within 1, {equal:.4%} equal, largest {difference.max()}",
              flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
