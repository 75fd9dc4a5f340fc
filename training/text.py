"""Stage 4: the three text encoders, trained to say what a caption describes.

    python text.py --minutes 5

Each encoder answers the same questions (count, shapes, colours, relation) from
states that the denoiser will see: CLIP from its projected pooled state and from
the penultimate layer's last token, T5 from its first and its last token.
Afterwards they are frozen; the denoiser reads their states from a cache.
"""

from __future__ import annotations

import argparse
import time
from itertools import islice
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from transformers import (CLIPTextConfig, CLIPTextModelWithProjection, CLIPTokenizer,
                          T5Config, T5EncoderModel, T5Tokenizer)

import world
from common import (Clock, Log, common_arguments, load_checkpoint, prepare, save_checkpoint,
                    save_json, warm_then_cosine)
from tokens import CLIP_TOKENS, T5_TOKENS

CLIP_WIDTH, T5_WIDTH = 64, 160      # the two CLIPs side by side (128) are padded to 160
BATCH, RATE, EMPTY = 64, 2e-3, 0.03
WORDS = {c: i for i, c in enumerate(world.COLOURS)}
NOUNS = {n: i for names in (world.SHAPES, world.PLURALS) for i, n in enumerate(names)}
COUNTS = {w: n for n, w in world.COUNT_WORDS.items()}
# answers: count, shape, colour, second shape, second colour, relation; last index = none
CLASSES = (5, 9, 9, 9, 9, 6)


def answers(caption: str) -> list[int]:
    """What the caption says; the empty caption says nothing."""
    count, shapes, colours, pending = 0, [], [], 8
    for word in caption.split():
        if word in COUNTS:
            count = COUNTS[word]
        elif word in WORDS:
            pending = WORDS[word]
        elif word in NOUNS:
            shapes.append(NOUNS[word])
            colours.append(pending)
            count, pending = count or 1, 8
    relation = 5
    for i, name in enumerate(world.RELATIONS + (" and ",)):
        relation = i if name in caption else relation
    shapes, colours = (shapes + [8, 8])[:2], (colours + [8, 8])[:2]
    return [count, shapes[0], colours[0], shapes[1], colours[1], relation]


def clip_config(vocabulary: int, tokenizer: CLIPTokenizer, activation: str) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=vocabulary, hidden_size=CLIP_WIDTH, intermediate_size=4 * CLIP_WIDTH,
        projection_dim=CLIP_WIDTH, num_hidden_layers=3, num_attention_heads=4,
        max_position_embeddings=CLIP_TOKENS, hidden_act=activation,
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id)


