"""Stage 5: the denoiser, a rectified flow in SD3's transformer.

    python denoiser.py --stage layout --minutes 60
    python denoiser.py --stage full --minutes 45

'layout' sees the first 16 tokens of each encoder and goes from single objects to
every tag; 'full' sees all 96 text tokens with their padding and lets the rate
fall to zero. Captions are encoded once (--stage captions does only that).
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import SD3Transformer2DModel

from common import (Average, Clock, Log, autocast, common_arguments, load_checkpoint, prepare,
                    save_checkpoint, warm_then_cosine, write_atomic)
from scenes import load_captions, shard_folder
from text import CLIP_WIDTH, T5_WIDTH, load_encoders
from tokens import CLIP_TOKENS, T5_TOKENS
from world import in_reading_order
from vae import CONFIG as VAE_CONFIG

HEADS, HEAD_WIDTH, BLOCKS = 6, 32, 6
CONFIG = dict(
    sample_size=16, patch_size=2, in_channels=VAE_CONFIG["latent_channels"],
    out_channels=VAE_CONFIG["latent_channels"], num_layers=BLOCKS,
    attention_head_dim=HEAD_WIDTH, num_attention_heads=HEADS,
    caption_projection_dim=HEADS * HEAD_WIDTH, joint_attention_dim=T5_WIDTH,
    pooled_projection_dim=2 * CLIP_WIDTH, pos_embed_max_size=16, qk_norm=None,
)
SHIFT = 3.0             # the scheduler's
DROPOUT = 0.1           # captions replaced by the empty one
DECAY = 0.999
EASY = {"single_object": 0.25, "colors": 0.45, "counting": 0.10,
        "two_object": 0.05, "position": 0.05, "color_attr": 0.10}
HARD = {"single_object": 0.06, "colors": 0.14, "counting": 0.20,
        "two_object": 0.12, "position": 0.22, "color_attr": 0.26}
RELATED = {"single_object": 0.06, "colors": 0.12, "counting": 0.16,
           "two_object": 0.14, "position": 0.27, "color_attr": 0.25}
PAIRS = {"single_object": 0.05, "colors": 0.10, "counting": 0.12,
         "two_object": 0.30, "position": 0.15, "color_attr": 0.28}
SHAPES = {"single_object": 0.03, "colors": 0.05, "counting": 0.14,
          "two_object": 0.46, "position": 0.10, "color_attr": 0.22}
EVEN = {"single_object": 0.07, "colors": 0.11, "counting": 0.22,
        "two_object": 0.21, "position": 0.13, "color_attr": 0.26}
COUNTS = {"single_object": 0.06, "colors": 0.08, "counting": 0.50,
          "two_object": 0.12, "position": 0.08, "color_attr": 0.16}
# A stage: its stream of batches, the text tokens kept of CLIP and T5, the mix of tags at its beginning
# and after `ramp` steps, the rate and its fall; `ordered`: 'A and B' names A and B in reading order.
STAGES = {
    "layout": dict(stream=6, clip=16, t5=16, mixes=(EASY, HARD), ramp=1500, rate=1.5e-3, batch=48,
                   hold=0.6, floor=0.4),
    "full": dict(stream=4, clip=CLIP_TOKENS, t5=T5_TOKENS, mixes=(HARD, HARD), ramp=0, rate=6e-4,
                 batch=48, hold=0.2, floor=0.0),
    "layout-2": dict(stream=8, clip=16, t5=16, mixes=(RELATED, RELATED), ramp=0, rate=1.2e-3,
                     batch=48, hold=0.8, floor=0.6),
    "full-2": dict(stream=9, clip=CLIP_TOKENS, t5=T5_TOKENS, mixes=(RELATED, RELATED), ramp=0,
                   rate=8e-4, batch=48, hold=0.1, floor=0.0),
    "layout-3": dict(stream=10, clip=16, t5=16, mixes=(PAIRS, PAIRS), ramp=0, rate=1e-3,
                     batch=48, hold=0.8, floor=0.6),
    "full-3": dict(stream=11, clip=CLIP_TOKENS, t5=T5_TOKENS, mixes=(PAIRS, PAIRS), ramp=0,
                   rate=7e-4, batch=48, hold=0.1, floor=0.0),
    "layout-4": dict(stream=12, clip=16, t5=16, mixes=(SHAPES, SHAPES), ramp=0, rate=1e-3,
                     batch=48, hold=0.8, floor=0.6),
    "full-4": dict(stream=13, clip=CLIP_TOKENS, t5=T5_TOKENS, mixes=(SHAPES, SHAPES), ramp=0,
                   rate=6e-4, batch=48, hold=0.1, floor=0.0),
    "layout-5": dict(stream=14, clip=16, t5=16, mixes=(EVEN, EVEN), ramp=0, rate=1e-3,
                     batch=48, hold=0.8, floor=0.6, ordered=True),
    "full-5": dict(stream=15, clip=CLIP_TOKENS, t5=T5_TOKENS, mixes=(EVEN, EVEN), ramp=0,
                   rate=7e-4, batch=48, hold=0.1, floor=0.0, ordered=True),
    "full-6": dict(stream=16, clip=CLIP_TOKENS, t5=T5_TOKENS, mixes=(COUNTS, COUNTS), ramp=0,
                   rate=5e-4, batch=48, hold=0.1, floor=0.0, ordered=True),
}
SAVE_SECONDS = 240


# ---------------------------------------------------------------- model

class MatrixAttention:
    """JointAttnProcessor2_0 written as two matrix products: on a CPU with bfloat16
    matrix units several times faster than the fused kernel's backward pass."""

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None):
        batch, images = hidden_states.shape[:2]

        def joint(own, added):
            x = torch.cat([own(hidden_states), added(encoder_hidden_states)], dim=1)
            return x.view(batch, x.shape[1], attn.heads, -1).transpose(1, 2)

        q = joint(attn.to_q, attn.add_q_proj)
        k = joint(attn.to_k, attn.add_k_proj)
        v = joint(attn.to_v, attn.add_v_proj)
        scores = torch.matmul(q * q.shape[-1] ** -0.5, k.transpose(-1, -2))
        weights = torch.softmax(scores, dim=-1, dtype=torch.float32).to(v.dtype)
        out = torch.matmul(weights, v).transpose(1, 2).flatten(2)
        image, text = out[:, :images], out[:, images:]
        image = attn.to_out[0](image)
        return image, text if attn.context_pre_only else attn.to_add_out(text)


