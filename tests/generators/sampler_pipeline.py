"""The tiny Stable Diffusion 3 of the tests, and golden images of it by diffusers' StableDiffusion3Pipeline.

Writes tests/data/tiny-sd3/ (every JSON file of the model; its tokenizers are those of tests/data/text, its weights the
random ones of philox_weights with seed 1, which tests/support/tiny_model.c writes) and
tests/data/sampler/pipeline.safetensors (for each case below: the latents after every step, and the image).

usage: python sampler_pipeline.py   (diffusers 0.35.2, transformers 4.57.1, torch 2.x, float32)
"""

import json
from pathlib import Path

import torch
from diffusers import (AutoencoderKL, FlowMatchEulerDiscreteScheduler, SD3Transformer2DModel,
                       StableDiffusion3Pipeline)
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModelWithProjection, CLIPTokenizer, T5Config, T5EncoderModel, T5TokenizerFast

import philox_weights

DATA = Path(__file__).resolve().parent.parent / "data"
MODEL = DATA / "tiny-sd3"
SEED = 1

CLIP = {"architectures": ["CLIPTextModelWithProjection"], "vocab_size": 1714, "max_position_embeddings": 77,
        "bos_token_id": 1712, "eos_token_id": 1713}
CONFIGS = {
    "text_encoder": CLIP | {"hidden_size": 16, "intermediate_size": 40, "num_attention_heads": 2,
                            "num_hidden_layers": 2, "projection_dim": 12, "hidden_act": "quick_gelu"},
    "text_encoder_2": CLIP | {"hidden_size": 20, "intermediate_size": 48, "num_attention_heads": 4,
                              "num_hidden_layers": 3, "projection_dim": 10, "hidden_act": "gelu"},
    "text_encoder_3": {"architectures": ["T5EncoderModel"], "vocab_size": 1200, "d_model": 40, "d_kv": 6, "d_ff": 56,
                       "num_layers": 2, "num_heads": 3, "feed_forward_proj": "gated-gelu"},
    "transformer": {"_class_name": "SD3Transformer2DModel", "sample_size": 8, "patch_size": 2, "in_channels": 4,
                    "out_channels": 4, "num_layers": 3, "attention_head_dim": 8, "num_attention_heads": 3,
                    "joint_attention_dim": 40, "caption_projection_dim": 24, "pooled_projection_dim": 22,
                    "pos_embed_max_size": 9, "qk_norm": "rms_norm", "dual_attention_layers": [0]},
    "vae": {"_class_name": "AutoencoderKL", "in_channels": 3, "out_channels": 3, "latent_channels": 4,
            "block_out_channels": [8, 16, 16], "layers_per_block": 1, "norm_num_groups": 4,
            "down_block_types": ["DownEncoderBlock2D"] * 3, "up_block_types": ["UpDecoderBlock2D"] * 3,
            "use_quant_conv": False, "use_post_quant_conv": False, "scaling_factor": 1.3, "shift_factor": 0.07},
    "scheduler": {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0},
}
INDEX = {"_class_name": "StableDiffusion3Pipeline",
         "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
         "text_encoder": ["transformers", "CLIPTextModelWithProjection"],
         "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
         "text_encoder_3": ["transformers", "T5EncoderModel"],
         "tokenizer": ["transformers", "CLIPTokenizer"], "tokenizer_2": ["transformers", "CLIPTokenizer"],
         "tokenizer_3": ["transformers", "T5TokenizerFast"],
         "transformer": ["diffusers", "SD3Transformer2DModel"], "vae": ["diffusers", "AutoencoderKL"]}
DEFAULTS = {"steps": 4, "guidance": 3.5, "width": 32, "height": 32, "max_sequence_length": 24}

