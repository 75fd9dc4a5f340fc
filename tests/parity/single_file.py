"""Single files in original layouts against diffusers: names, values, images, and which family a file is.

Tiny random models of the five families are made by diffusers, written in their original layout (tests/generators/
original_layout.py) as .safetensors, as .ckpt and as what pytorch_lightning saves, and read by diffusers' from_single_file
and by sinkscope. Images of the two may differ by 1 level; images of a file, and of the folder that `convert` makes of
it, must be equal. Then files of the real sizes, that are all holes, must be recognised as diffusers recognises them, and
all their tensors must fit the configs that sinkscope has of the family.

usage: python single_file.py BUILD [WORK]   (diffusers 0.42.1, transformers 5.24.0, torch 2.9.1)
"""

import contextlib
import json
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from accelerate import init_empty_weights
from diffusers import (AutoencoderKL, SD3Transformer2DModel, StableDiffusion3Pipeline, StableDiffusionPipeline,
                       StableDiffusionXLPipeline, UNet2DConditionModel)
from diffusers.loaders import single_file_utils
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, T5Config, T5EncoderModel

ROOT = Path(__file__).resolve().parent.parent.parent
DATA = ROOT / "tests" / "data"
sys.path.insert(0, str(ROOT / "tests" / "generators"))
from original_layout import lightning_checkpoint, original, with_text_model  # noqa: E402

CLASSES = {"UNet2DConditionModel": UNet2DConditionModel, "AutoencoderKL": AutoencoderKL,
           "SD3Transformer2DModel": SD3Transformer2DModel}
TEXT = {"CLIPTextModel": (CLIPTextModel, CLIPTextConfig), "T5EncoderModel": (T5EncoderModel, T5Config),
        "CLIPTextModelWithProjection": (CLIPTextModelWithProjection, CLIPTextConfig)}
PIPELINES = {"StableDiffusionPipeline": StableDiffusionPipeline, "StableDiffusionXLPipeline": StableDiffusionXLPipeline,
             "StableDiffusion3Pipeline": StableDiffusion3Pipeline}
TOKENIZERS = {"tokenizer": "clip", "tokenizer_2": "clip-bang", "tokenizer_3": "t5"}

# a folder of tests/data whose configs are taken, and what is changed of them
FAMILIES = {
    "sd1": ("tiny-sd15", {}),
    "sd2": ("tiny-sd21", {}),
    "sdxl": ("tiny-sdxl", {}),
    "sd3": ("tiny-sd3", {"text_encoder": {"projection_dim": 16}, "transformer": {
        "qk_norm": None, "dual_attention_layers": [], "pooled_projection_dim": 26}}),
    "sd35": ("tiny-sd3", {"text_encoder": {"projection_dim": 16}, "transformer": {"pooled_projection_dim": 26}}),
}
PROMPT, SEED, STEPS, GUIDANCE = "a red circle and 2 blue stars", 5, 4, 4.0


def model_of(config, meta=False):
    with init_empty_weights() if meta else contextlib.nullcontext():
        if "_class_name" in config:
            return CLASSES[config["_class_name"]].from_config(config)
        model, kind = TEXT[config["architectures"][0]]
        return model(kind(**config))


def make_folder(family, folder):
    """The configs and tokenizers of a tiny model, and the state dicts of random models of these configs."""
    source, changes = FAMILIES[family]
    shutil.copytree(DATA / source, folder, dirs_exist_ok=True)
    index, states = json.loads((folder / "model_index.json").read_text()), {}
    for name in index:
        path = folder / name / "config.json"
        if path.exists():
            config = json.loads(path.read_text()) | changes.get(name, {})
            path.write_text(json.dumps(config))
            model = model_of(config)
            states[name] = {n: v.clone() for n, v in model.state_dict().items() if "position_ids" not in n}
            for n, v in states[name].items():  # what is 0 or 1 everywhere would hide a wrong name
                if "pos_embed" not in n:
                    v += 0.05 * torch.randn_like(v)
            if name == "text_encoder" and family.startswith("sd3"):
                states[name]["text_projection.weight"] = torch.eye(config["hidden_size"])
            if name == "text_encoder_3":  # such files have the table under both names
                states[name]["encoder.embed_tokens.weight"] = states[name]["shared.weight"].clone()
        elif name in TOKENIZERS and not (folder / name).exists():
            bang = family == "sd2"
            shutil.copytree(DATA / "text" / ("clip-bang" if bang else TOKENIZERS[name]), folder / name)
    return states