def make_model() -> SD3Transformer2DModel:
    """Fresh weights: every block begins as the identity and the output as zero."""
    model = SD3Transformer2DModel(**CONFIG)
    for name, parameter in model.named_parameters():
        if ".norm1.linear" in name or ".norm1_context.linear" in name \
                or name.startswith(("norm_out.linear", "proj_out")):
            torch.nn.init.zeros_(parameter)
        elif parameter.dim() == 2:
            torch.nn.init.xavier_uniform_(parameter)
        elif name.endswith("bias"):
            torch.nn.init.zeros_(parameter)
    return model


# ---------------------------------------------------------------- data

def captions_of(root: Path, shard: int, ordered: bool) -> list[str]:
    file = load_captions(root, shard)
    if not ordered:
        return file["captions"]
    return [in_reading_order(c, o) for c, o in zip(file["captions"], file["objects"])]


@torch.no_grad()
def encode_captions(root: Path, shards: int, device: str) -> None:
    """States of every distinct caption, float16; caption 0 is the empty one."""
    folder = root / "captions"
    if (folder / "index.json").exists():
        return
    texts = {"": 0}
    for k in range(shards):
        for ordered in (False, True):
            for caption in captions_of(root, k, ordered):
                texts.setdefault(caption, len(texts))
    encoders, texts = load_encoders(root, device), list(texts)
    states = np.empty((len(texts), CLIP_TOKENS + T5_TOKENS, T5_WIDTH), dtype=np.float16)
    pooled = np.empty((len(texts), 2 * CLIP_WIDTH), dtype=np.float16)
    for i in range(0, len(texts), 256):
        s, p = encoders(texts[i:i + 256])
        states[i:i + 256], pooled[i:i + 256] = s.cpu().numpy(), p.cpu().numpy()

    def save(name, array):
        def write(path):
            with open(path, "wb") as f:
                np.save(f, array)
        write_atomic(folder / name, write)
    save("states.npy", states)
    save("pooled.npy", pooled)
    write_atomic(folder / "index.json",
                 lambda p: p.write_text(json.dumps({t: i for i, t in enumerate(texts)})))


