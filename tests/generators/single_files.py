"""Single files in their original layouts, small enough to be kept, and what diffusers draws with them.

Writes tests/data/single/sd3.safetensors (the transformer and the autoencoder of tests/data/tiny-sd3, without text
encoders), sd15.ckpt (tiny-sd15 without its autoencoder, as pytorch_lightning saves it) and the images sd3.png,
sd15.png. Weights are the random ones of philox_weights with seed 1, in float16; what a file lacks is that of the folder
that make_tiny_model makes.

usage: python single_files.py MAKE_TINY_MODEL   (diffusers 0.42.1, transformers 5.24.0, torch 2.9.1)
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from diffusers import AutoencoderKL, StableDiffusion3Pipeline, StableDiffusionPipeline
from safetensors.torch import save_file
from transformers import CLIPTextModelWithProjection, T5EncoderModel

from original_layout import lightning_checkpoint, original

DATA = Path(__file__).resolve().parent.parent / "data"
OUT = DATA / "single"
ARGUMENTS = {"num_inference_steps": 4, "width": 32, "height": 32}


def halved(tensors):
    return {n: v.half() if v.is_floating_point() else v for n, v in tensors.items()}


def draw(pipe, name, **more):
    for part in pipe.components.values():
        if isinstance(part, torch.nn.Module):
            part.eval()
    image = pipe("a red circle and 2 blue stars", generator=torch.Generator("cpu").manual_seed(5), **ARGUMENTS, **more).images[0]
    image.save(OUT / f"{name}.png")


def main():
    OUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as made:
        sd3, sd15 = Path(made) / "sd3", Path(made) / "sd15"
        for kind, folder in (("tiny-sd3", sd3), ("tiny-sd15", sd15)):
            subprocess.run([sys.argv[1], DATA, folder, kind], check=True)
        save_file(halved(original(sd3, without=["text_encoder", "text_encoder_2", "text_encoder_3"])), OUT / "sd3.safetensors")
        torch.save(lightning_checkpoint(halved(original(sd15, without=["vae"]))), OUT / "sd15.ckpt")
        pipe = StableDiffusion3Pipeline.from_single_file(
            str(OUT / "sd3.safetensors"), config=str(sd3), local_files_only=True, torch_dtype=torch.float32,
            text_encoder=CLIPTextModelWithProjection.from_pretrained(sd3 / "text_encoder"),
            text_encoder_2=CLIPTextModelWithProjection.from_pretrained(sd3 / "text_encoder_2"),
            text_encoder_3=T5EncoderModel.from_pretrained(sd3 / "text_encoder_3"))
        draw(pipe, "sd3", guidance_scale=3.5, max_sequence_length=24)
        tensors = halved(original(sd15, without=["vae"]))
        save_file(tensors, Path(made) / "sd15.safetensors")  # diffusers refuses pytorch_lightning's objects
        pipe = StableDiffusionPipeline.from_single_file(
            str(Path(made) / "sd15.safetensors"), config=str(sd15), local_files_only=True, torch_dtype=torch.float32,
            safety_checker=None, feature_extractor=None, vae=AutoencoderKL.from_pretrained(sd15 / "vae"))
        draw(pipe, "sd15", guidance_scale=7.5)
    for path in OUT.iterdir():
        path.chmod(0o644)


if __name__ == "__main__":
    main()
