"""Golden images of what diffusers does with an autoencoder's scaling_factor, shift_factor, latents_mean and latents_std,
and of SD3 without T5 as it is since diffusers 0.36: which pipeline applies what.

usage: python sampler_latents.py unet   (diffusers 0.35.2, transformers 4.57.1): tests/data/sampler/latents_{sdxl,sd15}.*
       python sampler_latents.py sd3    (diffusers 0.42.1, transformers 5.24.0): tests/data/sampler/latents_sd3.*
"""

import sys

import sampler_pipeline as sd3
import sampler_pipeline_sd as sd
import sampler_pipeline_sdxl as sdxl
from safetensors.torch import save_file

NORMAL = {"latents_mean": [0.5, -0.25, 0.125, 1.5], "latents_std": [1.25, 0.75, 2.0, 0.5]}
ALL = NORMAL | {"shift_factor": 0.375}
SDXL = {
    "normalised": ("a red circle", "", 1, 3, 5.0, (32, 32), {"vae": NORMAL}),
    "normalised-shift": ("a red circle", "", 1, 3, 5.0, (32, 32), {"vae": ALL}),
    "mean-alone": ("a red circle", "", 1, 3, 5.0, (32, 32), {"vae": {"latents_mean": NORMAL["latents_mean"]}}),
}
SD15 = {"not-applied": ("a red circle", "", 1, 3, 5.0, (32, 32), {"vae": ALL})}
# prompt, negative, seed, steps, guidance, (width, height), T5 tokens, what differs
SD3 = {
    "without-t5": ("a photo of a cat", "dog", 3, 4, 4.0, (32, 32), 24, {"t5": None}),
    "without-t5-many": ("a photo of a cat", "dog", 3, 2, 4.0, (32, 32), 256, {"t5": None}),
    "shift-alone": ("a red circle", "", 1, 3, 5.0, (32, 32), 24, {"vae": ALL}),
}


def with_vae(module, make):
    """Pipelines whose autoencoder's config differs."""
    def made(changes):
        before = dict(module["vae"])
        module["vae"].update(changes.get("vae", {}))
        try:
            return make(changes)
        finally:
            module["vae"].clear()
            module["vae"].update(before)
    return made


def add_vae(file, cases):
    """What differs of the autoencoder, into FILE.json."""
    import json
    path = sd3.DATA / "sampler" / f"{file}.json"
    told = json.loads(path.read_text())
    for case in told:
        case["vae"] = cases[case["name"]][-1].get("vae", {})
    sd3.write_json(path, told)


def draw_sd3():
    vectors, told = {}, []
    for name, (prompt, negative, seed, steps, guidance, size, tokens, changes) in SD3.items():
        pipe = with_vae(sd3.CONFIGS, lambda _changes: sd3.make_pipeline())(changes)
        pipe.set_progress_bar_config(disable=True)
        if "t5" in changes:
            pipe.text_encoder_3 = pipe.tokenizer_3 = None
        latents, picture = sd3.draw(pipe, prompt, negative, seed, steps, guidance, size, tokens)
        vectors[f"{name}/latents"], vectors[f"{name}/picture"] = latents.contiguous(), picture.contiguous()
        told.append({"name": name, "prompt": prompt, "negative": negative, "seed": str(seed), "steps": steps,
                     "guidance": guidance, "width": size[0], "height": size[1], "tokens": tokens,
                     "t5": "t5" not in changes, "vae": changes.get("vae", {})})
    save_file(vectors, sd3.DATA / "sampler" / "latents_sd3.safetensors")
    (sd3.DATA / "sampler" / "latents_sd3.safetensors").chmod(0o644)
    sd3.write_json(sd3.DATA / "sampler" / "latents_sd3.json", told)


if sys.argv[1] == "sd3":
    draw_sd3()
else:
    sdxl.draw_all(SDXL, with_vae(sdxl.CONFIGS, sdxl.make_pipeline), "latents_sdxl")
    add_vae("latents_sdxl", SDXL)
    sdxl.draw_all(SD15, with_vae(sd.MODELS["sd15"], lambda changes: sd.make_pipeline("sd15", changes)), "latents_sd15")
    add_vae("latents_sd15", SD15)