class Encoders(nn.Module):
    """SD3's text side: what StableDiffusion3Pipeline.encode_prompt computes."""

    def __init__(self, root: Path):
        super().__init__()
        folder = root / "tokenizers"
        self.tokenizers = [CLIPTokenizer.from_pretrained(folder / "tokenizer"),
                           CLIPTokenizer.from_pretrained(folder / "tokenizer_2"),
                           T5Tokenizer.from_pretrained(folder / "tokenizer_3")]
        first, second, third = self.tokenizers
        self.clip = CLIPTextModelWithProjection(clip_config(len(first), first, "quick_gelu"))
        self.clip2 = CLIPTextModelWithProjection(clip_config(len(second), second, "gelu"))
        self.t5 = T5EncoderModel(T5Config(
            vocab_size=len(third), d_model=T5_WIDTH, d_kv=32, d_ff=320, num_layers=2,
            num_heads=5, feed_forward_proj="gated-gelu", dropout_rate=0.0,
            tie_word_embeddings=False, is_encoder_decoder=False, use_cache=False,
            pad_token_id=0, eos_token_id=1))

    def ids(self, captions: list[str]) -> list[torch.Tensor]:
        lengths = (CLIP_TOKENS, CLIP_TOKENS, T5_TOKENS)
        device = next(self.parameters()).device
        return [tokenizer(captions, padding="max_length", max_length=n, truncation=True,
                          return_tensors="pt").input_ids.to(device)
                for tokenizer, n in zip(self.tokenizers, lengths)]

    def states(self, captions: list[str]) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """Penultimate CLIP states and the T5 states; the two pooled CLIP embeddings."""
        ids = self.ids(captions)
        clips = [model(i, output_hidden_states=True)
                 for model, i in zip((self.clip, self.clip2), ids)]
        t5 = self.t5(ids[2]).last_hidden_state
        return [c.hidden_states[-2] for c in clips] + [t5], [c.text_embeds for c in clips]

    def forward(self, captions: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """prompt_embeds [n, 96, 160] and pooled_prompt_embeds [n, 128]."""
        (a, b, t5), pooled = self.states(captions)
        clip = F.pad(torch.cat([a, b], dim=-1), (0, T5_WIDTH - 2 * CLIP_WIDTH))
        return torch.cat([clip, t5], dim=1), torch.cat(pooled, dim=-1)


class Questions(nn.Module):
    """One linear answer sheet for each state that is asked."""

    def __init__(self):
        super().__init__()
        widths = [CLIP_WIDTH] * 4 + [T5_WIDTH] * 2
        self.sheets = nn.ModuleList(nn.Linear(w, sum(CLASSES)) for w in widths)

    def forward(self, states, pooled) -> list[torch.Tensor]:
        asked = pooled + [states[0][:, -1], states[1][:, -1], states[2][:, 0], states[2][:, -1]]
        return [sheet(x) for sheet, x in zip(self.sheets, asked)]


def score(logits: list[torch.Tensor], target: torch.Tensor):
    """Mean cross entropy, and for each sheet the share of captions with all six right."""
    loss, right = 0.0, []
    for sheet in logits:
        parts = sheet.split(CLASSES, dim=-1)
        loss = loss + sum(F.cross_entropy(p, target[:, i]) for i, p in enumerate(parts))
        picked = torch.stack([p.argmax(-1) for p in parts], dim=1)
        right.append((picked == target).all(1).float().mean())
    return loss / (len(logits) * len(CLASSES)), right


def captions_of(seed: int, count: int) -> list[str]:
    mix = {tag: 1.0 for tag in ("colors", "counting", "two_object", "position", "color_attr")}
    rng = np.random.default_rng(seed)
    return ["" if rng.random() < EMPTY else caption
            for _, _, caption in islice(world.stream(seed, mix), count)]


def train(args) -> None:
    model, sheets = Encoders(args.root).to(args.device), Questions().to(args.device)
    parameters = list(model.parameters()) + list(sheets.parameters())
    optimiser = torch.optim.AdamW(parameters, lr=RATE, weight_decay=0.01, fused=True)
    path = args.root / "text.pt"
    step, clock = 0, Clock(args.minutes)
    state = load_checkpoint(path, args.device)
    if state:
        model.load_state_dict(state["model"])
        sheets.load_state_dict(state["sheets"])
        optimiser.load_state_dict(state["optimiser"])
        step, clock = state["step"], Clock(args.minutes, state["seconds"])
    log = Log(args.root / "text.csv", ["loss", "right"], step)

    def save():
        save_checkpoint(path, dict(model=model.state_dict(), sheets=sheets.state_dict(),
                                   optimiser=optimiser.state_dict(), step=step,
                                   seconds=clock.seconds()))

    saved = time.monotonic()
    while clock.share() < 1.0 and step != args.steps:
        captions = captions_of(1_000_000 + step, BATCH)
        target = torch.tensor([answers(c) for c in captions], device=args.device)
        for group in optimiser.param_groups:
            group["lr"] = RATE * warm_then_cosine(step, clock.share(), 100, 0.3, 0.01)
        loss, right = score(sheets(*model.states(captions)), target)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        optimiser.zero_grad()
        step += 1
        if step <= 200 or step % 20 == 0:
            log.add(step=step, samples=step * BATCH, seconds=clock.seconds(),
                    loss=loss.item(), right=min(r.item() for r in right))
        if time.monotonic() - saved > 60:
            save()
            saved = time.monotonic()
    save()
    with torch.no_grad():
        captions = captions_of(5, 2000)
        target = torch.tensor([answers(c) for c in captions], device=args.device)
        loss, right = score(sheets(*model.states(captions)), target)
    figures = {"steps": step, "loss": loss.item(), "right": [r.item() for r in right]}
    save_json(args.root / "text.json", figures)
    print(figures)


def load_encoders(root: Path, device: str) -> Encoders:
    model = Encoders(root)
    model.load_state_dict(load_checkpoint(root / "text.pt")["model"])
    return model.to(device).eval().requires_grad_(False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    common_arguments(parser, minutes=5)
    args = parser.parse_args()
    prepare(args)
    train(args)


if __name__ == "__main__":
    main()
