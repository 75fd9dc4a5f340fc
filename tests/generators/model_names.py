"""Miniature component folders under names and in types that checkpoints come with, and what transformers and diffusers
compute with them: tests/data/model/names/CASE/ (the folder) and CASE/want.safetensors (in/NAME, out/NAME).

usage: python model_names.py   (transformers 5.24.0, diffusers 0.42.1, torch 2.9.1, float32)
"""

import json
import shutil

import torch
import transformers
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file
from transformers import CLIPConfig, CLIPModel, CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection
from transformers import T5Config, T5EncoderModel, T5ForConditionalGeneration

from model_vectors import OUT

torch.manual_seed(21)
TEXT = dict(vocab_size=20, hidden_size=8, intermediate_size=12, num_hidden_layers=2, num_attention_heads=2,
            max_position_embeddings=6, projection_dim=4, bos_token_id=18, eos_token_id=19, pad_token_id=19)
VISION = dict(hidden_size=8, intermediate_size=12, num_hidden_layers=1, num_attention_heads=2, image_size=8, patch_size=4,
              projection_dim=4)
T5 = dict(vocab_size=20, d_model=8, d_ff=12, d_kv=4, num_layers=2, num_heads=2, feed_forward_proj="gated-gelu",
          decoder_start_token_id=0)
VAE = dict(block_out_channels=(4, 4), norm_num_groups=2, latent_channels=2, in_channels=3, out_channels=3,
           down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2)
IDS = torch.tensor([[18, 3, 7, 11, 19, 19], [18, 1, 2, 19, 19, 19]])
T5_IDS = torch.tensor([[3, 7, 11, 1, 0], [2, 9, 1, 0, 0]])


def spread(model):
    """Values that show a tensor that is dropped or swapped."""
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.randn(p.shape) * (0.3 if p.ndim > 1 else 0.1) + (p.ndim == 1) * p)
    return model.eval()


def folder(case, model, change=lambda tensors: tensors):
    path = OUT / "names" / case
    shutil.rmtree(path, ignore_errors=True)
    model.save_pretrained(path)
    (path / "generation_config.json").unlink(missing_ok=True)
    file = next(path.glob("*.safetensors"))
    save_file({k: v.contiguous() for k, v in change(load_file(file)).items()}, file, {"format": "pt"})
    file.chmod(0o644)
    return path


def want(path, inputs, outputs):
    tensors = {f"in/{k}": v.to(torch.int32) if v.dtype == torch.int64 else v for k, v in inputs.items()}
    tensors |= {f"out/{k}": v.detach().float().clone(memory_format=torch.contiguous_format) for k, v in outputs.items()}
    save_file(tensors, path / "want.safetensors")
    (path / "want.safetensors").chmod(0o644)


def clip(case, saved, opened, change=lambda tensors: tensors):
    path = folder(case, saved, change)
    model = opened.from_pretrained(path, dtype=torch.float32).eval()
    with torch.no_grad():
        out = model(IDS, output_hidden_states=True)
    want(path, {"input_ids": IDS}, {"last_hidden_state": out.last_hidden_state, "penultimate": out.hidden_states[-2],
                                    "pooled": out.text_embeds if "text_embeds" in out else out.pooler_output})


def t5(case, saved, change=lambda tensors: tensors):
    path = folder(case, saved, change)
    model = T5EncoderModel.from_pretrained(path, dtype=torch.float32).eval()
    with torch.no_grad():
        want(path, {"input_ids": T5_IDS}, {"last_hidden_state": model(T5_IDS).last_hidden_state})


OLD = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}


def old_name(name):
    for new, old in OLD.items():
        name = name.replace(f"attentions.0.{new}.", f"attentions.0.{old}.")
    return name


def vae(case, change):
    path = folder(case, spread(AutoencoderKL(**VAE)), change)
    model = AutoencoderKL.from_pretrained(path, torch_dtype=torch.float32).eval()
    latents, sample = torch.randn(1, 2, 3, 2), torch.randn(1, 3, 6, 4)
    with torch.no_grad():
        want(path, {"latents": latents, "sample": sample},
             {"decoded": model.decode(latents).sample, "mean": model.encode(sample).latent_dist.mean})


def second_table(tensors):
    return tensors | {"encoder.embed_tokens.weight": torch.randn(tensors["shared.weight"].shape)}


def part_of_8_bits(dtype):
    """Linear layers in 8 bits, norms and tables as they are."""
    return lambda tensors: {k: v.to(dtype) if v.ndim == 2 and "layer.0" in k else v for k, v in tensors.items()}


text = spread(CLIPTextModel(CLIPTextConfig(**TEXT)))
head = spread(CLIPTextModelWithProjection(CLIPTextConfig(**TEXT)))
whole = spread(CLIPModel(CLIPConfig(text_config=TEXT, vision_config=VISION, projection_dim=4)))
clip("clip-bare", text, CLIPTextModel)
assert all(not k.startswith("text_model.") for k in load_file(OUT / "names/clip-bare/model.safetensors"))
clip("clip-bare-head", head, CLIPTextModelWithProjection,
     lambda tensors: {k.removeprefix("text_model."): v for k, v in tensors.items()})
clip("clip-bare-and-prefixed", text, CLIPTextModel,
     lambda tensors: tensors | {"text_model." + k: torch.randn(v.shape) for k, v in tensors.items()})
clip("clip-whole", whole, CLIPTextModel)
clip("clip-whole-head", whole, CLIPTextModelWithProjection)
clip("clip-other-head", head, CLIPTextModel)
t5("t5-whole", spread(T5ForConditionalGeneration(T5Config(**T5, num_decoder_layers=1))))
encoder = spread(T5EncoderModel(T5Config(**T5)))
t5("t5-two-tables", encoder, second_table)
t5("t5-e4m3", encoder, part_of_8_bits(torch.float8_e4m3fn))
t5("t5-e5m2", encoder, part_of_8_bits(torch.float8_e5m2))
vae("vae-old", lambda tensors: {old_name(k): v for k, v in tensors.items()})
vae("vae-mixed-f64", lambda tensors: {old_name(k) if k.startswith("encoder") else k: v.double() for k, v in tensors.items()}
    | {"loss.logvar": torch.zeros(())})
vae("vae-both", lambda tensors: tensors | {old_name(k): torch.randn(v.shape) for k, v in tensors.items() if old_name(k) != k})
for config in (OUT / "names").glob("*/config.json"):
    values = json.loads(config.read_text())
    config.write_text(json.dumps(values, indent=1) + "\n")
print("transformers", transformers.__version__)
