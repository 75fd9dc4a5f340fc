"""Stage 2: the autoencoder, and the latents of every shard.

    python vae.py --minutes 12
    python vae.py --encode
    python vae.py --decoder --minutes 25

The last trains the decoder further while the latents, and with them the denoiser's
world, stay as they are. Checkpoints every two minutes; a run that was stopped goes
on where it was.
"""

from __future__ import annotations

import argparse
import math
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
DECODER_RATE = 1e-3
DECODER_NOISE = 0.15    # largest sd of the noise on the latents it learns from
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


class Stage:
    """What both trainings share: optimiser, average, clock, log and checkpoint."""

    def __init__(self, args, module, name: str, rate: float, hold: float):
        self.module, self.rate, self.hold = module, rate, hold
        self.path = args.root / f"{name}.pt"
        self.optimiser = torch.optim.AdamW(module.parameters(), lr=rate, betas=(0.9, 0.99),
                                           weight_decay=1e-4, fused=True)
        self.average, self.step, self.clock = Average(module, 0.998), 0, Clock(args.minutes)
        state = load_checkpoint(self.path, args.device)
        if state:
            module.load_state_dict(state["model"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.average.values, self.step = state["average"], state["step"]
            self.clock = Clock(args.minutes, state["seconds"])
        self.log = Log(args.root / f"{name}.csv", ["loss", "psnr"], self.step)
        self.batch, self.saved = args.batch, time.monotonic()

    def save(self) -> None:
        save_checkpoint(self.path, dict(
            model=self.module.state_dict(), optimiser=self.optimiser.state_dict(),
            average=self.average.values, step=self.step, seconds=self.clock.seconds()))

    def advance(self, loss: torch.Tensor, square: torch.Tensor) -> None:
        factor = warm_then_cosine(self.step, self.clock.share(), 50, self.hold, 0.01)
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate * factor
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.module.parameters(), 1.0)
        self.optimiser.step()
        self.optimiser.zero_grad()
        self.step += 1
        self.average.update(self.module, self.step)
        if self.step <= 200 or self.step % 20 == 0:
            self.log.add(step=self.step, samples=self.step * self.batch,
                         seconds=self.clock.seconds(), loss=loss.item(),
                         psnr=10 * math.log10(4.0 / square.item()))
        if time.monotonic() - self.saved > SAVE_SECONDS:
            self.save()
            self.saved = time.monotonic()


def train(args) -> None:
    vae = AutoencoderKL(**CONFIG).to(args.device)
    stage = Stage(args, vae, "vae", RATE, 0.3)
    shards = [load_pictures(args.root, k) for k in range(args.shards)]
    while stage.clock.share() < 1.0 and stage.step != args.steps:
        rng = np.random.default_rng((args.seed, stage.step))
        shard = shards[int(rng.integers(len(shards)))]
        rows = np.sort(rng.choice(len(shard), args.batch, replace=False))
        with autocast(args.device):
            loss, square = loss_of(vae, to_float(shard[rows], args.device))
        stage.advance(loss, square.detach())
    stage.save()
    report(args, stage)


def train_decoder(args) -> None:
    """The decoder alone, on the written latents with some noise."""
    vae = load_average(args.root, args.device)
    stage = Stage(args, vae.decoder.train(), "decoder", DECODER_RATE, 0.1)
    pictures = [load_pictures(args.root, k) for k in range(args.shards)]
    latents = [np.load(shard_folder(args.root, k) / "latents.npy", mmap_mode="r")
               for k in range(args.shards)]
    while stage.clock.share() < 1.0 and stage.step != args.steps:
        rng = np.random.default_rng((args.seed, 1, stage.step))
        k = int(rng.integers(args.shards))
        rows = np.sort(rng.choice(len(pictures[k]), args.batch, replace=False))
        z = latents[k][rows].astype(np.float32)
        z += rng.uniform(0, DECODER_NOISE, (len(z), 1, 1, 1)) * rng.standard_normal(z.shape)
        x = to_float(pictures[k][rows], args.device)
        with autocast(args.device):
            y = vae.decode(torch.from_numpy(z.astype(np.float32)).to(args.device)).sample.float()
        square = F.mse_loss(y, x)
        stage.advance(F.l1_loss(y, x) + SQUARE_WEIGHT * square, square.detach())
    stage.save()
    report(args, stage)


def report(args, stage: Stage) -> None:
    psnr = psnr_of(load_average(args.root, args.device),
                   load_pictures(args.root, "held")[:512], args.device)
    print(f"held-out PSNR {psnr:.2f} dB after {stage.step} steps")
    save_json(stage.path.with_suffix(".json"), {"psnr": psnr, "steps": stage.step,
                                                "seconds": stage.clock.seconds()})


def load_average(root: Path, device: str) -> AutoencoderKL:
    """The averaged autoencoder, with the averaged further trained decoder if there is one."""
    vae = AutoencoderKL(**CONFIG).to(device)
    for module, name in ((vae, "vae"), (vae.decoder, "decoder")):
        state = load_checkpoint(root / f"{name}.pt", device)
        if state:
            average = Average(module, 0.0)
            average.values = state["average"]
            average.copy_to(module)
    return vae.eval()


@torch.no_grad()
def encode(args) -> None:
    """Latent means of every shard (float16), and the scaling that makes them unit normal."""
    vae = load_average(args.root, args.device)
    for k in list(range(args.part, args.shards, args.parts)) + ["held"]:
        target = shard_folder(args.root, k) / "latents.npy"
        if target.exists():
            continue
        pictures, out = load_pictures(args.root, k), []
        for i in range(0, len(pictures), 64):
            with autocast(args.device):
                dist = vae.encode(to_float(pictures[i:i + 64], args.device)).latent_dist
            out.append(dist.mean.float().cpu().numpy())
        latents = np.concatenate(out)
        if k == 0 and not (args.root / "latents.json").exists():
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
    parser.add_argument("--encode", action="store_true", help="write the latents")
    parser.add_argument("--decoder", action="store_true", help="train the decoder further")
    parser.add_argument("--part", type=int, default=0, help="with --parts: every n-th shard")
    parser.add_argument("--parts", type=int, default=1)
    args = parser.parse_args()
    prepare(args)
    (encode if args.encode else train_decoder if args.decoder else train)(args)


if __name__ == "__main__":
    main()
