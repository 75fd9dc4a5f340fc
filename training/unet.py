"""Stage 8: the denoiser of shapes-sdxl, SDXL's U-Net on the same world, latents and captions.

    python unet.py --minutes 120
    python unet.py --minutes 120 --init-from ../models/shapes-sdxl
    python unet.py --export ../models/shapes-sdxl

Everything but the network is that of shapes-sd3: its scenes, its autoencoder, its two CLIP text
encoders (run restore.py, scenes.py, vae.py --encode and denoiser.py --stage captions first).
As in SDXL the finest level has no attention; below it 64 image tokens, as many as shapes-sd3 has, attend
to one another and to 32 text tokens. It predicts noise, as SDXL base does, on the scaled-linear schedule; the loss is weighted
by min(SNR, 5) / SNR (Hang et al. 2023).
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTextModelWithProjection

import denoiser
import text
import vae
from common import (Average, Clock, Log, autocast, common_arguments, load_checkpoint, prepare,
                    save_checkpoint, warm_then_cosine)
from export import replace_folder
from text import CLIP_WIDTH
from tokens import CLIP_TOKENS
from world import SIZE

TIME_WIDTH = 32
CONFIG = dict(
    sample_size=16, in_channels=vae.CONFIG["latent_channels"], out_channels=vae.CONFIG["latent_channels"],
    down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
    block_out_channels=(64, 128), layers_per_block=1, transformer_layers_per_block=(1, 2),
    attention_head_dim=(2, 4), cross_attention_dim=2 * CLIP_WIDTH, use_linear_projection=True,
    addition_embed_type="text_time", addition_time_embed_dim=TIME_WIDTH,
    projection_class_embeddings_input_dim=6 * TIME_WIDTH + CLIP_WIDTH, norm_num_groups=32,
)
SCHEDULE = dict(num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
                prediction_type="epsilon", timestep_spacing="leading", steps_offset=1, use_karras_sigmas=False)
SNR_LIMIT, DECAY, SAVE_SECONDS = 5.0, 0.999, 180
BATCH, RATE, STREAM = 48, 1e-3, 30
# What follows the easy mix of the first steps: as shapes-sd3 ends with, or more of what is learnt last.
MIXES = {"even": denoiser.EVEN,
         "counts": denoiser.COUNTS,
         "places": {"single_object": 0.04, "colors": 0.08, "counting": 0.12,
                    "two_object": 0.12, "position": 0.36, "color_attr": 0.28}}
USE = {"steps": 28, "guidance": 4.0, "width": SIZE, "height": SIZE, "max_sequence_length": CLIP_TOKENS}


def signal_shares() -> torch.Tensor:
    """alphas_cumprod of the schedule, [1000]."""
    return EulerDiscreteScheduler(**SCHEDULE).alphas_cumprod.float()


class Data(denoiser.Data):
    """SDXL's pipeline knows no shift of latents, and pools the second encoder alone."""

    def __init__(self, root: Path, shards: int, device: str):
        super().__init__(root, shards, True, device)
        self.scale = 1.0 / float(self.latents.float().std())

    def batch(self, rng, mix, size):
        _, states, pooled = denoiser.Data.batch(self, rng, mix, size, CLIP_TOKENS, 0)
        return _ + self.shift * self.scale, states[:, :, :2 * CLIP_WIDTH], pooled[:, CLIP_WIDTH:]


def time_ids(n: int, device: str) -> torch.Tensor:
    """Original size, crop and target size: always the whole picture."""
    return torch.tensor([[SIZE, SIZE, 0, 0, SIZE, SIZE]], dtype=torch.float32, device=device).repeat(n, 1)


def noise_loss(model, shares, rng, x, states, pooled) -> torch.Tensor:
    t = torch.from_numpy(rng.integers(len(shares), size=len(x))).to(x.device)
    a = shares[t]
    noise = torch.from_numpy(rng.standard_normal(x.shape, dtype=np.float32)).to(x.device)
    noisy = a.sqrt()[:, None, None, None] * x + (1 - a).sqrt()[:, None, None, None] * noise
    found = model(noisy, t, encoder_hidden_states=states, return_dict=False,
                  added_cond_kwargs={"text_embeds": pooled, "time_ids": time_ids(len(x), x.device)})[0]
    snr = a / (1 - a)
    weight = torch.clamp(snr, max=SNR_LIMIT) / snr
    return (weight * F.mse_loss(found.float(), noise, reduction="none").mean((1, 2, 3))).mean()


