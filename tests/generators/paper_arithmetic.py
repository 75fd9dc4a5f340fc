"""The paper's own arithmetic on the model that ships: in diffusers' SD3 attention, P is made whole in float32, the mass of
every key is its mean over the image queries, and the sinks of each call are masked by subtracting 1e4 from their scores
before a second softmax. Both of the paper's scopes: head with rows image, layer with rows all.

Writes tests/data/sampler/paper.json (cases; SHA-256 of the model's files), paper.safetensors (for each case: masses and
sets at its blocks, the final latents) and paper-NAME.png. To be run again whenever the model changes:

usage: python tests/generators/paper_arithmetic.py   (diffusers 0.35.2, transformers 4.57.1, torch 2.x, float32)
"""

import hashlib
import json
from pathlib import Path
from unittest import mock

import torch
import torch.nn.functional as F
from diffusers import StableDiffusion3Pipeline
from diffusers.models.attention_processor import JointAttnProcessor2_0
from PIL import Image
from safetensors.torch import save_file

ROOT = Path(__file__).resolve().parent.parent.parent
MODEL = ROOT / "models" / "shapes-sd3"
OUT = ROOT / "tests" / "data" / "sampler"
B, STEPS = 1e4, 4

# name: prompt, seed, scope, k, blocks by fraction of depth. Head scope acts on the image's rows, layer scope on all.
CASES = {
    "head": ("a photo of a red circle left of a blue star", 11, "head", 1, [0.5]),
    "layer": ("three green squares", 2**33 + 12, "layer", 1, [0.5]),
    "blocks": ("a yellow triangle above a purple heart", 13, "head", 3, [0.25, 0.5, 0.75]),
}


class Masked(JointAttnProcessor2_0):
    """diffusers' processor with the attention itself replaced. Keeps masses [branch, head, key] and sets [branch, head, k]
    of every call; the batch is [uncond, cond] and is kept as [cond, uncond]."""

    def __init__(self, scope, k, n_image):
        super().__init__()
        self.scope, self.k, self.n_image = scope, k, n_image
        self.masses, self.sets = [], []

    def attend(self, q, k, v, **_):
        scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5  # [B, H, N, N]
        mass = torch.softmax(scores, dim=-1)[:, :, : self.n_image].mean(dim=2)
        heads = mass.shape[1]
        if self.scope == "head":
            keys = mass.topk(self.k).indices  # [B, H, k]
        else:
            keys = mass.mean(dim=1, keepdim=True).topk(self.k * heads).indices.expand(-1, heads, -1)
        push = torch.zeros_like(mass).scatter_(-1, keys, B)[:, :, None, :]
        rows = slice(self.n_image) if self.scope == "head" else slice(None)
        scores[:, :, rows] -= push
        self.masses.append(mass.flip(0))
        self.sets.append(keys.flip(0).to(torch.int32))
        return torch.softmax(scores, dim=-1) @ v

    def __call__(self, *args, **kwargs):
        with mock.patch.object(F, "scaled_dot_product_attention", self.attend):
            return super().__call__(*args, **kwargs)


def draw(pipe, use, prompt, seed):
    latents = []

    def keep(_pipe, _step, _time, values):
        latents.append(values["latents"][0].clone())
        return values

    image = pipe(prompt, num_inference_steps=STEPS, guidance_scale=use["guidance"], width=use["width"],
                 height=use["height"], max_sequence_length=use["max_sequence_length"],
                 generator=torch.Generator("cpu").manual_seed(seed), output_type="pt",
                 callback_on_step_end=keep).images[0]
    return latents[-1], (image.permute(1, 2, 0) * 255).round().to(torch.uint8)


def model_files():
    files = [MODEL / "model_index.json", *sorted(p for p in MODEL.glob("*/*") if p.is_file())]
    return {str(p.relative_to(MODEL)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def main():
    torch.use_deterministic_algorithms(True)
    use = json.loads((MODEL / "sinkscope.json").read_text())
    pipe = StableDiffusion3Pipeline.from_pretrained(MODEL, torch_dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    unit = pipe.vae_scale_factor * pipe.patch_size
    n_image = use["width"] // unit * (use["height"] // unit)
    layers = pipe.transformer.transformer_blocks
    vectors, cases = {}, []
    for name, (prompt, seed, scope, k, depths) in CASES.items():
        blocks = [int(depth * len(layers)) for depth in depths]
        for i, block in enumerate(layers):
            block.attn.processor = Masked(scope, k, n_image) if i in blocks else JointAttnProcessor2_0()
        latents, image = draw(pipe, use, prompt, seed)
        acted = [layers[i].attn.processor for i in blocks]
        # [step, block, branch, head, ..]; masses of the last block alone, where all that was done has come together
        vectors[f"{name}/sets"] = torch.stack([torch.stack(p.sets) for p in acted], dim=1).contiguous()
        vectors[f"{name}/masses"] = torch.stack(acted[-1].masses).contiguous()
        vectors[f"{name}/latents"] = latents.contiguous()
        Image.fromarray(image.numpy()).save(OUT / f"paper-{name}.png", optimize=True)
        cases.append({"name": name, "prompt": prompt, "seed": str(seed), "scope": scope, "k": k, "blocks": blocks,
                      "steps": STEPS, "guidance": use["guidance"], "width": use["width"], "height": use["height"],
                      "tokens": use["max_sequence_length"]})
    save_file(vectors, OUT / "paper.safetensors")
    (OUT / "paper.safetensors").chmod(0o644)
    (OUT / "paper.json").write_text(json.dumps({"files": model_files(), "cases": cases}, indent=1) + "\n")


if __name__ == "__main__":
    main()