def run(build, *args):
    done = subprocess.run([f"{build}/cli/sinkscope", *map(str, args)], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"sinkscope {' '.join(map(str, args))}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def picture(build, model, out, *more):
    run(build, "generate", model, "--prompt", PROMPT, "--seed", SEED, "--steps", STEPS, "--guidance", GUIDANCE, "-o", out,
        *more)
    return np.asarray(Image.open(out / f"00000-{SEED}.png")).astype(int)


def reference(file, folder):
    index = json.loads((folder / "model_index.json").read_text())
    left_out = {n: None for n in ("safety_checker", "feature_extractor", "image_encoder") if n in index}
    pipe = PIPELINES[index["_class_name"]].from_single_file(str(file), config=str(folder), local_files_only=True, **left_out)
    for part in pipe.components.values():
        if isinstance(part, torch.nn.Module):
            part.eval()  # diffusers 0.42.1 leaves T5 with its dropout on, and draws another picture each time
    pipe.set_progress_bar_config(disable=True)
    size = json.loads((folder / "sinkscope.json").read_text())
    more = {"max_sequence_length": size["max_sequence_length"]} if "max_sequence_length" in size else {}
    image = pipe(PROMPT, num_inference_steps=STEPS, guidance_scale=GUIDANCE, width=size["width"], height=size["height"],
                 generator=torch.Generator("cpu").manual_seed(SEED), **more).images[0]
    return np.asarray(image).astype(int), {n: c for n, c in pipe.components.items() if hasattr(c, "state_dict")}


def compare_values(components, converted, family):
    for name, model in components.items():
        theirs = model.state_dict()
        theirs = with_text_model(theirs) if name in ("text_encoder", "text_encoder_2") else theirs
        ours = load_file(next((converted / name).glob("*.safetensors")))
        for n, v in theirs.items():
            if n.endswith("position_ids") or n in ("encoder.embed_tokens.weight", "shared.weight"):  # one of the two
                continue
            assert n in ours, f"{family}: {name}: {n} is missing"
            assert torch.equal(v.float(), ours[n].float()), f"{family}: {name}: {n} differs"
        more = set(ours) - set(theirs) - {"encoder.embed_tokens.weight", "shared.weight"}
        assert not more, f"{family}: {name}: {sorted(more)} are too many"


def check_family(build, family, work):
    folder = work / family
    torch.manual_seed(7)
    states = make_folder(family, folder)
    tensors = original(folder, states=states)
    files = {"safetensors": work / f"{family}.safetensors", "ckpt": work / f"{family}.ckpt",
             "lightning": work / f"{family}-lightning.ckpt"}
    save_file(tensors, files["safetensors"])
    torch.save({"state_dict": tensors, "global_step": 1}, files["ckpt"])
    torch.save(lightning_checkpoint(tensors), files["lightning"])
    theirs, components = reference(files["safetensors"], folder)
    pictures = {kind: picture(build, file, work / f"out-{family}-{kind}", "--config", folder)
                for kind, file in files.items()}
    run(build, "convert", files["safetensors"], "--config", folder, "-o", work / f"{family}-converted")
    pictures["converted"] = picture(build, work / f"{family}-converted", work / f"out-{family}-converted", "--size",
                                    f"{theirs.shape[1]}x{theirs.shape[0]}")
    parts = work / f"{family}-vae.safetensors"  # an autoencoder of its own in the original layout, and a text encoder's weights
    save_file({n.removeprefix("first_stage_model."): v for n, v in tensors.items() if n.startswith("first_stage_model.")}, parts)
    pictures["parts"] = picture(build, files["ckpt"], work / f"out-{family}-parts", "--config", folder, "--vae", parts,
                                "--text-encoder", work / f"{family}-converted/text_encoder/model.safetensors")
    compare_values(components, work / f"{family}-converted", family)
    most = int(np.abs(pictures["safetensors"] - theirs).max())
    for kind, p in pictures.items():
        assert np.array_equal(p, pictures["safetensors"]), (family, kind)
    print(f"{family}: {len(tensors)} tensors, values equal, pictures of {', '.join(pictures)} equal, "
          f"diffusers' differs by {most} of 255 (mean {theirs.mean():.1f}, sd {theirs.std():.1f})")
    assert most <= 1, family


# ---- real sizes ----

CLIP = {"vocab_size": 49408, "max_position_embeddings": 77}
CLIP_L = CLIP | {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12, "num_hidden_layers": 12,
                 "projection_dim": 768, "hidden_act": "quick_gelu"}
CLIP_G = CLIP | {"hidden_size": 1280, "intermediate_size": 5120, "num_attention_heads": 20, "num_hidden_layers": 32,
                 "projection_dim": 1280, "hidden_act": "gelu", "architectures": ["CLIPTextModelWithProjection"]}
CLIP_H = CLIP | {"hidden_size": 1024, "intermediate_size": 4096, "num_attention_heads": 16, "num_hidden_layers": 23,
                 "hidden_act": "gelu", "architectures": ["CLIPTextModel"]}
PLAIN, POOLED = {"architectures": ["CLIPTextModel"]}, {"architectures": ["CLIPTextModelWithProjection"]}
T5 = {"architectures": ["T5EncoderModel"], "vocab_size": 32128, "d_model": 4096, "d_kv": 64, "d_ff": 10240,
      "num_layers": 24, "num_heads": 64, "feed_forward_proj": "gated-gelu"}
VAE = {"_class_name": "AutoencoderKL", "block_out_channels": [128, 256, 512, 512], "layers_per_block": 2,
       "down_block_types": ["DownEncoderBlock2D"] * 4, "up_block_types": ["UpDecoderBlock2D"] * 4}
VAE3 = VAE | {"latent_channels": 16, "use_quant_conv": False, "use_post_quant_conv": False}
UNET = {"_class_name": "UNet2DConditionModel",  # the class's other defaults are SD 1's
        "up_block_types": ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3}
UNET1 = UNET | {"cross_attention_dim": 768}
UNET2 = UNET | {"cross_attention_dim": 1024, "attention_head_dim": [5, 10, 20, 20], "use_linear_projection": True}
UNETX = UNET | {"cross_attention_dim": 2048, "attention_head_dim": [5, 10, 20], "use_linear_projection": True,
                "block_out_channels": [320, 640, 1280], "transformer_layers_per_block": [1, 2, 10],
                "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
                "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
                "addition_embed_type": "text_time", "addition_time_embed_dim": 256,
                "projection_class_embeddings_input_dim": 2816}
MMDIT = {"_class_name": "SD3Transformer2DModel", "num_layers": 24, "num_attention_heads": 24,
         "caption_projection_dim": 1536, "joint_attention_dim": 4096, "pos_embed_max_size": 192}
MEDIUM = MMDIT | {"pos_embed_max_size": 384, "qk_norm": "rms_norm", "dual_attention_layers": list(range(13))}
LARGE = MMDIT | {"num_layers": 38, "num_attention_heads": 38, "caption_projection_dim": 2432, "qk_norm": "rms_norm"}
SD, XL, SD3 = "StableDiffusionPipeline", "StableDiffusionXLPipeline", "StableDiffusion3Pipeline"
TEXTS3 = {"text_encoder": CLIP_L | POOLED, "text_encoder_2": CLIP_G}

# diffusers' name of the family, how sinkscope calls it, the pipeline, its components in the file
REAL = {
    "v1": ("Stable Diffusion 1", SD, {"unet": UNET1, "vae": VAE, "text_encoder": CLIP_L | PLAIN}),
    "v2": ("Stable Diffusion 2", SD, {"unet": UNET2, "vae": VAE, "text_encoder": CLIP_H}),
    "xl_base": ("Stable Diffusion XL base", XL, {"unet": UNETX, "vae": VAE, "text_encoder": CLIP_L | PLAIN,
                                                 "text_encoder_2": CLIP_G}),
    "sd3": ("Stable Diffusion 3 medium", SD3, {"transformer": MMDIT, "vae": VAE3} | TEXTS3 | {"text_encoder_3": T5}),
    "sd35_medium": ("Stable Diffusion 3.5 medium", SD3, {"transformer": MEDIUM, "vae": VAE3}),
    "sd35_large": ("Stable Diffusion 3.5 large", SD3, {"transformer": LARGE, "vae": VAE3}),
}


def write_hole(path, tensors):
    """A safetensors file of these names and shapes in float16 whose data are a hole."""
    header, at = {}, 0
    for name, value in tensors.items():
        size = 2 * value.numel()
        header[name] = {"dtype": "F16", "shape": list(value.shape), "data_offsets": [at, at + size]}
        at += size
    words = json.dumps(header).encode()
    words += b" " * (-len(words) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(words)) + words)
        f.truncate(8 + len(words) + at)


