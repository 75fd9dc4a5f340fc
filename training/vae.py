"""Stage 2: the autoencoder, and the latents of every shard.

    python vae.py --minutes 12
    python vae.py --encode

Checkpoints every two minutes; a run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL

from common import (Average, Clock, Log, autocast, common_arguments, load_checkpoint, prepare,
                    save_checkpoint, save_json, warm_then_cosine, write_atomic)
from scenes import load_pictures, shard_folder

CONFIG = dict(
    in_channels=3, out_channels=3, latent_channels=8, sample_size=128,
    down_block_types=["DownEncoderBlock2D"] * 4, up_block_types=["UpDecoderBlock2D"] * 4,
    block_out_channels=[16, 32, 64, 64], layers_per_block=1, norm_num_groups=8,
    use_quant_conv=False, use_post_quant_conv=False,
)
BATCH = 8
RATE = 1.5e-3
KL_WEIGHT = 1e-3
SQUARE_WEIGHT = 2.0
SAVE_SECONDS = 120


def to_float(pictures: np.ndarray, device: str) -> torch.Tensor:
    """uint8 [n, h, w, 3] to float [n, 3, h, w] in [-1, 1]."""
    x = torch.from_numpy(np.ascontiguousarray(pictures)).to(device)
    return x.permute(0, 3, 1, 2).float() / 127.5 - 1.0


def loss_of(vae: AutoencoderKL, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    posterior = vae.encode(x).latent_dist
    mean, logvar = posterior.mean.float(), posterior.logvar.float()
    z = mean + torch.exp(0.5 * logvar) * torch.randn_like(mean)
    y = vae.decode(z).sample.float()
    square = F.mse_loss(y, x)
    kl = 0.5 * (mean.square() + logvar.exp() - 1.0 - logvar).mean()
    return F.l1_loss(y, x) + SQUARE_WEIGHT * square + KL_WEIGHT * kl, square


@torch.no_grad()
def psnr_of(vae: AutoencoderKL, pictures: np.ndarray, device: str) -> float:
    """Mean over pictures of the PSNR of 8-bit reconstructions from latent means."""
    figures = []
    for i in range(0, len(pictures), 32):
        x = to_float(pictures[i:i + 32], device)
        y = vae.decode(vae.encode(x).latent_dist.mean).sample
        a, b = [torch.round((t.clamp(-1, 1) + 1) * 127.5) for t in (x, y)]
        mse = (a - b).square().mean(dim=(1, 2, 3))
        figures.append(10 * torch.log10(255.0 ** 2 / mse))
    return float(torch.cat(figures).mean())


def train(args) -> None:
    vae = AutoencoderKL(**CONFIG).to(args.device)
    optimiser = torch.optim.AdamW(vae.parameters(), lr=RATE, betas=(0.9, 0.99),
                                  weight_decay=1e-4, fused=True)
    average = Average(vae, 0.998)
    path = args.root / "vae.pt"
    step, clock = 0, Clock(args.minutes)
    state = load_checkpoint(path, args.device)
    if state:
        vae.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        average.values, step = state["average"], state["step"]
        clock = Clock(args.minutes, state["seconds"])
    shards = [load_pictures(args.root, k) for k in range(args.shards)]
    log = Log(args.root / "vae.csv", ["loss", "psnr"], step)

    def save():
        save_checkpoint(path, dict(model=vae.state_dict(), optimiser=optimiser.state_dict(),
                                   average=average.values, step=step, seconds=clock.seconds()))

    saved = time.monotonic()
    while clock.share() < 1.0:
        rng = np.random.default_rng((args.seed, step))
        shard = shards[int(rng.integers(len(shards)))]
        rows = np.sort(rng.choice(len(shard), args.batch, replace=False))
        x = to_float(shard[rows], args.device)
        for group in optimiser.param_groups:
            group["lr"] = RATE * warm_then_cosine(step, clock.share(), 50, 0.3, 0.01)
        with autocast(args.device):
            loss, square = loss_of(vae, x)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
        step += 1
        average.update(vae, step)
        if step <= 200 or step % 20 == 0:
            log.add(step=step, samples=step * args.batch, seconds=clock.seconds(),
                    loss=float(loss), psnr=float(10 * torch.log10(4.0 / square)))
        if time.monotonic() - saved > SAVE_SECONDS:
            save()
            saved = time.monotonic()
    save()
    load_average(args.root, args.device, write=True)


def load_average(root: Path, device: str, write: bool = False) -> AutoencoderKL:
    """The averaged autoencoder; write also puts it, with its PSNR, under root/vae."""
    vae = AutoencoderKL(**CONFIG).to(device)
    state = load_checkpoint(root / "vae.pt", device)
    average = Average(vae, 0.0)
    average.values = state["average"]
    average.copy_to(vae)
    vae.eval()
    if write:
        psnr = psnr_of(vae, load_pictures(root, "held")[:512], device)
        print(f"held-out PSNR {psnr:.2f} dB after {state['step']} steps")
        save_json(root / "vae.json", {"psnr": psnr, "steps": state["step"],
                                      "seconds": state["seconds"]})
    return vae


@torch.no_grad()
def encode(args) -> None:
    """Latent means of every shard (float16), and the scaling that makes them unit normal."""
    vae = load_average(args.root, args.device)
    for k in ["held"] + list(range(args.shards)):
        target = shard_folder(args.root, k) / "latents.npy"
        if target.exists():
            continue
        pictures, out = load_pictures(args.root, k), []
        for i in range(0, len(pictures), 64):
            with autocast(args.device):
                dist = vae.encode(to_float(pictures[i:i + 64], args.device)).latent_dist
            out.append(dist.mean.float().cpu().numpy())
        latents = np.concatenate(out)
        if k == 0:
            shift, sd = float(latents.mean()), float(latents.std())
            save_json(args.root / "latents.json", {
                "shift_factor": shift, "scaling_factor": 1.0 / sd,
                "channel_mean": latents.mean((0, 2, 3)).tolist(),
                "channel_sd": latents.std((0, 2, 3)).tolist()})

        def write(path, latents=latents):
            with open(path, "wb") as f:
                np.save(f, latents.astype(np.float16))
        write_atomic(target, write)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    common_arguments(parser, minutes=12)
    parser.add_argument("--shards", type=int, default=2)
    parser.add_argument("--batch", type=int, default=BATCH)
    parser.add_argument("--encode", action="store_true")
    args = parser.parse_args()
    prepare(args)
    encode(args) if args.encode else train(args)


if __name__ == "__main__":
    main()
