"""Models in diffusers' form as single files in their original layouts, for tests: the inverse of what the program does.

Names are turned by rules of this file's own, which share nothing with model/original_maps.c; `check` gives the result to
diffusers' own convert functions and compares what they make of it with what went in.

usage: python original_layout.py FOLDER FILE.safetensors|FILE.ckpt [--without COMPONENT ...] [--lightning]
"""

import argparse
import json
import re
import sys
import types
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

WEIGHTS = {"unet": "diffusion_pytorch_model", "transformer": "diffusion_pytorch_model", "vae": "diffusion_pytorch_model",
           "text_encoder": "model", "text_encoder_2": "model", "text_encoder_3": "model"}


def replaced(name, pairs):
    for old, new in pairs:
        name = name.replace(old, new)
    return name


RESNET = [("norm1.", "in_layers.0."), ("conv1.", "in_layers.2."), ("time_emb_proj.", "emb_layers.1."),
          ("norm2.", "out_layers.0."), ("conv2.", "out_layers.3."), ("conv_shortcut.", "skip_connection.")]
UNET_ENDS = [("time_embedding.linear_1.", "time_embed.0."), ("time_embedding.linear_2.", "time_embed.2."),
             ("add_embedding.linear_1.", "label_emb.0.0."), ("add_embedding.linear_2.", "label_emb.0.2."),
             ("conv_norm_out.", "out.0."), ("conv_out.", "out.2."), ("conv_in.", "input_blocks.0.0.")]


def unet_name(name, config):
    layers = config["layers_per_block"]
    m = re.match(r"(down|up)_blocks\.(\d+)\.(resnets|attentions|downsamplers|upsamplers)\.(\d+)\.(.*)", name)
    if m:
        way, block, kind, layer, rest = m[1], int(m[2]), m[3], int(m[4]), m[5]
        if kind == "resnets":
            rest = replaced(rest, RESNET)
        if way == "down":
            if kind == "downsamplers":
                return f"input_blocks.{(block + 1) * (layers + 1)}.0.op.{rest.removeprefix('conv.')}"
            return f"input_blocks.{1 + block * (layers + 1) + layer}.{0 if kind == 'resnets' else 1}.{rest}"
        first = block * (layers + 1)
        if kind == "upsamplers":
            attends = "Attn" in config["up_block_types"][block]
            return f"output_blocks.{first + layers}.{2 if attends else 1}.{rest}"
        return f"output_blocks.{first + layer}.{0 if kind == 'resnets' else 1}.{rest}"
    m = re.match(r"mid_block\.(resnets|attentions)\.(\d+)\.(.*)", name)
    if m:
        return f"middle_block.{1 if m[1] == 'attentions' else 2 * int(m[2])}." + (
            replaced(m[3], RESNET) if m[1] == "resnets" else m[3])
    for new, old in UNET_ENDS:
        if name.startswith(new):
            return old + name[len(new):]
    raise ValueError(name)


def vae_tensor(name, value, config):
    blocks = len(config["block_out_channels"])
    name = name.replace("conv_norm_out.", "norm_out.").replace("conv_shortcut.", "nin_shortcut.")
    name = re.sub(r"mid_block\.resnets\.(\d)\.", lambda m: f"mid.block_{int(m[1]) + 1}.", name)
    name = re.sub(r"down_blocks\.(\d+)\.resnets\.(\d+)\.", r"down.\1.block.\2.", name)
    name = re.sub(r"down_blocks\.(\d+)\.downsamplers\.0\.", r"down.\1.downsample.", name)
    name = re.sub(r"up_blocks\.(\d+)\.resnets\.(\d+)\.", lambda m: f"up.{blocks - 1 - int(m[1])}.block.{m[2]}.", name)
    name = re.sub(r"up_blocks\.(\d+)\.upsamplers\.0\.", lambda m: f"up.{blocks - 1 - int(m[1])}.upsample.", name)
    if ".mid_block.attentions.0." in name:
        name = name.replace(".mid_block.attentions.0.", ".mid.attn_1.")
        name = replaced(name, [("group_norm.", "norm."), ("to_q.", "q."), ("to_k.", "k."), ("to_v.", "v."),
                               ("to_out.0.", "proj_out.")])
        if value.ndim == 2:
            value = value[:, :, None, None]
    return name, value


def swapped(value):
    return torch.cat(list(reversed(value.chunk(2))))


