"""Golden vectors of sampler/: torch.randn by seed and length, and the sigmas and timesteps of diffusers'
FlowMatchEulerDiscreteScheduler as StableDiffusion3Pipeline sets them.

usage: python sampler_noise_schedule.py   (writes tests/data/sampler/; torch 2.x, diffusers 0.35.2)
"""

import json
from pathlib import Path

import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from diffusers.pipelines.stable_diffusion_3.pipeline_stable_diffusion_3 import calculate_shift
from safetensors.torch import save_file

OUT = Path(__file__).resolve().parent.parent / "data" / "sampler"

SEEDS = [0, 1, 42, 1000, 2**31 - 1, 2**32 - 1, 2**32 + 5, 0x123456789ABCDEF0, 2**64 - 1]
LENGTHS = [1, 2, 5, 15, 16, 17, 24, 31, 32, 33, 100, 700, 2048]

SCHEDULES = [
    ({"shift": 3.0}, [1, 2, 3, 7, 20, 28, 50, 999], 0),
    ({"shift": 1.0}, [4, 28], 0),
    ({"shift": 6.5, "num_train_timesteps": 777}, [5, 30], 0),
    ({"shift": 3.0, "shift_terminal": 0.1}, [2, 5, 28], 0),
    ({"use_dynamic_shifting": True}, [1, 9, 28], 64),
    ({"use_dynamic_shifting": True}, [28], 1024),
    ({"use_dynamic_shifting": True, "base_shift": 0.25, "max_shift": 1.5, "base_image_seq_len": 100,
      "max_image_seq_len": 2000, "shift": 2.0}, [28], 4096),
    ({"use_dynamic_shifting": True, "time_shift_type": "linear", "shift_terminal": 0.02}, [11], 300),
]


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    noise = {}
    for seed in SEEDS:
        for n in LENGTHS:
            if n == 2048 and seed not in (0, 2**32 + 5):
                continue
            noise[f"{seed}/{n}"] = torch.randn(n, generator=torch.Generator("cpu").manual_seed(seed))
    save_file(noise, OUT / "noise.safetensors")
    goes_on = {}
    for seed, lengths in [(0, [16, 16]), (1, [17, 3, 40]), (7, [5, 5, 5]), (7, [3, 64, 3]), (2**32 + 9, [256, 256, 256]), (3, [1, 1, 16, 1])]:
        generator = torch.Generator("cpu").manual_seed(seed)
        goes_on["-".join(map(str, [seed] + lengths))] = torch.cat([torch.randn(n, generator=generator) for n in lengths])
    save_file(goes_on, OUT / "noise_goes_on.safetensors")

    cases, values = [], {}
    for config, steps, tokens in SCHEDULES:
        for n in steps:
            scheduler = FlowMatchEulerDiscreteScheduler(**config)
            kwargs = {}
            if config.get("use_dynamic_shifting"):
                c = scheduler.config
                kwargs["mu"] = calculate_shift(tokens, c.base_image_seq_len, c.max_image_seq_len, c.base_shift, c.max_shift)
            scheduler.set_timesteps(n, **kwargs)
            name = f"{len(cases):02d}"
            cases.append({"name": name, "steps": n, "tokens": tokens, "config": config})
            values[f"{name}/sigma"] = scheduler.sigmas.float().contiguous()
            values[f"{name}/timestep"] = scheduler.timesteps.float().contiguous()
    save_file(values, OUT / "schedule.safetensors")
    (OUT / "schedule.json").write_text(json.dumps(cases, indent=1) + "\n")


if __name__ == "__main__":
    main()