# name: prompt, negative, seed, steps, guidance, (width, height), T5 tokens, what differs from the folder
CASES = {
    "plain": ("a red circle and 2 blue stars", "", 1, 4, 3.5, (32, 32), 24, {}),
    "negative": ("two green squares on the left", "blurry, grey", 2**32 + 77, 5, 6.25, (64, 32), 7, {}),
    "unguided": ("ein Ölbild", "", 12345, 3, 1.0, (24, 72), 24, {}),
    "without-t5": ("a photo of a cat", "dog", 3, 4, 4.0, (32, 32), 24, {"t5": None}),
    "dynamic": ("", "a", 4, 4, 3.0, (48, 48), 12, {"scheduler": {"use_dynamic_shifting": True}}),
}


def write_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1) + "\n")


def filled(module, tables=(), drop=()):
    philox_weights.fill(module, SEED, tables, drop)
    return module.eval()


def make_pipeline():
    configs = {k: {n: v for n, v in c.items() if n not in ("_class_name", "architectures")} for k, c in CONFIGS.items()}
    clip_tables = ["token_embedding.weight", "position_embedding.weight"]
    clip = [filled(CLIPTextModelWithProjection(CLIPTextConfig(**configs[k])), clip_tables, ["position_ids"])
            for k in ("text_encoder", "text_encoder_2")]
    t5 = filled(T5EncoderModel(T5Config(**configs["text_encoder_3"])),
                ["shared.weight", "relative_attention_bias.weight"], ["encoder.embed_tokens.weight"])
    return StableDiffusion3Pipeline(
        transformer=filled(SD3Transformer2DModel(**configs["transformer"]), ["pos_embed.pos_embed"]),
        vae=filled(AutoencoderKL(**configs["vae"])),
        scheduler=FlowMatchEulerDiscreteScheduler(**configs["scheduler"]),
        text_encoder=clip[0], tokenizer=CLIPTokenizer.from_pretrained(DATA / "text/clip"),
        text_encoder_2=clip[1], tokenizer_2=CLIPTokenizer.from_pretrained(DATA / "text/clip-bang"),
        text_encoder_3=t5, tokenizer_3=T5TokenizerFast.from_pretrained(DATA / "text/t5-plain"))


def draw(pipe, prompt, negative, seed, steps, guidance, size, tokens):
    latents = []

    def keep(_pipe, _step, _time, values):
        latents.append(values["latents"][0].clone())
        return values

    picture = pipe(prompt, negative_prompt=negative, num_inference_steps=steps, guidance_scale=guidance, width=size[0],
                   height=size[1], max_sequence_length=tokens, generator=torch.Generator("cpu").manual_seed(seed),
                   output_type="pt", callback_on_step_end=keep).images[0]
    return torch.stack(latents), (picture.permute(1, 2, 0) * 255).round().to(torch.uint8)


def main():
    for name, config in CONFIGS.items():
        write_json(MODEL / name / ("scheduler_config.json" if name == "scheduler" else "config.json"), config)
    write_json(MODEL / "model_index.json", INDEX)
    write_json(MODEL / "sinkscope.json", DEFAULTS)
    vectors, cases = {}, []
    for name, (prompt, negative, seed, steps, guidance, size, tokens, changes) in CASES.items():
        pipe = make_pipeline()
        pipe.set_progress_bar_config(disable=True)
        if "t5" in changes:
            pipe.text_encoder_3 = pipe.tokenizer_3 = None
        if "scheduler" in changes:
            pipe.scheduler = FlowMatchEulerDiscreteScheduler(**changes["scheduler"])
        latents, picture = draw(pipe, prompt, negative, seed, steps, guidance, size, tokens)
        vectors[f"{name}/latents"], vectors[f"{name}/picture"] = latents.contiguous(), picture.contiguous()
        cases.append({"name": name, "prompt": prompt, "negative": negative, "seed": str(seed), "steps": steps,
                      "guidance": guidance, "width": size[0], "height": size[1], "tokens": tokens})
    save_file(vectors, DATA / "sampler" / "pipeline.safetensors")
    (DATA / "sampler" / "pipeline.safetensors").chmod(0o644)
    write_json(DATA / "sampler" / "pipeline.json", cases)


if __name__ == "__main__":
    main()