def check_real(build, kind, work):
    name, pipeline, configs = REAL[kind]
    folder = work / f"real-{kind}"
    folder.mkdir()
    (folder / "model_index.json").write_text(json.dumps({"_class_name": pipeline}))
    states = {}
    for component, config in configs.items():
        (folder / component).mkdir()
        (folder / component / "config.json").write_text(json.dumps({**config, "layers_per_block": 2}))
        small = {"pos_embed_max_size": 4} if component == "transformer" else {}  # a table that is computed, and large
        states[component] = {n: v for n, v in model_of(config | small, meta=True).state_dict().items()
                             if n != "encoder.embed_tokens.weight"}
        if small:
            width = config["caption_projection_dim"]
            states[component]["pos_embed.pos_embed"] = torch.empty(1, config["pos_embed_max_size"] ** 2, width,
                                                                   device="meta")
    with torch.device("meta"):
        tensors = original(folder, states=states)
    assert single_file_utils.infer_diffusers_model_type(tensors) == kind, kind
    write_hole(work / f"{kind}.safetensors", tensors)
    told = run(build, "inspect", work / f"{kind}.safetensors")
    assert f"recognised as {name} (by its tensors" in told, told
    for component in configs:
        assert f"  {component:16} from " in told, told
    for component in ("text_encoder", "text_encoder_2", "text_encoder_3"):
        if component not in configs and pipeline == SD3:
            assert f"  {component:16} not in the file" in told, told
    print(f"{kind}: {len(tensors)} tensors of the real sizes, recognised as {name}, every name and shape as sinkscope's "
          "configs have them")


def main():
    build = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as made:
        work = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(made)
        work.mkdir(parents=True, exist_ok=True)
        for family in FAMILIES:
            check_family(build, family, work)
        for kind in REAL:
            check_real(build, kind, work)


if __name__ == "__main__":
    main()
