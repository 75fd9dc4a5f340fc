"""Golden vectors of the schedulers of sampler/, by diffusers: for each config below and each number of steps the
timesteps, the noise levels, the scale of the network's input, the scale of the first noise, and a whole trajectory under
a made-up network, float32:

    output = sin(0.3 input + 0.01 timestep + call)     (in float64, rounded; input = the scaled latents)

Noise that a scheduler draws comes from the generator of the first noise, which goes on. Cases of SINCE are computed in
float64, from the float32 noise levels and shares of diffusers: its own float32 loses digits in differences of logarithms.
How far it is off itself is in the case ("off", x rms), where that is more than 1e-4. `eta` in a config of TCD's is what its
step is told.

Writes tests/data/sampler/schedulers.json (the cases) and schedulers.safetensors; for SINCE more_schedulers.*:
  <name>/alphas           alphas_cumprod at every 111th timestep of training and the last (diffusions)
  <name>/<steps>/calls    [calls, 3]: timestep, input scale, sigma (that of DDIM and PNDM: sqrt((1 - a) / a))
  <name>/<steps>/first    the scaled noise that the trajectory starts from, <name>/<steps>/path [calls, N]: after each

usage: python sampler_schedulers.py   (torch 2.x, diffusers 0.42.1; 0.35.2 gives the same)
"""

import inspect

import json
import sys
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


SINCE_STEPS = [1, 2, 7, 28]
KARRAS, EXPONENTIAL, BETA = ({f"use_{s}_sigmas": True} for s in ("karras", "exponential", "beta"))
SIGMA_MIN = {"final_sigmas_type": "sigma_min"}
FLOW = {"prediction_type": "flow_prediction", "use_flow_sigmas": True, "flow_shift": 3.0}
EDM = {"sigma_min": 0.002, "sigma_max": 80.0, "sigma_data": 0.5, "rho": 7.0}
THIRD, FIRST = {"solver_order": 3}, {"solver_order": 1}
SDE, OLD, OLD_SDE = ({"algorithm_type": a} for a in ("sde-dpmsolver++", "dpmsolver", "sde-dpmsolver"))