def mmdit(state, config):
    out, last = {}, config["num_layers"] - 1
    ends = [("pos_embed.proj.", "x_embedder.proj."), ("time_text_embed.timestep_embedder.linear_1.", "t_embedder.mlp.0."),
            ("time_text_embed.timestep_embedder.linear_2.", "t_embedder.mlp.2."),
            ("time_text_embed.text_embedder.linear_1.", "y_embedder.mlp.0."),
            ("time_text_embed.text_embedder.linear_2.", "y_embedder.mlp.2."), ("context_embedder.", "context_embedder."),
            ("proj_out.", "final_layer.linear.")]
    parts = {"attn.to_q.": ("x_block.attn.qkv.", 0), "attn.to_k.": ("x_block.attn.qkv.", 1),
             "attn.to_v.": ("x_block.attn.qkv.", 2), "attn2.to_q.": ("x_block.attn2.qkv.", 0),
             "attn2.to_k.": ("x_block.attn2.qkv.", 1), "attn2.to_v.": ("x_block.attn2.qkv.", 2),
             "attn.add_q_proj.": ("context_block.attn.qkv.", 0), "attn.add_k_proj.": ("context_block.attn.qkv.", 1),
             "attn.add_v_proj.": ("context_block.attn.qkv.", 2)}
    plain = [("attn.to_out.0.", "x_block.attn.proj."), ("attn2.to_out.0.", "x_block.attn2.proj."),
             ("attn.to_add_out.", "context_block.attn.proj."), ("attn.norm_q.", "x_block.attn.ln_q."),
             ("attn.norm_k.", "x_block.attn.ln_k."), ("attn2.norm_q.", "x_block.attn2.ln_q."),
             ("attn2.norm_k.", "x_block.attn2.ln_k."), ("attn.norm_added_q.", "context_block.attn.ln_q."),
             ("attn.norm_added_k.", "context_block.attn.ln_k."), ("norm1.linear.", "x_block.adaLN_modulation.1."),
             ("norm1_context.linear.", "context_block.adaLN_modulation.1."), ("ff.net.0.proj.", "x_block.mlp.fc1."),
             ("ff.net.2.", "x_block.mlp.fc2."), ("ff_context.net.0.proj.", "context_block.mlp.fc1."),
             ("ff_context.net.2.", "context_block.mlp.fc2.")]
    joined = {}
    for name, value in state.items():
        m = re.match(r"transformer_blocks\.(\d+)\.(.*)", name)
        if name == "pos_embed.pos_embed":
            out["pos_embed"] = value
        elif name.startswith("norm_out.linear."):
            out["final_layer.adaLN_modulation.1." + name[len("norm_out.linear."):]] = swapped(value)
        elif not m:
            new, old = next((n, o) for n, o in ends if name.startswith(n))
            out[old + name[len(new):]] = value
        else:
            block, inner = int(m[1]), m[2]
            part = next((p for p in parts if inner.startswith(p)), None)
            if part:
                target, i = parts[part]
                joined.setdefault(f"joint_blocks.{block}.{target}{inner[len(part):]}", [None] * 3)[i] = value
            else:
                new, old = next((n, o) for n, o in plain if inner.startswith(n))
                if block == last and new == "norm1_context.linear.":
                    value = swapped(value)
                out[f"joint_blocks.{block}.{old}{inner[len(new):]}"] = value
    out.update({name: torch.cat(values) for name, values in joined.items()})
    return out


def open_clip(state, extra_layers=0):
    out, joined = {}, {}
    ends = {"text_model.embeddings.position_embedding.weight": "positional_embedding",
            "text_model.embeddings.token_embedding.weight": "token_embedding.weight",
            "text_model.final_layer_norm.weight": "ln_final.weight", "text_model.final_layer_norm.bias": "ln_final.bias"}
    pairs = [("layer_norm1", "ln_1"), ("layer_norm2", "ln_2"), ("mlp.fc1", "mlp.c_fc"), ("mlp.fc2", "mlp.c_proj"),
             ("self_attn.out_proj", "attn.out_proj")]
    for name, value in state.items():
        m = re.match(r"text_model\.encoder\.layers\.(\d+)\.(.*)", name)
        if name in ends:
            out[ends[name]] = value
        elif name == "text_projection.weight":
            out["text_projection"] = value.T.contiguous()
        elif re.match(r"self_attn\.[qkv]_proj", m[2]):
            target = f"transformer.resblocks.{m[1]}.attn.in_proj_{m[2].split('.')[-1]}"
            joined.setdefault(target, [None] * 3)["qkv".index(m[2][len("self_attn.")])] = value
        else:
            out[f"transformer.resblocks.{m[1]}.{replaced(m[2], pairs)}"] = value
    out.update({name: torch.cat(values) for name, values in joined.items()})
    out["logit_scale"] = torch.tensor(4.6)
    return out


