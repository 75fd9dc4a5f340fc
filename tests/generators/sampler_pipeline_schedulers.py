"""Golden images of the tiny models of the tests under the schedulers that checkpoints come with, by diffusers' pipelines.

Writes tests/data/sampler/pipeline_schedulers.json and .safetensors (Stable Diffusion XL: the scheduler in the folder is
another; noise comes from the generator of the first noise) and pipeline_sd3_schedulers.* (Stable Diffusion 3: another
scheduler over the model's settings, from_config, with what is set besides; "asked" is how sinkscope is asked for it).

usage: python sampler_pipeline_schedulers.py sdxl   (diffusers 0.35.2, transformers 4.57.1, torch 2.x, float32: newer
           transformers name the weights of CLIPTextModel otherwise, and the random ones follow the names)
       python sampler_pipeline_schedulers.py sd3    (diffusers 0.42.1: 0.35.2 has other levels for UniPC along a flow)
"""

import json
import sys

import diffusers
import torch
from safetensors.torch import save_file

import sampler_pipeline as sd3
import sampler_pipeline_sdxl as sdxl

TRAILING = {"timestep_spacing": "trailing"}

# scheduler; prompt, seed, steps, guidance
SDXL_CASES = {
    "turbo": ({"_class_name": "EulerAncestralDiscreteScheduler"} | TRAILING, "a star", 11, 4, 1.0),
    "ancestral": ({"_class_name": "EulerAncestralDiscreteScheduler"}, "a star", 12, 5, 5.0),
    "lcm": ({"_class_name": "LCMScheduler"}, "a star", 13, 4, 1.5),
    "tcd": ({"_class_name": "TCDScheduler"}, "a star", 14, 4, 1.0),
    "lightning": ({"_class_name": "EulerDiscreteScheduler"} | TRAILING, "a star", 15, 4, 1.0),
    "hyper": ({"_class_name": "DDIMScheduler"} | TRAILING, "a star", 16, 4, 1.0),
    "unipc": ({"_class_name": "UniPCMultistepScheduler"}, "a star", 17, 6, 5.0),
    "heun": ({"_class_name": "HeunDiscreteScheduler"}, "a star", 18, 4, 5.0),
    "dpm-sde": ({"_class_name": "DPMSolverMultistepScheduler", "algorithm_type": "sde-dpmsolver++", "use_karras_sigmas": True}, "a star", 19, 5, 5.0),
    "playground": ({"_class_name": "EDMDPMSolverMultistepScheduler", "sigma_data": 0.5, "sigma_max": 80.0, "sigma_min": 0.002, "rho": 7.0}, "a star", 20, 5, 3.0),
    "edm-euler": ({"_class_name": "EDMEulerScheduler"}, "a star", 21, 4, 3.0),
    "ddpm": ({"_class_name": "DDPMScheduler"}, "a star", 22, 4, 5.0),
    "deis": ({"_class_name": "DEISMultistepScheduler"}, "a star", 23, 5, 5.0),
    "lms": ({"_class_name": "LMSDiscreteScheduler"}, "a star", 24, 6, 5.0),
    "path": ({"_class_name": "DPMSolverSDEScheduler", "noise_sampler_seed": 5}, "a star", 26, 4, 5.0),
    "single": ({"_class_name": "DPMSolverSinglestepScheduler", "solver_order": 3}, "a star", 25, 6, 5.0),
}

# class, what is set besides, forced; prompt, seed, steps, guidance
SD3_CASES = {
    "euler": ("EulerDiscreteScheduler", {}, True, "a star", 31, 4, 3.5),
    "dpm": ("DPMSolverMultistepScheduler", {}, True, "a star", 32, 5, 3.5),
    "heun": ("FlowMatchHeunDiscreteScheduler", {}, False, "a star", 33, 4, 3.5),
    "karras": ("FlowMatchEulerDiscreteScheduler", {"use_karras_sigmas": True}, False, "a star", 34, 4, 3.5),
    "beta": ("FlowMatchEulerDiscreteScheduler", {"use_beta_sigmas": True}, False, "a star", 35, 4, 3.5),
    "unipc": ("UniPCMultistepScheduler", {"use_flow_sigmas": True, "prediction_type": "flow_prediction", "flow_shift": 3.0}, False, "a star", 36, 5, 3.5),
}


def by_step(latents, steps):
    """Of every call those that end a step: Heun calls twice, but for the last step."""
    if len(latents) != 2 * steps - 1:
        return latents
    return torch.cat([latents[1:-1:2], latents[-1:]])


def calls(pipe, steps, **kwargs):
    latents = []

    def keep(_pipe, _step, _time, values):
        latents.append(values["latents"][0].clone())
        return values

    picture = pipe(num_inference_steps=steps, width=32, height=32, output_type="pt", callback_on_step_end=keep, **kwargs).images[0]
    return by_step(torch.stack(latents), steps).contiguous(), (picture.permute(1, 2, 0) * 255).round().to(torch.uint8).contiguous()


def write(name, vectors, told):
    save_file(vectors, sd3.DATA / "sampler" / f"{name}.safetensors")
    (sd3.DATA / "sampler" / f"{name}.safetensors").chmod(0o644)
    sd3.write_json(sd3.DATA / "sampler" / f"{name}.json", told)


def draw_sdxl():
    vectors, told = {}, []
    for name, (scheduler, prompt, seed, steps, guidance) in SDXL_CASES.items():
        pipe = sdxl.make_pipeline({"scheduler": scheduler})
        pipe.set_progress_bar_config(disable=True)
        latents, picture = calls(pipe, steps, prompt=prompt, guidance_scale=guidance, generator=torch.Generator("cpu").manual_seed(seed))
        assert len(latents) == steps, (name, len(latents))
        vectors[f"{name}/latents"], vectors[f"{name}/picture"] = latents, picture
        print(name, "picture mean", float(picture.float().mean()), "sd", float(picture.float().std()))
        told.append({"name": name, "prompt": prompt, "negative": "", "seed": str(seed), "steps": steps, "guidance": guidance, "width": 32,
                     "height": 32, "scheduler": scheduler, "zeros": True, "sizes": {}})
    write("pipeline_schedulers", vectors, told)


def draw_sd3():
    vectors, told = {}, []
    for name, (class_name, besides, forced, prompt, seed, steps, guidance) in SD3_CASES.items():
        pipe = sd3.make_pipeline()
        pipe.set_progress_bar_config(disable=True)
        pipe.scheduler = getattr(diffusers, class_name).from_config(sd3.CONFIGS["scheduler"] | besides)
        latents, picture = calls(pipe, steps, prompt=prompt, guidance_scale=guidance, max_sequence_length=24, generator=torch.Generator("cpu").manual_seed(seed))
        assert len(latents) == steps, (name, len(latents))
        vectors[f"{name}/latents"], vectors[f"{name}/picture"] = latents, picture
        print("sd3", name, "picture mean", float(picture.float().mean()), "sd", float(picture.float().std()))
        asked = ", ".join([class_name] + [f"{k}={json.dumps(v) if not isinstance(v, str) else v}" for k, v in besides.items()] + ["force"] * forced)
        told.append({"name": name, "prompt": prompt, "seed": str(seed), "steps": steps, "guidance": guidance, "asked": asked})
    write("pipeline_sd3_schedulers", vectors, told)


if __name__ == "__main__":
    {"sdxl": draw_sdxl, "sd3": draw_sd3}[sys.argv[1]]()
