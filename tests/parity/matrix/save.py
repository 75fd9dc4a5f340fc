"""Save tiny random pipelines, a scorer and tokenizers of the versions at hand, as their own save_pretrained writes them.

usage: python save.py OUT MODELS   (OUT is made; MODELS: the repository's models/, whose tokenizers are taken)

Every kind that the program reads is there once: SD 1, SD 2, SDXL, SD3 with and without T5, `.bin` files, a variant that
only some components have, CLIPModel with its processor. Weights are seeded, biases and norms are moved from 0 and 1, so
that a tensor that is swapped or left out shows.
"""

import os
import shutil
import sys
import warnings
from pathlib import Path

import torch
import transformers
from diffusers import (AutoencoderKL, DDIMScheduler, EulerDiscreteScheduler, FlowMatchEulerDiscreteScheduler,
                       PNDMScheduler, SD3Transformer2DModel, StableDiffusion3Pipeline, StableDiffusionPipeline,
                       StableDiffusionXLPipeline, UNet2DConditionModel)

warnings.filterwarnings("ignore")
BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}


def seeded(make, seed):
    torch.manual_seed(seed)
    model = make().eval()
    generator = torch.Generator().manual_seed(seed + 1)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.ndim == 1:
                p.add_(torch.randn(p.shape, generator=generator) * 0.1)
            elif "embed" in name or "shared" in name:
                p.copy_(torch.randn(p.shape, generator=generator) * 0.5)
    return model


def clip_text(kind, words, act, seed):
    config = transformers.CLIPTextConfig(
        vocab_size=len(words), hidden_size=32, intermediate_size=37, num_hidden_layers=3, num_attention_heads=4,
        max_position_embeddings=words.model_max_length, projection_dim=32, hidden_act=act, bos_token_id=words.bos_token_id,
        eos_token_id=words.eos_token_id, pad_token_id=words.pad_token_id)
    return seeded(lambda: kind(config), seed)


def t5(words):
    config = transformers.T5Config(vocab_size=len(words), d_model=64, d_ff=96, d_kv=16, num_layers=2, num_heads=4,
                                   feed_forward_proj="gated-gelu", is_encoder_decoder=False, use_cache=False)
    return seeded(lambda: transformers.T5EncoderModel(config), 3)


def vae(**more):
    return seeded(lambda: AutoencoderKL(
        block_out_channels=(16, 32), latent_channels=4, norm_num_groups=8, sample_size=64,
        down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2, **more), 4)


def unet(**more):
    return seeded(lambda: UNet2DConditionModel(
        block_out_channels=(16, 32), layers_per_block=1, sample_size=32, norm_num_groups=8, attention_head_dim=(2, 4),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        **more), 5)


def mmdit():
    return seeded(lambda: SD3Transformer2DModel(
        sample_size=16, patch_size=2, in_channels=4, out_channels=4, num_layers=2, attention_head_dim=16,
        num_attention_heads=2, joint_attention_dim=64, caption_projection_dim=32, pooled_projection_dim=64,
        pos_embed_max_size=16), 6)


def stable_diffusion(words, scheduler, act, **more):
    return StableDiffusionPipeline(
        unet=unet(cross_attention_dim=32, **more), scheduler=scheduler, vae=vae(), tokenizer=words,
        text_encoder=clip_text(transformers.CLIPTextModel, words, act, 1), safety_checker=None, feature_extractor=None,
        image_encoder=None, requires_safety_checker=False)


def make(models):
    clip = [transformers.CLIPTokenizer.from_pretrained(models / "shapes-sd3" / name) for name in ("tokenizer", "tokenizer_2")]
    pieces = transformers.AutoTokenizer.from_pretrained(models / "shapes-sd3" / "tokenizer_3")
    wide = transformers.CLIPTextModelWithProjection
    sd3 = {"transformer": mmdit(), "scheduler": FlowMatchEulerDiscreteScheduler(shift=3.0),
           "vae": vae(scaling_factor=1.2, shift_factor=0.06), "tokenizer": clip[0], "tokenizer_2": clip[1],
           "text_encoder": clip_text(wide, clip[0], "quick_gelu", 1), "text_encoder_2": clip_text(wide, clip[1], "gelu", 2)}
    sdxl = StableDiffusionXLPipeline(
        unet=unet(cross_attention_dim=64, use_linear_projection=True, addition_embed_type="text_time",
                  addition_time_embed_dim=8, transformer_layers_per_block=(1, 2), projection_class_embeddings_input_dim=80),
        scheduler=EulerDiscreteScheduler(timestep_spacing="leading", **BETAS), vae=vae(), tokenizer=clip[0],
        tokenizer_2=clip[1], text_encoder=clip_text(transformers.CLIPTextModel, clip[0], "quick_gelu", 1),
        text_encoder_2=clip_text(wide, clip[1], "gelu", 2), add_watermarker=False)
    return {
        "sd1": stable_diffusion(clip[0], PNDMScheduler(skip_prk_steps=True, **BETAS), "quick_gelu"),
        "sd2": stable_diffusion(clip[0], DDIMScheduler(prediction_type="v_prediction", set_alpha_to_one=False, clip_sample=False,
                                                       **BETAS), "gelu", use_linear_projection=True),
        "sdxl": sdxl,
        "sd3": StableDiffusion3Pipeline(text_encoder_3=t5(pieces), tokenizer_3=pieces, **sd3),
        "sd3-without-t5": StableDiffusion3Pipeline(text_encoder_3=None, tokenizer_3=None, **sd3),
    }


def save_scorer(out, words):
    config = transformers.CLIPConfig(
        projection_dim=32,
        text_config={"vocab_size": len(words), "hidden_size": 32, "intermediate_size": 37, "num_hidden_layers": 3,
                     "num_attention_heads": 4, "max_position_embeddings": words.model_max_length,
                     "bos_token_id": words.bos_token_id, "eos_token_id": words.eos_token_id},
        vision_config={"hidden_size": 32, "intermediate_size": 37, "num_hidden_layers": 3, "num_attention_heads": 4,
                       "image_size": 32, "patch_size": 8})
    seeded(lambda: transformers.CLIPModel(config), 7).save_pretrained(out)
    side = {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}
    transformers.CLIPProcessor(transformers.CLIPImageProcessor(**side), words).save_pretrained(out)


def main():
    out, models = Path(sys.argv[1]), Path(sys.argv[2])
    shutil.rmtree(out, ignore_errors=True)
    os.makedirs(out)
    pipelines = make(models)
    for name, pipe in pipelines.items():
        pipe.save_pretrained(out / name)
    pipelines["sdxl"].save_pretrained(out / "sdxl-bin", safe_serialization=False)
    # The variant: the denoiser alone has it, beside the plain file of another precision.
    shutil.copytree(out / "sdxl", out / "sdxl-variant")
    half = seeded(lambda: pipelines["sdxl"].unet, 8).half()
    half.save_pretrained(out / "sdxl-variant" / "unet", variant="fp16")
    save_scorer(out / "scorer", pipelines["sd1"].tokenizer)
    words = transformers.BertTokenizer(vocab_file=str(models.parent / "tests/data/text/bert/vocab.txt"), do_lower_case=True) \
        if int(transformers.__version__.split(".")[0]) < 5 else \
        transformers.BertTokenizer.from_pretrained(models.parent / "tests/data/text/bert")
    words.save_pretrained(out / "bert")


if __name__ == "__main__":
    main()
