"""The tiny Stable Diffusion 1.5 and 2.1 of the tests, and golden images of them by diffusers' StableDiffusionPipeline.

Writes, for each of the two, tests/data/tiny-sd*/ (every JSON file of the model; its tokenizer is one of tests/data/text,
its weights the random ones of philox_weights with seed 1, which tests/support/tiny_model.c writes) and
tests/data/sampler/pipeline_sd*.json and .safetensors (for each case below: the latents after every step, and the
image).

usage: python sampler_pipeline_sd.py   (diffusers 0.35.2, transformers 4.57.1, torch 2.x, float32)
"""

import diffusers
from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from sampler_pipeline import CLIP, DATA, filled, write_json
from sampler_pipeline_sdxl import draw_all

VAE = {"_class_name": "AutoencoderKL", "in_channels": 3, "out_channels": 3, "latent_channels": 4,
       "block_out_channels": [8, 8, 16, 16], "layers_per_block": 1, "norm_num_groups": 4,
       "down_block_types": ["DownEncoderBlock2D"] * 4, "up_block_types": ["UpDecoderBlock2D"] * 4,
       "scaling_factor": 0.18215}
UNET = {"_class_name": "UNet2DConditionModel", "sample_size": 4, "in_channels": 4, "out_channels": 4,
        "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"], "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
        "layers_per_block": 1, "norm_num_groups": 4}
SCHEDULER = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "clip_sample": False,
             "num_train_timesteps": 1000, "set_alpha_to_one": False, "skip_prk_steps": True, "steps_offset": 1,
             "trained_betas": None}
MODELS = {
    "sd15": {
        "text_encoder": CLIP | {"architectures": ["CLIPTextModel"], "hidden_size": 24, "intermediate_size": 40,
                                "num_attention_heads": 2, "num_hidden_layers": 3, "hidden_act": "quick_gelu"},
        "unet": UNET | {"block_out_channels": [8, 16], "attention_head_dim": 2, "cross_attention_dim": 24},
        "vae": VAE, "scheduler": {"_class_name": "PNDMScheduler"} | SCHEDULER},
    "sd21": {
        "text_encoder": CLIP | {"architectures": ["CLIPTextModel"], "hidden_size": 32, "intermediate_size": 48,
                                "num_attention_heads": 4, "num_hidden_layers": 2, "projection_dim": 12,
                                "hidden_act": "gelu"},
        "unet": UNET | {"block_out_channels": [12, 24], "attention_head_dim": [2, 3], "cross_attention_dim": 32,
                        "use_linear_projection": True, "upcast_attention": True},
        "vae": VAE, "scheduler": {"_class_name": "DDIMScheduler", "prediction_type": "v_prediction"} | SCHEDULER},
}
TOKENIZERS = {"sd15": "text/clip", "sd21": "text/clip-bang"}
DEFAULTS = {"steps": 4, "guidance": 7.5, "width": 32, "height": 32}

# prompt, negative, seed, steps, guidance, (width, height), what differs from the folder: the scheduler
CASES = {
    "sd15": {
        "plain": ("a red circle and 2 blue stars", "", 1, 6, 7.5, (32, 32), {}),
        "negative": ("two green squares on the left", "blurry, grey", 2**32 + 77, 4, 6.25, (24, 40), {}),
        "unguided": ("ein Ölbild", "", 12345, 3, 1.0, (32, 64), {}),
        # what the class's constructor changes in a config: the offset, and DDIM's clipping, which is on by default
        "euler": ("a star", "", 7, 4, 5.0, (32, 32), {"scheduler": {"_class_name": "EulerDiscreteScheduler",
                                                                    "steps_offset": 0, "timestep_spacing": "leading"}}),
        "ddim": ("a star", "", 8, 4, 5.0, (32, 32), {"scheduler": {"_class_name": "DDIMScheduler", "clip_sample": True,
                                                                   "steps_offset": 3}}),
        "dpm": ("", "a", 9, 5, 3.0, (32, 32), {"scheduler": {"_class_name": "DPMSolverMultistepScheduler"}}),
    },
    "sd21": {
        "plain": ("a red circle and 2 blue stars", "", 1, 4, 7.5, (32, 32), {}),
        "negative": ("two green squares on the left", "blurry, grey", 3, 5, 6.25, (56, 24), {}),
        "pndm": ("a photo of a cat", "", 4, 6, 4.0, (32, 32), {"scheduler": {"_class_name": "PNDMScheduler"}}),
    },
}


def index(name):
    return {"_class_name": "StableDiffusionPipeline", "requires_safety_checker": name == "sd15",
            "feature_extractor": ["transformers", "CLIPImageProcessor"] if name == "sd15" else [None, None],
            "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"] if name == "sd15" else [None, None],
            "scheduler": ["diffusers", MODELS[name]["scheduler"]["_class_name"]],
            "text_encoder": ["transformers", "CLIPTextModel"], "tokenizer": ["transformers", "CLIPTokenizer"],
            "unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"]}


def make_pipeline(name, changes):
    configs = {k: {n: v for n, v in c.items() if n not in ("_class_name", "architectures")}
               for k, c in MODELS[name].items()}
    tables, drop = ["token_embedding.weight", "position_embedding.weight"], ["position_ids"]
    scheduler = MODELS[name]["scheduler"] | changes.get("scheduler", {})
    return StableDiffusionPipeline(
        unet=filled(UNet2DConditionModel(**configs["unet"])), vae=filled(AutoencoderKL(**configs["vae"])),
        scheduler=getattr(diffusers, scheduler["_class_name"]).from_config(scheduler),
        text_encoder=filled(CLIPTextModel(CLIPTextConfig(**configs["text_encoder"])), tables, drop),
        tokenizer=CLIPTokenizer.from_pretrained(DATA / TOKENIZERS[name]), safety_checker=None, feature_extractor=None,
        requires_safety_checker=False)


def main():
    for name, configs in MODELS.items():
        model = DATA / f"tiny-{name}"
        for part, config in configs.items():
            write_json(model / part / ("scheduler_config.json" if part == "scheduler" else "config.json"), config)
        write_json(model / "model_index.json", index(name))
        write_json(model / "sinkscope.json", DEFAULTS)
        draw_all(CASES[name], lambda changes, name=name: make_pipeline(name, changes), f"pipeline_{name}")


if __name__ == "__main__":
    main()
