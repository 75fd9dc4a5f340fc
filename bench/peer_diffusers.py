"""The peer of bench_image: one image by diffusers' StableDiffusion3Pipeline, on the CPU in float32.

usage: python peer_diffusers.py MODEL PROMPT THREADS [--once]

Reads lines "WAY SEED" and answers each with "WALL PROCESSOR MEAN": seconds of that image from prompt to pixels, and the
mean of its channel values, 0 to 255. The first line written names the versions. WAY: `plain`, or `measured`: attention
with its weights written out, as whoever wants to look at them has to (the paper's code does), and from them the mass that
every key receives from the image's queries, the entropy and the concentration in the 5 largest, as sinkscope's probes
have them. --once: one plain image of seed 0, and the end.
"""

import json
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers import StableDiffusion3Pipeline, __version__
from diffusers.utils import logging
from transformers.utils import logging as transformers_logging

fused_attention = F.scaled_dot_product_attention


class Measured:
    """While entered, the denoiser's attention goes through `attend`, which keeps what it saw."""

    def __init__(self, image_tokens):
        self.image_tokens, self.seen = image_tokens, []

    def attend(self, q, k, v, **_):
        scores = q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5
        weights = scores.softmax(-1)
        rows = weights[:, :, : self.image_tokens]
        entropy = torch.special.entr(rows).sum(-1).mean(-1)
        self.seen.append((rows.mean(2), entropy, rows.topk(5, -1).values.sum(-1).mean(-1)))
        return weights @ v

    def __enter__(self):
        F.scaled_dot_product_attention = self.attend

    def __exit__(self, *_):
        F.scaled_dot_product_attention = fused_attention


def make_image(pipe, use, prompt, seed, measured):
    unit = pipe.vae_scale_factor * pipe.patch_size
    watch = Measured((use["width"] // unit) * (use["height"] // unit))
    forward = pipe.transformer.forward

    def watched(*args, **more):
        with watch:
            return forward(*args, **more)

    if measured:
        pipe.transformer.forward = watched
    try:
        return pipe(prompt, num_inference_steps=use["steps"], guidance_scale=use["guidance"], width=use["width"],
                    height=use["height"], max_sequence_length=use["max_sequence_length"],
                    generator=torch.Generator("cpu").manual_seed(seed), output_type="np").images[0]
    finally:
        pipe.transformer.forward = forward


def main():
    model, prompt, threads = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    torch.set_num_threads(threads)
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    transformers_logging.set_verbosity_error()
    pipe = StableDiffusion3Pipeline.from_pretrained(model, torch_dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    use = json.loads((model / "sinkscope.json").read_text())
    if sys.argv[4:] == ["--once"]:
        make_image(pipe, use, prompt, 0, False)
        return
    print(f"diffusers {__version__}, torch {torch.__version__}", flush=True)
    for line in sys.stdin:
        way, seed = line.split()
        wall, processor = time.perf_counter(), time.process_time()
        picture = make_image(pipe, use, prompt, int(seed), way == "measured")
        print(time.perf_counter() - wall, time.process_time() - processor, 255 * picture.mean(), flush=True)


if __name__ == "__main__":
    main()