SINCE = {
    # SDXL-Turbo is the second
    "EulerAncestralDiscreteScheduler": [SDXL, SDXL | TRAILING, LDM | V | LINSPACE, LDM | V | TRAILING | {"rescale_betas_zero_snr": True}],
    "EulerDiscreteScheduler": [LDM | EXPONENTIAL, SDXL | BETA],
    "DPMSolverMultistepScheduler": [
        LDM | SDE, LDM | SDE | KARRAS, SDXL | SDE | {"solver_type": "heun"}, LDM | V | SDE | SIGMA_MIN, LDM | THIRD, LDM | THIRD | KARRAS,
        LDM | THIRD | SDE | SIGMA_MIN, LDM | OLD | SIGMA_MIN, LDM | OLD | SIGMA_MIN | THIRD, LDM | V | OLD | SIGMA_MIN | {"solver_type": "heun"}, LDM | OLD_SDE | SIGMA_MIN,
        LDM | OLD_SDE | SIGMA_MIN | {"solver_type": "heun"}, LDM | BETA, LDM | EXPONENTIAL | SDE, FLOW, FLOW | SDE | THIRD, LDM | SIGMA_MIN | {"solver_type": "bh2", "algorithm_type": "deis"},
    ],
    "UniPCMultistepScheduler": [
        LDM, SDXL, LDM | V | TRAILING, LDM | THIRD, LDM | THIRD | V | SIGMA_MIN | {"solver_type": "bh1"}, LDM | FIRST, SDXL | KARRAS, LDM | KARRAS | SIGMA_MIN,
        LDM | SIGMA_MIN | {"lower_order_final": False}, LDM | THIRD | SIGMA_MIN | {"predict_x0": False}, FLOW, FLOW | THIRD, FLOW | KARRAS, LDM | BETA,
        LDM | V | TRAILING | {"rescale_betas_zero_snr": True}, LDM | {"solver_type": "midpoint"},
    ],
    "LCMScheduler": [SDXL, LDM | V | {"original_inference_steps": 100}, {"timestep_scaling": 8.0}],
    "TCDScheduler": [SDXL, SDXL | {"eta": 0.3}, LDM | V | {"eta": 1.0}],
    "HeunDiscreteScheduler": [{}, SDXL, LDM | V | TRAILING, SDXL | KARRAS, LDM | BETA],
    "DDPMScheduler": [SDXL, LDM | LINSPACE | UNCLIPPED | {"variance_type": "fixed_large"}, LDM | V | TRAILING | UNCLIPPED | {"variance_type": "fixed_small_log"},
                      LDM | V | TRAILING | UNCLIPPED | {"rescale_betas_zero_snr": True}],
    "DEISMultistepScheduler": [LDM, SDXL, LDM | THIRD, LDM | V | TRAILING | FIRST, LDM | KARRAS, LDM | THIRD | {"lower_order_final": False}, FLOW, LDM | EXPONENTIAL],
    "LMSDiscreteScheduler": [LDM, SDXL, LDM | V | TRAILING, SDXL | KARRAS, LDM | BETA],
    "EDMDPMSolverMultistepScheduler": [EDM, EDM | V | {"solver_type": "heun"}, EDM | SDE, EDM | THIRD | SIGMA_MIN, EDM | FIRST | {"sigma_schedule": "exponential"}],
    "EDMEulerScheduler": [EDM, EDM | V, EDM | SIGMA_MIN | {"sigma_schedule": "exponential"}],
    "FlowMatchEulerDiscreteScheduler": [{"shift": 3.0} | KARRAS, {"shift": 3.0} | EXPONENTIAL, {"shift": 3.0} | BETA, {"shift": 3.0, "stochastic_sampling": True}],
    "FlowMatchHeunDiscreteScheduler": [{"shift": 3.0}, {}],
    # noise of a path: by torchsde; in float32 alone, since where the path is asked depends on it
    "DPMSolverSDEScheduler": [{"noise_sampler_seed": 42}, SDXL | {"noise_sampler_seed": 2**40 + 7}, LDM | V | TRAILING | {"noise_sampler_seed": 0}, SDXL | KARRAS | {"noise_sampler_seed": 3}],
    "DPMSolverSinglestepScheduler": [
        LDM, LDM | {"solver_type": "heun"}, LDM | THIRD, LDM | V | THIRD | SIGMA_MIN | {"solver_type": "heun"}, LDM | SDE, LDM | SDE | THIRD | SIGMA_MIN | {"solver_type": "heun"},
        LDM | OLD | SIGMA_MIN, LDM | OLD | SIGMA_MIN | THIRD | {"lower_order_final": True}, SDXL | KARRAS, FLOW, LDM | FIRST,
    ],
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


def to_double(scheduler):
    for name in ("sigmas", "alphas_cumprod", "final_alpha_cumprod", "one"):
        if isinstance(getattr(scheduler, name, None), torch.Tensor):
            setattr(scheduler, name, getattr(scheduler, name).double())


def randn(shape, generator=None, device=None, dtype=None, layout=None):
    return torch.randn(shape, generator=generator, dtype=torch.float32).to(dtype)


def sample_noisy(scheduler, steps, noise, generator, eta, double):
    """As sample, with noise, and in float64 or not."""
    module = sys.modules[type(scheduler).__module__]
    scheduler.set_timesteps(steps)
    x = first = noise * getattr(scheduler, "init_noise_sigma", 1.0)
    x = x.double() if double else x.float()
    path, calls, takes = [], [], inspect.signature(scheduler.step).parameters
    more = ({"generator": generator} if "generator" in takes else {}) | ({"eta": eta} if "eta" in takes else {})
    told = [float(sigma_at(scheduler, i, t)) for i, t in enumerate(scheduler.timesteps)]
    if double:
        to_double(scheduler)
    for i, t in enumerate(scheduler.timesteps):
        scaled, scale = x, torch.ones(())
        if hasattr(scheduler, "scale_model_input"):
            scaled, scale = scheduler.scale_model_input(x, t), scheduler.scale_model_input(torch.ones((), dtype=x.dtype), t)
        middle = getattr(scheduler, "mid_point_sigma", None)  # DPMSolverSDE's second call is between two levels
        calls.append(torch.tensor([float(t), float(scale), told[i] if middle is None else float(middle)]))
        output = np.sin(0.3 * scaled.double().numpy() + 0.01 * float(t) + i).astype(np.float32)
        with mock.patch.object(torch, "float32", x.dtype), mock.patch.object(module, "randn_tensor", randn, create=True):
            x = scheduler.step(torch.from_numpy(output).to(x.dtype), t, x, **more, return_dict=False)[0]
        path.append(x.clone())
    return torch.stack(calls), first.float().clone(), torch.stack(path)


def both(class_name, config, steps):
    """In float64, and how far float32 is from it; DPMSolverSDE in float32 alone."""
    made = []
    for double in (class_name != "DPMSolverSDEScheduler", False):
        scheduler = getattr(diffusers, class_name).from_config(dict(config))
        generator = torch.Generator("cpu").manual_seed(steps)
        noise = torch.randn(1, 1, 1, N, generator=generator)
        made.append(sample_noisy(scheduler, steps, noise, generator, config.get("eta", 0.0), double))
    (calls, first, path), (_, _, single) = made
    assert torch.isfinite(path).all(), (class_name, config, steps)
    off = max(((a - b).abs().max() / b.square().mean().sqrt()).item() for a, b in zip(single.double(), path))
    return calls, first, path.float(), off


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


def write(name, steps, cases, values):
    save_file(values, OUT / f"{name}.safetensors")
    (OUT / f"{name}.safetensors").chmod(0o644)
    (OUT / f"{name}.json").write_text(json.dumps({"steps": steps, "cases": cases}, indent=1) + "\n")


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
    write("schedulers", STEPS, cases, values)
    cases, values = [], {}
    for class_name, configs in SINCE.items():
        for config in configs:
            name, most = f"{len(cases):02d}", 0
            for steps in SINCE_STEPS:
                calls, first, path, off = both(class_name, config, steps)
                # a path is another one a millionth further, so its ends hang on the last bit of torch's float32 exp and log
                most = max(most, off) if class_name != "DPMSolverSDEScheduler" else 2e-3
                values |= {f"{name}/{steps}/calls": calls, f"{name}/{steps}/first": first.flatten(),
                           f"{name}/{steps}/path": path.reshape(len(path), N)}
            cases.append({"name": name, "config": {"_class_name": class_name} | config} | ({"off": most} if most > 1e-4 else {}))
    write("more_schedulers", SINCE_STEPS, cases, values)


if __name__ == "__main__":
    main()
