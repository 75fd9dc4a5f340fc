"""What every stage shares: files that survive a kill, logs, schedules, averages."""

from __future__ import annotations

import csv
import json
import math
import os
import time
from pathlib import Path

import numpy as np
import torch

ROOT = Path(os.environ.get("SINKSCOPE_TRAIN", "work"))      # data, checkpoints, logs


def write_atomic(path: Path, write) -> None:
    """Calls write(temporary path), then renames: a reader sees the old or the new file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    write(temporary)
    os.replace(temporary, path)


def save_checkpoint(path: Path, state: dict) -> None:
    write_atomic(path, lambda p: torch.save(state, p))


def load_checkpoint(path: Path, device: str = "cpu") -> dict | None:
    if not path.exists():
        return None
    return torch.load(path, map_location=device, weights_only=False)


def save_json(path: Path, value) -> None:
    write_atomic(path, lambda p: p.write_text(json.dumps(value, indent=2) + "\n"))


def common_arguments(parser, minutes: float) -> None:
    parser.add_argument("--root", type=Path, default=ROOT, help="data, checkpoints and logs")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    parser.add_argument("--minutes", type=float, default=minutes,
                        help="length of the run, counted over restarts")
    parser.add_argument("--steps", type=int, help="stop there, the rates going by the minutes")
    parser.add_argument("--seed", type=int, default=0)


def prepare(args) -> None:
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    np.random.seed(args.seed)
    args.root.mkdir(parents=True, exist_ok=True)


def autocast(device: str):
    """bfloat16 where the device has instructions for it; a CPU without them is slower with it."""
    kind = torch.device(device).type
    has_bfloat16 = kind != "cpu" or torch.cpu._is_avx512_bf16_supported()
    return torch.autocast(kind, torch.bfloat16, enabled=has_bfloat16)


class Log:
    """CSV of step, samples, seconds and named figures; a resumed run drops later rows."""

    def __init__(self, path: Path, columns: list[str], step: int):
        self.path, self.columns = path, ["step", "samples", "seconds"] + columns
        rows = []
        if path.exists():
            with path.open() as f:
                rows = [r for r in csv.DictReader(f) if int(r["step"]) <= step]
        path.parent.mkdir(parents=True, exist_ok=True)
        self.file = path.open("w", newline="")
        self.writer = csv.DictWriter(self.file, self.columns)
        self.writer.writeheader()
        self.writer.writerows(rows)
        self.file.flush()

    def add(self, **row) -> None:
        self.writer.writerow({k: f"{v:.6g}" if isinstance(v, float) else v
                              for k, v in row.items()})
        self.file.flush()


class Clock:
    """Seconds of training, over restarts; share() runs from 0 to 1. Looked at every step: a minute without a
    look is a process that was stopped, not training, and does not count."""

    def __init__(self, minutes: float, used: float = 0.0):
        self.total, self.used, self.looked = minutes * 60, used, time.monotonic()

    def seconds(self) -> float:
        now = time.monotonic()
        if now - self.looked < 60:
            self.used += now - self.looked
        self.looked = now
        return self.used

    def share(self) -> float:
        return min(self.seconds() / self.total, 1.0)


def warm_then_cosine(step: int, share: float, warmup: int, hold: float, floor: float) -> float:
    """Factor on the rate: linear over the first steps, 1 until `hold` of the run, then cosine."""
    factor = min((step + 1) / warmup, 1.0)
    if share > hold:
        factor *= floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * (share - hold) / (1 - hold)))
    return factor


class Average:
    """Exponential average of a module's parameters, with a short memory at first."""

    def __init__(self, module, decay: float):
        self.decay = decay
        self.values = [p.detach().clone() for p in module.parameters()]

    @torch.no_grad()
    def update(self, module, step: int) -> None:
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self.values, list(module.parameters()), 1 - decay)

    @torch.no_grad()
    def copy_to(self, module) -> None:
        for p, v in zip(module.parameters(), self.values):
            p.copy_(v)