def checkpoint_path(root: Path) -> Path:
    return root / "unet.pt"


def train(args) -> None:
    torch.manual_seed(args.seed)
    model = UNet2DConditionModel(**CONFIG)
    state = load_checkpoint(checkpoint_path(args.root), args.device)
    if args.init_from and not state:
        model.load_state_dict(UNet2DConditionModel.from_pretrained(
            args.init_from, subfolder="unet", torch_dtype=torch.float32).state_dict())
    model.to(args.device)
    optimiser = torch.optim.AdamW(model.parameters(), lr=RATE, betas=(0.9, 0.99), weight_decay=0.01, fused=True)
    average, step, samples, clock = Average(model, DECAY), 0, 0, Clock(args.minutes)
    if state:
        model.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        average.values, step, samples = state["average"], state["step"], state["samples"]
        clock = Clock(args.minutes, state["seconds"])
    data, shares = Data(args.root, args.shards, args.device), signal_shares().to(args.device)
    compiled = torch.compile(model) if args.device == "cuda" else model  # on a CPU slower, by a fifth
    log = Log(args.root / "unet.csv", ["loss", "rate"], step)

    def save():
        save_checkpoint(checkpoint_path(args.root), dict(
            model=model.state_dict(), average=average.values, optimiser=optimiser.state_dict(), step=step,
            samples=samples, seconds=clock.seconds(), scale=data.scale))

    saved, losses = time.monotonic(), []
    while clock.share() < 1.0 and step != args.steps:
        rng = np.random.default_rng((args.seed, STREAM, step))
        mix = denoiser.mix_at(step, (denoiser.EASY, MIXES[args.mix]), args.ramp)
        x, states, pooled = data.batch(rng, mix, BATCH)
        rate = RATE * warm_then_cosine(step, clock.share(), 200, 0.6, 0.05)
        for group in optimiser.param_groups:
            group["lr"] = rate
        with autocast(args.device):
            loss = noise_loss(compiled, shares, rng, x, states, pooled)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
        step, samples = step + 1, samples + len(x)
        average.update(model, step)
        losses.append(loss.item())
        if step <= 200 or step % 50 == 0:
            log.add(step=step, samples=samples, seconds=clock.seconds(), loss=float(np.mean(losses)), rate=rate)
            losses = []
        if time.monotonic() - saved > SAVE_SECONDS:
            save()
            saved = time.monotonic()
    save()


def pipeline(root: Path) -> StableDiffusionXLPipeline:
    state = load_checkpoint(checkpoint_path(root), "cpu")
    model = UNet2DConditionModel(**CONFIG)
    model.load_state_dict(state["model"])
    average = Average(model, 0.0)
    average.values = state["average"]
    average.copy_to(model)
    encoders = text.load_encoders(root, "cpu")
    plain = CLIPTextModel(encoders.clip.config)
    plain.load_state_dict({k: v for k, v in encoders.clip.state_dict().items() if k != "text_projection.weight"})
    autoencoder = vae.load_average(root, "cpu")
    autoencoder.register_to_config(scaling_factor=state["scale"], shift_factor=None, force_upcast=False)
    second: CLIPTextModelWithProjection = encoders.clip2
    return StableDiffusionXLPipeline(
        vae=autoencoder, text_encoder=plain, text_encoder_2=second, tokenizer=encoders.tokenizers[0],
        tokenizer_2=encoders.tokenizers[1], unet=model.eval(), scheduler=EulerDiscreteScheduler(**SCHEDULE),
        force_zeros_for_empty_prompt=False, add_watermarker=False)


def export(args) -> None:
    def write(folder: Path) -> None:
        pipeline(args.root).to(torch.float16).save_pretrained(folder)
        (folder / "sinkscope.json").write_text(json.dumps(USE, indent=2) + "\n")
    replace_folder(args.export, write)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    common_arguments(parser, minutes=120)
    parser.add_argument("--shards", type=int, default=8)
    parser.add_argument("--ramp", type=int, default=1500, help="steps from single objects to the final mix")
    parser.add_argument("--mix", choices=MIXES, default="even", help="tags of the captions after the ramp")
    parser.add_argument("--init-from", type=Path, help="without a checkpoint, start from an exported folder's weights")
    parser.add_argument("--export", type=Path, help="write the diffusers folder instead")
    args = parser.parse_args()
    prepare(args)
    export(args) if args.export else train(args)


if __name__ == "__main__":
    main()
