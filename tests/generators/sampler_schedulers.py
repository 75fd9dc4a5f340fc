"""Golden vectors of the schedulers of sampler/, by diffusers: for each config below and each number of steps the
timesteps, the noise levels, the scale of the network's input, the scale of the first noise, and a whole trajectory under
a made-up network, float32:

    output = sin(0.3 input + 0.01 timestep + call)     (in float64, rounded; input = the scaled latents)

Writes tests/data/sampler/schedulers.json (the cases) and schedulers.safetensors:
  <name>/alphas           alphas_cumprod at every 111th timestep of training and the last (diffusions)
  <name>/<steps>/calls    [calls, 3]: timestep, input scale, sigma (that of DDIM and PNDM: sqrt((1 - a) / a))
  <name>/<steps>/first    the scaled noise that the trajectory starts from, <name>/<steps>/path [calls, N]: after each

usage: python sampler_schedulers.py   (torch 2.x, diffusers 0.35.2)
"""

import json
from pathlib import Path
from unittest import mock

import diffusers
import numpy as np
import torch
from safetensors.torch import save_file

OUT = Path(__file__).resolve().parent.parent / "data" / "sampler"
STEPS = [1, 2, 7, 28, 50]
N = 10

LDM = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
SDXL = LDM | {"timestep_spacing": "leading", "steps_offset": 1, "clip_sample": False, "interpolation_type": "linear",
              "prediction_type": "epsilon", "sample_max_value": 1.0, "set_alpha_to_one": False, "skip_prk_steps": True,
              "trained_betas": None, "use_karras_sigmas": False}
V = {"prediction_type": "v_prediction"}
TRAILING, LEADING, LINSPACE = ({"timestep_spacing": s} for s in ("trailing", "leading", "linspace"))
UNCLIPPED = {"clip_sample": False}

CONFIGS = {
    "EulerDiscreteScheduler": [
        SDXL, SDXL | TRAILING, SDXL | LINSPACE, SDXL | V, LDM | V | LINSPACE,
        SDXL | {"use_karras_sigmas": True}, LDM | V | TRAILING | {"use_karras_sigmas": True, "final_sigmas_type": "sigma_min"},
        {}, {"num_train_timesteps": 777} | TRAILING, SDXL | {"final_sigmas_type": "sigma_min"},
        LDM | V | TRAILING | {"rescale_betas_zero_snr": True}, LDM | V | {"rescale_betas_zero_snr": True, "use_karras_sigmas": True},
    ],
    "DDIMScheduler": [
        SDXL, SDXL | TRAILING, LDM | LINSPACE | UNCLIPPED, LDM | V | LEADING | UNCLIPPED | {"steps_offset": 1}, UNCLIPPED,
        LDM | V | TRAILING | UNCLIPPED | {"rescale_betas_zero_snr": True},
        {"num_train_timesteps": 777} | LINSPACE | V | UNCLIPPED | {"set_alpha_to_one": False},
    ],
    "DPMSolverMultistepScheduler": [
        LDM, LDM | {"solver_type": "heun"}, SDXL | {"use_karras_sigmas": True}, LDM | V, SDXL | V | {"solver_type": "heun"},
        LDM | {"solver_order": 1}, LDM | {"lower_order_final": False, "final_sigmas_type": "sigma_min"},
        LDM | TRAILING | {"euler_at_final": True, "final_sigmas_type": "sigma_min"},
        LDM | {"use_karras_sigmas": True, "final_sigmas_type": "sigma_min"}, LDM | {"final_sigmas_type": "sigma_min"}, {}, {"num_train_timesteps": 777} | LEADING,
        LDM | V | TRAILING | {"rescale_betas_zero_snr": True},
    ],
    "PNDMScheduler": [
        SDXL, LDM | V | {"skip_prk_steps": True, "steps_offset": 1}, LDM | TRAILING | {"skip_prk_steps": True},
        LINSPACE | {"skip_prk_steps": True, "set_alpha_to_one": True, "num_train_timesteps": 777},
    ],
    "FlowMatchEulerDiscreteScheduler": [{"shift": 3.0}, {}],
}


def sigma_at(scheduler, call, timestep):
    if hasattr(scheduler, "sigmas"):
        return scheduler.sigmas[call]
    a = scheduler.alphas_cumprod[int(timestep)]
    return ((1 - a) / a) ** 0.5


def step(scheduler, output, t, x):
    """The scheduler's own step; Euler's from a sigma of 4096 (zero terminal SNR) in float64, since in float32 it leaves
    an error of 4096's last bit in latents of size 14. It casts to torch.float32 by itself, hence the patch."""
    if not (isinstance(scheduler, diffusers.EulerDiscreteScheduler) and scheduler.config.rescale_betas_zero_snr):
        return scheduler.step(output, t, x, return_dict=False)[0]
    with mock.patch.object(torch, "float32", torch.float64):
        return scheduler.step(output.double(), t, x.double(), return_dict=False)[0]


def sample(scheduler, steps, noise):
    scheduler.set_timesteps(steps)
    x = first = noise * getattr(scheduler, "init_noise_sigma", 1.0)
    path, calls = [], []
    for i, t in enumerate(scheduler.timesteps):
        scaled, scale = x, torch.ones(())
        if hasattr(scheduler, "scale_model_input"):
            scaled, scale = scheduler.scale_model_input(x, t), scheduler.scale_model_input(torch.ones(()), t)
        calls.append(torch.tensor([float(t), float(scale), float(sigma_at(scheduler, i, t))]))
        output = np.sin(0.3 * scaled.double().numpy() + 0.01 * float(t) + i).astype(np.float32)
        x = step(scheduler, torch.from_numpy(output), t, x)
        path.append(x.float().clone())
    return torch.stack(calls), first.clone(), torch.stack(path)


def main():
    cases, values = [], {}
    for class_name, configs in CONFIGS.items():
        for config in configs:
            name = f"{len(cases):02d}"
            cases.append({"name": name, "config": {"_class_name": class_name} | config})
            for steps in STEPS:
                scheduler = getattr(diffusers, class_name).from_config(dict(config))
                noise = torch.randn(1, 1, 1, N, generator=torch.Generator("cpu").manual_seed(steps))
                calls, first, path = sample(scheduler, steps, noise)
                assert torch.isfinite(path).all(), (class_name, config, steps)
                values |= {f"{name}/{steps}/calls": calls, f"{name}/{steps}/first": first.flatten(),
                           f"{name}/{steps}/path": path.reshape(len(path), N)}
            if hasattr(scheduler, "alphas_cumprod"):
                a = scheduler.alphas_cumprod
                values[f"{name}/alphas"] = torch.cat([a[::111], a[-1:]])
    save_file(values, OUT / "schedulers.safetensors")
    (OUT / "schedulers.safetensors").chmod(0o644)
    (OUT / "schedulers.json").write_text(json.dumps({"steps": STEPS, "cases": cases}, indent=1) + "\n")


if __name__ == "__main__":
    main()