def under(prefix, state):
    return {prefix + name: value for name, value in state.items()}


def with_text_model(state):
    """transformers 5.6 leaves text_model out of CLIPTextModel's names."""
    if any(n.startswith("text_model.") for n in state):
        return state
    return {n if n.startswith("text_projection") else "text_model." + n: v for n, v in state.items()}


def original(folder, without=(), states=None):
    """All tensors of the single file. `states`: state dicts by component in place of the folder's files."""
    index = json.loads((folder / "model_index.json").read_text())
    kind, out = index["_class_name"], {}

    def state(name):
        if states is not None:
            return states.get(name)
        path = folder / name / f"{WEIGHTS[name]}.safetensors"
        return load_file(path) if name not in without and path.exists() else None

    def config(name):
        return json.loads((folder / name / "config.json").read_text())

    if (s := state("unet")) is not None:
        out |= under("model.diffusion_model.", {unet_name(n, config("unet")): v for n, v in s.items()})
    if (s := state("transformer")) is not None:
        out |= under("model.diffusion_model.", mmdit(s, config("transformer")))
    if (s := state("vae")) is not None:
        out |= under("first_stage_model.", dict(vae_tensor(n, v, config("vae")) for n, v in s.items()))
    if (s := state("text_encoder")) is not None:
        s = with_text_model(s)
        if kind == "StableDiffusion3Pipeline":
            s.pop("text_projection.weight", None)
            out |= under("text_encoders.clip_l.transformer.", s)
        elif kind == "StableDiffusionXLPipeline":
            out |= under("conditioner.embedders.0.transformer.", s)
        elif config("text_encoder")["hidden_act"] == "gelu":
            out |= under("cond_stage_model.model.", open_clip(s))
        else:
            out |= under("cond_stage_model.transformer.", s)
            out["cond_stage_model.transformer.text_model.embeddings.position_ids"] = torch.arange(77)[None]
    if (s := state("text_encoder_2")) is not None:
        s = with_text_model(s)
        if kind == "StableDiffusion3Pipeline":
            out |= under("text_encoders.clip_g.transformer.", s)
        else:
            out |= under("conditioner.embedders.1.model.", open_clip(s))
    if (s := state("text_encoder_3")) is not None:
        out |= under("text_encoders.t5xxl.transformer.", s)
    if kind != "StableDiffusion3Pipeline":  # what training leaves in such files
        out |= {"alphas_cumprod": torch.linspace(1, 0, 4), "model_ema.decay": torch.tensor(0.9999)}
    return {n: v.contiguous() for n, v in out.items()}


def lightning_checkpoint(tensors):
    """What pytorch_lightning writes: the weights under state_dict, beside objects of classes of its own."""
    package = types.ModuleType("pytorch_lightning")
    callbacks = types.ModuleType("pytorch_lightning.callbacks")
    module = types.ModuleType("pytorch_lightning.callbacks.model_checkpoint")

    class ModelCheckpoint:
        def __init__(self):
            self.monitor = "val/loss"

    ModelCheckpoint.__module__ = module.__name__
    ModelCheckpoint.__qualname__ = "ModelCheckpoint"
    module.ModelCheckpoint = ModelCheckpoint
    for m in (package, callbacks, module):
        sys.modules[m.__name__] = m
    return {"epoch": 4, "global_step": 875000, "pytorch-lightning_version": "1.4.2", "state_dict": tensors,
            "callbacks": {ModelCheckpoint: {"monitor": "val/loss", "best_model_score": torch.tensor(0.1), "object": ModelCheckpoint()}},
            "optimizer_states": [], "lr_schedulers": [{"base_lrs": [1.0], "last_epoch": 3, "lr_lambdas": [None]}]}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("file", type=Path)
    parser.add_argument("--without", nargs="*", default=[])
    parser.add_argument("--lightning", action="store_true")
    parser.add_argument("--half", action="store_true")
    args = parser.parse_args()
    tensors = original(args.folder, args.without)
    if args.half:
        tensors = {n: v.half() if v.is_floating_point() else v for n, v in tensors.items()}
    if args.file.suffix == ".safetensors":
        save_file(tensors, args.file)
    elif args.lightning:
        torch.save(lightning_checkpoint(tensors), args.file)
    else:
        torch.save({"state_dict": tensors}, args.file)


if __name__ == "__main__":
    main()