class Data:
    """Latents, captions and the rows of each tag, over all shards."""

    def __init__(self, root: Path, shards: int, ordered: bool, device: str):
        scale = json.loads((root / "latents.json").read_text())
        index = json.loads((root / "captions" / "index.json").read_text())
        self.shift, self.scale = scale["shift_factor"], scale["scaling_factor"]
        self.latents = torch.from_numpy(np.concatenate(
            [np.load(shard_folder(root, k) / "latents.npy") for k in range(shards)])).to(device)
        self.caption = np.array([index[c] for k in range(shards) for c in captions_of(root, k, ordered)])
        tags = np.array([t for k in range(shards) for t in load_captions(root, k)["tags"]])
        self.rows = {t: np.flatnonzero(tags == t) for t in HARD}
        self.states = torch.from_numpy(np.load(root / "captions" / "states.npy")).to(device)
        self.pooled = torch.from_numpy(np.load(root / "captions" / "pooled.npy")).to(device)

    def batch(self, rng: np.random.Generator, mix: dict[str, float], size: int,
              clip: int, t5: int):
        tags = rng.choice(list(mix), size=size, p=np.array(list(mix.values())))
        rows = np.array([self.rows[t][rng.integers(len(self.rows[t]))] for t in tags])
        captions = np.where(rng.random(size) < DROPOUT, 0, self.caption[rows])
        x = (self.latents[rows].float() - self.shift) * self.scale
        states = self.states[captions]
        states = torch.cat([states[:, :clip], states[:, CLIP_TOKENS:CLIP_TOKENS + t5]], dim=1)
        return x, states.float(), self.pooled[captions].float()


def mix_at(step: int, mixes: tuple, ramp: int) -> dict[str, float]:
    t = min(step / ramp, 1.0) if ramp else 1.0
    return {k: (1 - t) * mixes[0][k] + t * mixes[1][k] for k in HARD}


def noise_levels(rng: np.random.Generator, size: int, device: str) -> torch.Tensor:
    """Logit-normal(0, 1), then the scheduler's shift."""
    s = 1.0 / (1.0 + np.exp(-rng.standard_normal(size)))
    s = SHIFT * s / (1.0 + (SHIFT - 1.0) * s)
    return torch.tensor(s, dtype=torch.float32, device=device)


def flow_loss(model, x, states, pooled, sigma, noise) -> torch.Tensor:
    s = sigma[:, None, None, None]
    velocity = model(hidden_states=(1 - s) * x + s * noise, encoder_hidden_states=states,
                     pooled_projections=pooled, timestep=1000.0 * sigma,
                     return_dict=False)[0]
    return F.mse_loss(velocity.float(), noise - x)


# ---------------------------------------------------------------- training

