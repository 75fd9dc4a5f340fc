"""The tiny Stable Diffusion XL of the tests, and golden images of it by diffusers' StableDiffusionXLPipeline.

Writes tests/data/tiny-sdxl/ (every JSON file of the model; its tokenizers are those of tests/data/text, its weights the
random ones of philox_weights with seed 1, which tests/support/tiny_model.c writes) and
tests/data/sampler/pipeline_sdxl.safetensors (for each case below: the latents after every step, and the image).

usage: python sampler_pipeline_sdxl.py   (diffusers 0.35.2, transformers 4.57.1, torch 2.x, float32)
"""

import diffusers
import torch
from diffusers import AutoencoderKL, StableDiffusionXLPipeline, UNet2DConditionModel
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from sampler_pipeline import CLIP, DATA, filled, write_json

MODEL = DATA / "tiny-sdxl"

CONFIGS = {
    "text_encoder": CLIP | {"architectures": ["CLIPTextModel"], "hidden_size": 16, "intermediate_size": 40,
                            "num_attention_heads": 2, "num_hidden_layers": 2, "hidden_act": "quick_gelu"},
    "text_encoder_2": CLIP | {"hidden_size": 20, "intermediate_size": 48, "num_attention_heads": 4,
                              "num_hidden_layers": 3, "projection_dim": 10, "hidden_act": "gelu"},
    "unet": {"_class_name": "UNet2DConditionModel", "sample_size": 8, "in_channels": 4, "out_channels": 4,
             "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
             "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
             "block_out_channels": [8, 16, 24], "layers_per_block": 1, "norm_num_groups": 4,
             "transformer_layers_per_block": [0, 1, 2], "attention_head_dim": [1, 2, 3], "cross_attention_dim": 36,
             "use_linear_projection": True, "addition_embed_type": "text_time", "addition_time_embed_dim": 6,
             "projection_class_embeddings_input_dim": 46},
    "vae": {"_class_name": "AutoencoderKL", "in_channels": 3, "out_channels": 3, "latent_channels": 4,
            "block_out_channels": [8, 16, 16], "layers_per_block": 1, "norm_num_groups": 4,
            "down_block_types": ["DownEncoderBlock2D"] * 3, "up_block_types": ["UpDecoderBlock2D"] * 3,
            "scaling_factor": 0.13025, "force_upcast": True},
    "scheduler": {"_class_name": "EulerDiscreteScheduler", "beta_start": 0.00085, "beta_end": 0.012,
                  "beta_schedule": "scaled_linear", "clip_sample": False, "interpolation_type": "linear",
                  "prediction_type": "epsilon", "set_alpha_to_one": False, "skip_prk_steps": True, "steps_offset": 1,
                  "timestep_spacing": "leading", "trained_betas": None, "use_karras_sigmas": False},
}
INDEX = {"_class_name": "StableDiffusionXLPipeline", "force_zeros_for_empty_prompt": True,
         "feature_extractor": [None, None], "image_encoder": [None, None],
         "scheduler": ["diffusers", "EulerDiscreteScheduler"],
         "text_encoder": ["transformers", "CLIPTextModel"],
         "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
         "tokenizer": ["transformers", "CLIPTokenizer"], "tokenizer_2": ["transformers", "CLIPTokenizer"],
         "unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"]}
DEFAULTS = {"steps": 4, "guidance": 5.0, "width": 32, "height": 32}

# as studies call them: diffusers' arguments, whose order is the other one (height, width; top, left)
SIZES = {"original-size": "original_size", "crop": "crops_coords_top_left", "target-size": "target_size"}

# prompt, negative, seed, steps, guidance, (width, height), what differs from the folder: the scheduler (its class under
# _class_name), force_zeros_for_empty_prompt, conditioned on sizes
CASES = {
    "plain": ("a red circle and 2 blue stars", "", 1, 4, 5.0, (32, 32), {}),
    "negative": ("two green squares on the left", "blurry, grey", 2**32 + 77, 5, 6.25, (64, 32), {}),
    "unguided": ("ein Ölbild", "", 12345, 3, 1.0, (24, 72), {}),
    "odd": ("a photo of a cat", "dog", 3, 4, 4.0, (40, 56), {}),
    "encoded-empty": ("a photo of a cat", "", 3, 3, 4.0, (32, 32), {"zeros": False}),
    "sizes": ("a blue star", "", 5, 3, 5.0, (32, 32), {"sizes": {"original-size": (1024, 768), "crop": (17, 5), "target-size": (640, 512)}}),
    "cropped": ("a blue star", "grey", 5, 3, 5.0, (40, 32), {"sizes": {"crop": (3, 21)}}),
    "karras": ("", "a", 4, 4, 3.0, (48, 48), {"scheduler": {"use_karras_sigmas": True}}),
    "trailing-v": ("a star", "", 6, 4, 5.0, (32, 32), {"scheduler": {"timestep_spacing": "trailing", "prediction_type": "v_prediction"}}),
    "ddim": ("a star", "", 7, 4, 5.0, (32, 32), {"scheduler": {"_class_name": "DDIMScheduler"}}),
    "dpm": ("a star", "", 8, 5, 5.0, (32, 32), {"scheduler": {"_class_name": "DPMSolverMultistepScheduler"}}),
    "pndm": ("a star", "", 9, 6, 5.0, (32, 32), {"scheduler": {"_class_name": "PNDMScheduler"}}),
}


