"""LoRA against diffusers' fused pipeline, in the names of diffusers, PEFT and kohya's scripts.

For tiny models of SD 1, SDXL and SD3 adapters of random values are made by peft (linear layers, convolutions, text
encoders; ranks and alphas that differ), written in each form, loaded and fused by diffusers, and named by --lora here:
images may differ by 1 level. Forms that diffusers reads in part or not at all (text encoders in kohya's names under
transformers 5; modules whose alphas differ) are compared with its pipeline after the sums were made in torch; how far
diffusers' own loading is from that is printed.

usage: python lora.py BUILD [WORK]   (diffusers 0.42.1, transformers 5.24.0, peft 0.21.2)
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
import transformers.integrations.peft
from diffusers import StableDiffusion3Pipeline, StableDiffusionPipeline, StableDiffusionXLPipeline
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from PIL import Image
from safetensors.torch import save_file

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "generators"))
from original_layout import unet_name  # noqa: E402

transformers.integrations.peft.MIN_PEFT_VERSION = "0.21.0"  # 5.24.0 asks for a version that PyPI does not have yet

KINDS = {"tiny-sd15": StableDiffusionPipeline, "tiny-sdxl": StableDiffusionXLPipeline, "tiny-sd3": StableDiffusion3Pipeline}
ATTENTION = ["to_q", "to_k", "to_v", "to_out.0"]
TARGETS = {"unet": ATTENTION + ["ff.net.0.proj", "proj_in", "conv1", "conv_shortcut"],
           "transformer": ATTENTION + ["add_q_proj", "add_k_proj", "add_v_proj", "ff.net.2", "norm1.linear"],
           "text_encoder": ["q_proj", "v_proj", "fc1"], "text_encoder_2": ["k_proj", "out_proj", "fc2"]}
PROMPT, SEED, STEPS, GUIDANCE, SCALE = "a red circle and 2 blue stars", 5, 4, 4.0, 0.7


def run(build, *args):
    return subprocess.run([f"{build}/cli/sinkscope", *map(str, args)], capture_output=True, text=True)


def picture(build, model, out, *more):
    done = run(build, "generate", model, "--prompt", PROMPT, "--seed", SEED, "--steps", STEPS, "--guidance", GUIDANCE,
               "--size", 32, "-o", out, *more)
    if done.returncode:
        raise SystemExit(f"{more}: {done.returncode}\n{done.stdout}{done.stderr}")
    return np.asarray(Image.open(out / f"00000-{SEED}.png")).astype(int), done.stderr


def load(kind, folder):
    more = {"safety_checker": None, "feature_extractor": None} if kind == "tiny-sd15" else {}
    pipe = KINDS[kind].from_pretrained(folder, **more)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def draw(pipe):
    more = {"max_sequence_length": 24} if isinstance(pipe, StableDiffusion3Pipeline) else {}
    return np.asarray(pipe(PROMPT, num_inference_steps=STEPS, guidance_scale=GUIDANCE, width=32, height=32,
                           generator=torch.Generator("cpu").manual_seed(SEED), **more).images[0]).astype(int)


def adapters(pipe):
    """Random adapters of the denoiser and the CLIP encoders: {component: (state dict of PEFT's names, config)}."""
    made = {}
    for name, targets in TARGETS.items():
        model = getattr(pipe, name, None)
        if model is None:
            continue
        config = LoraConfig(r=4, lora_alpha=6, target_modules=targets,
                            rank_pattern={"fc1": 2, "to_k": 3}, alpha_pattern={"to_v": 5})
        model.add_adapter(config)
        state = get_peft_model_state_dict(model)
        made[name] = ({n: 0.1 * torch.randn_like(v) for n, v in state.items()}, config)
    return made


def alpha_of(module, config):
    return next((a for p, a in config.alpha_pattern.items() if module.endswith(p)), config.lora_alpha)


def modules(state):
    return sorted({n.rsplit(".lora_", 1)[0] for n in state})


def kohya(made, original=None):
    """`original`: the config of a U-Net whose modules are called as in the original layout."""
    prefix = {"unet": "lora_unet_", "transformer": "lora_unet_",
              "text_encoder": "lora_te1_" if "text_encoder_2" in made else "lora_te_", "text_encoder_2": "lora_te2_"}
    out = {}
    for name, (state, config) in made.items():
        for module in modules(state):
            called = module
            if name.startswith("text_encoder") and not module.startswith("text_model."):
                called = "text_model." + module
            if original and name == "unet":
                called = unet_name(module + ".weight", original).removesuffix(".weight")
            key = prefix[name] + called.replace(".", "_")
            out[key + ".lora_down.weight"] = state[module + ".lora_A.weight"]
            out[key + ".lora_up.weight"] = state[module + ".lora_B.weight"]
            out[key + ".alpha"] = torch.tensor(float(alpha_of(module, config)))
    return out


def old_diffusers(made):
    """lora.down and lora.up, with alphas put into the matrices."""
    out = {}
    for name, (state, config) in made.items():
        for module in modules(state):
            down, up = state[module + ".lora_A.weight"], state[module + ".lora_B.weight"]
            part = "lora_linear_layer" if name.startswith("text_encoder") else "lora"
            out[f"{name}.{module}.{part}.down.weight"] = down
            out[f"{name}.{module}.{part}.up.weight"] = up * (alpha_of(module, config) / down.shape[0])
    return out


def joint_qkv(made):
    """SD3's original layout, where queries, keys and values are one layer: ranks side by side."""
    state, config = made["transformer"]
    out, done = {}, set()
    for stream, parts in (("x_block", ["attn.to_q", "attn.to_k", "attn.to_v"]),
                          ("context_block", ["attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"])):
        for block in range(3):
            names = [f"transformer_blocks.{block}.{p}" for p in parts]
            downs = [state[n + ".lora_A.weight"] for n in names]
            ups = [state[n + ".lora_B.weight"] * (alpha_of(n, config) / d.shape[0]) for n, d in zip(names, downs)]
            key = f"lora_unet_joint_blocks_{block}_{stream}_attn_qkv"
            out[key + ".lora_down.weight"] = torch.cat(downs)
            out[key + ".lora_up.weight"] = torch.block_diag(*ups)
            out[key + ".alpha"] = torch.tensor(float(sum(d.shape[0] for d in downs)))
            done |= set(names)
    rest = {n: v for n, v in state.items() if n.rsplit(".lora_", 1)[0] not in done}
    return out | {k: v for k, v in kohya({"transformer": (rest, config), **{n: m for n, m in made.items() if n != "transformer"}}).items()}


def fused_by_hand(pipe, made, with_alphas):
    """W + scale (alpha / rank) up down, in torch: what is expected of forms that diffusers reads in part or not at all."""
    with torch.no_grad():
        for name, (state, config) in made.items():
            parts = dict(getattr(pipe, name).named_modules())
            for module in modules(state):
                weight = (parts.get(module) or parts["text_model." + module]).weight
                down, up = state[module + ".lora_A.weight"], state[module + ".lora_B.weight"]
                alpha = alpha_of(module, config) if with_alphas else down.shape[0]
                delta = torch.einsum("or,r...->o...", up.flatten(1), down) if down.ndim == 4 else up @ down
                weight += SCALE * alpha / down.shape[0] * delta.reshape(weight.shape)
    return pipe


def check_kind(build, kind, work):
    folder = work / kind
    subprocess.run([f"{build}/tests/support/make_tiny_model", ROOT / "tests" / "data", folder, kind], check=True)
    torch.manual_seed(11)
    made = adapters(load(kind, folder))
    plain = draw(load(kind, folder))
    files = {}
    denoiser = "transformer" if kind == "tiny-sd3" else "unet"
    layers = {f"{n}_lora_layers": s for n, (s, _) in made.items()}
    KINDS[kind].save_lora_weights(work / f"{kind}-diffusers", **layers)
    files["diffusers"] = work / f"{kind}-diffusers"
    for form, tensors in {"kohya": kohya(made), "old-diffusers": old_diffusers(made)}.items():
        files[form] = work / f"{kind}-{form}.safetensors"
        save_file({n: v.contiguous() for n, v in tensors.items()}, files[form])
    if kind == "tiny-sdxl":
        files["kohya-original"] = work / "sdxl-original.safetensors"
        save_file(kohya(made, json.loads((folder / "unet/config.json").read_text())), files["kohya-original"])
    if kind == "tiny-sd3":
        files["kohya-qkv"] = work / "sd3-qkv.safetensors"
        save_file({n: v.contiguous() for n, v in joint_qkv(made).items()}, files["kohya-qkv"])
    else:
        # of one alpha: diffusers 0.42.1 does not find the modules of a file whose alphas differ, and gives all the same
        files["kohya-unet"] = work / f"{kind}-kohya-unet.safetensors"
        save_file(kohya({"unet": (made["unet"][0], LoraConfig(r=4, lora_alpha=6))}), files["kohya-unet"])
    peft = work / f"{kind}-peft"
    peft.mkdir()
    save_file({f"base_model.model.{n}": v for n, v in made[denoiser][0].items()}, peft / "adapter_model.safetensors")
    (peft / "adapter_config.json").write_text(json.dumps({"r": 4, "lora_alpha": 6}))
    files["peft"] = peft
    by_hand = {with_alphas: draw(fused_by_hand(load(kind, folder), made, with_alphas)) for with_alphas in (True, False)}
    only = {denoiser: (made[denoiser][0], LoraConfig(r=4, lora_alpha=6))}
    for form, file in files.items():
        ours, said = picture(build, folder, work / f"out-{kind}-{form}", "--lora", f"{file}:{SCALE}")
        if form in ("peft", "kohya-unet"):
            expected = draw(fused_by_hand(load(kind, folder), only, True))
        else:
            expected = by_hand[form != "diffusers"]
        most, changed = int(np.abs(ours - expected).max()), float(np.abs(ours - plain).mean())
        assert "not used" not in said, said
        try:
            pipe = load(kind, folder)
            pipe.load_lora_weights(str(file))
            pipe.fuse_lora(lora_scale=SCALE)
            theirs = f"diffusers' by {int(np.abs(ours - draw(pipe)).max())}"
        except Exception as e:  # a form that diffusers does not read for this pipeline
            theirs = f"diffusers does not read it ({str(e).splitlines()[0][:60]})"
        print(f"{kind}, {form}: differs from the sum by hand by {most} of 255, {theirs}; changes pixels by {changed:.1f}")
        assert most <= 1 and changed > 1, (kind, form)
        assert form not in ("diffusers", "old-diffusers", "kohya-unet") or theirs in ("diffusers' by 0", "diffusers' by 1"), theirs
    other = run(build, "generate", folder, "--prompt", "x", "-o", work / "other", "--lora",
                work / ("tiny-sd15-kohya.safetensors" if kind == "tiny-sd3" else "alien.safetensors"))
    if kind == "tiny-sd3":
        assert other.returncode == 3 and "is a LoRA for another model" in other.stderr or "do not fit" in other.stderr, other.stderr


def main():
    build = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        for kind in KINDS:
            check_kind(build, kind, work)


if __name__ == "__main__":
    main()