class Run:
    """Model, optimiser, average and clock of one stage, and their checkpoint."""

    def __init__(self, args):
        self.args, self.plan = args, dict(STAGES[args.stage])
        self.plan.update({k: v for k, v in (("batch", args.batch), ("rate", args.rate)) if v})
        torch.manual_seed(args.seed)
        self.model = make_model()
        state = load_checkpoint(checkpoint_path(args.root), args.device)
        if args.init_from and not state:
            weights = SD3Transformer2DModel.from_pretrained(args.init_from,
                                                            subfolder="transformer",
                                                            torch_dtype=torch.float32)
            self.model.load_state_dict(weights.state_dict())
        self.model.to(args.device)
        self.optimiser = torch.optim.AdamW(self.model.parameters(), lr=self.plan["rate"],
                                           betas=(0.9, 0.99), weight_decay=0.01, fused=True)
        self.average = Average(self.model, DECAY)
        self.step = self.samples = 0
        self.clock = Clock(args.minutes)
        if state:
            self.restore(state)

    def restore(self, state: dict) -> None:
        self.model.load_state_dict(state["model"])
        self.average.values = state["average"]
        self.optimiser.load_state_dict(state["optimiser"])
        self.samples = state["samples"]
        if state["stage"] == self.args.stage:
            self.step = state["step"]
            self.clock = Clock(self.args.minutes, state["seconds"])

    def save(self) -> None:
        save_checkpoint(checkpoint_path(self.args.root), dict(
            model=self.model.state_dict(), average=self.average.values,
            optimiser=self.optimiser.state_dict(), stage=self.args.stage, step=self.step,
            samples=self.samples, seconds=self.clock.seconds()))


def checkpoint_path(root: Path) -> Path:
    return root / "denoiser.pt"


def load_average(root: Path, other: Path | None = None) -> SD3Transformer2DModel:
    """The averaged weights of the last checkpoint; with another one, the mean of both."""
    model = SD3Transformer2DModel(**CONFIG)
    states = [load_checkpoint(path) for path in (checkpoint_path(root), other) if path]
    model.load_state_dict(states[0]["model"])
    average = Average(model, 0.0)
    average.values = [torch.stack(v).mean(0) for v in zip(*(s["average"] for s in states))]
    average.copy_to(model)
    return model.eval()


def train(args) -> None:
    run = Run(args)
    plan = run.plan
    data = Data(args.root, args.shards, plan.get("ordered", False), args.device)
    model = run.model
    if args.device == "cpu":
        model.set_attn_processor(MatrixAttention())
    compiled = torch.compile(model)
    log = Log(args.root / f"denoiser-{args.stage}.csv", ["loss", "rate"], run.step)
    saved, losses = time.monotonic(), []
    while run.clock.share() < 1.0 and run.step != args.steps:
        rng = np.random.default_rng((args.seed, plan["stream"], run.step))
        mix = mix_at(run.step, plan["mixes"], plan["ramp"])
        x, states, pooled = data.batch(rng, mix, plan["batch"], plan["clip"], plan["t5"])
        sigma = noise_levels(rng, len(x), args.device)
        noise = torch.from_numpy(rng.standard_normal(x.shape, dtype=np.float32)).to(args.device)
        rate = plan["rate"] * warm_then_cosine(run.step, run.clock.share(), 200,
                                               plan["hold"], plan["floor"])
        for group in run.optimiser.param_groups:
            group["lr"] = rate
        with autocast(args.device):
            loss = flow_loss(compiled, x, states, pooled, sigma, noise)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        run.optimiser.step()
        run.optimiser.zero_grad()
        run.step += 1
        run.samples += len(x)
        run.average.update(model, run.samples // plan["batch"])
        losses.append(loss.detach())
        if run.step <= 200 or run.step % 50 == 0:
            log.add(step=run.step, samples=run.samples, seconds=run.clock.seconds(),
                    loss=float(torch.stack(losses).mean()), rate=rate)
            losses = []
        if time.monotonic() - saved > SAVE_SECONDS:
            run.save()
            saved = time.monotonic()
    run.save()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    common_arguments(parser, minutes=60)
    parser.add_argument("--stage", choices=["captions", *STAGES], required=True)
    parser.add_argument("--shards", type=int, default=8)
    parser.add_argument("--batch", type=int, help="in place of the stage's")
    parser.add_argument("--rate", type=float, help="in place of the stage's")
    parser.add_argument("--init-from", type=Path,
                        help="without a checkpoint, start from an exported folder's weights")
    args = parser.parse_args()
    prepare(args)
    encode_captions(args.root, args.shards, args.device)
    if args.stage != "captions":
        train(args)


if __name__ == "__main__":
    main()