def make_pipeline(changes):
    configs = {k: {n: v for n, v in c.items() if n not in ("_class_name", "architectures")} for k, c in CONFIGS.items()}
    tables, drop = ["token_embedding.weight", "position_embedding.weight"], ["position_ids"]
    scheduler = CONFIGS["scheduler"] | changes.get("scheduler", {})
    return StableDiffusionXLPipeline(
        unet=filled(UNet2DConditionModel(**configs["unet"])), vae=filled(AutoencoderKL(**configs["vae"])),
        scheduler=getattr(diffusers, scheduler["_class_name"]).from_config(scheduler),
        text_encoder=filled(CLIPTextModel(CLIPTextConfig(**configs["text_encoder"])), tables, drop),
        text_encoder_2=filled(CLIPTextModelWithProjection(CLIPTextConfig(**configs["text_encoder_2"])), tables, drop),
        tokenizer=CLIPTokenizer.from_pretrained(DATA / "text/clip"),
        tokenizer_2=CLIPTokenizer.from_pretrained(DATA / "text/clip-bang"),
        force_zeros_for_empty_prompt=changes.get("zeros", True), add_watermarker=False)


def draw(pipe, prompt, negative, seed, steps, guidance, size, told):
    latents = []

    def keep(_pipe, _step, _time, values):
        latents.append(values["latents"][0].clone())
        return values

    kwargs = {SIZES[name]: (down, across) for name, (across, down) in told.items()}
    picture = pipe(prompt, negative_prompt=negative or None, num_inference_steps=steps, guidance_scale=guidance,
                   width=size[0], height=size[1], generator=torch.Generator("cpu").manual_seed(seed),
                   output_type="pt", callback_on_step_end=keep, **kwargs).images[0]
    latents = latents[len(latents) - steps:]  # PNDM makes its first step twice
    return torch.stack(latents), (picture.permute(1, 2, 0) * 255).round().to(torch.uint8)


def draw_all(cases, make, file):
    """Every case by the pipeline that `make` makes of what differs, into tests/data/sampler/FILE.json and .safetensors."""
    vectors, told = {}, []
    for name, (prompt, negative, seed, steps, guidance, size, changes) in cases.items():
        pipe = make(changes)
        pipe.set_progress_bar_config(disable=True)
        latents, picture = draw(pipe, prompt, negative, seed, steps, guidance, size, changes.get("sizes", {}))
        vectors[f"{name}/latents"], vectors[f"{name}/picture"] = latents.contiguous(), picture.contiguous()
        print(name, "picture mean", float(picture.float().mean()), "sd", float(picture.float().std()))
        told.append({"name": name, "prompt": prompt, "negative": negative, "seed": str(seed), "steps": steps,
                     "guidance": guidance, "width": size[0], "height": size[1],
                     "scheduler": changes.get("scheduler", {}), "zeros": changes.get("zeros", True),
                     "sizes": {n: f"{across}x{down}" for n, (across, down) in changes.get("sizes", {}).items()}})
    save_file(vectors, DATA / "sampler" / f"{file}.safetensors")
    (DATA / "sampler" / f"{file}.safetensors").chmod(0o644)
    write_json(DATA / "sampler" / f"{file}.json", told)


def main():
    for name, config in CONFIGS.items():
        write_json(MODEL / name / ("scheduler_config.json" if name == "scheduler" else "config.json"), config)
    write_json(MODEL / "model_index.json", INDEX)
    write_json(MODEL / "sinkscope.json", DEFAULTS)
    draw_all(CASES, make_pipeline, "pipeline_sdxl")


if __name__ == "__main__":
    main()
