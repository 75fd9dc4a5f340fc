"""Golden tensors of MMDiT: diffusers' SD3Transformer2DModel on tiny random configurations, the output of every module
that sinkscope taps. Weights come from philox_weights.fill and are not stored.

usage: python model_mmdit.py   (writes tests/data/model/mmdit-*/; diffusers 0.35.2, torch 2.x, float32)
"""

import json
from pathlib import Path

import torch
from diffusers import SD3Transformer2DModel
from safetensors.torch import save_file

import philox_weights

OUT = Path(__file__).resolve().parent.parent / "data" / "model"
SEED = 1

# name: config, latents (batch, height, width), text tokens, integer timesteps
CASES = {
    # SD3: no norm of queries and keys; odd head width, latents wider than high, text width unlike any other
    "mmdit-sd3": ({"sample_size": 10, "patch_size": 2, "in_channels": 5, "num_layers": 3, "attention_head_dim": 12,
                   "num_attention_heads": 2, "joint_attention_dim": 19, "caption_projection_dim": 24,
                   "pooled_projection_dim": 13, "out_channels": 5, "pos_embed_max_size": 7}, (2, 6, 10), 9, False),
    # SD3.5 large: RMS norm
    "mmdit-sd35-large": ({"sample_size": 8, "patch_size": 2, "in_channels": 4, "num_layers": 2, "attention_head_dim": 8,
                          "num_attention_heads": 5, "joint_attention_dim": 28, "caption_projection_dim": 40,
                          "pooled_projection_dim": 11, "out_channels": 4, "pos_embed_max_size": 6,
                          "qk_norm": "rms_norm"}, (1, 12, 4), 17, False),
    # SD3.5 medium: RMS norm and a second attention in some blocks
    "mmdit-sd35-medium": ({"sample_size": 8, "patch_size": 2, "in_channels": 4, "num_layers": 3,
                           "attention_head_dim": 10, "num_attention_heads": 2, "joint_attention_dim": 15,
                           "caption_projection_dim": 20, "pooled_projection_dim": 9, "out_channels": 4,
                           "pos_embed_max_size": 8, "qk_norm": "rms_norm", "dual_attention_layers": [0, 1]},
                          (2, 8, 6), 7, True),
    # patch 1, more channels out than in, a second attention in the last block, one text token
    "mmdit-patch1": ({"sample_size": 5, "patch_size": 1, "in_channels": 3, "num_layers": 2, "attention_head_dim": 16,
                      "num_attention_heads": 2, "joint_attention_dim": 10, "caption_projection_dim": 32,
                      "pooled_projection_dim": 6, "out_channels": 7, "pos_embed_max_size": 9,
                      "dual_attention_layers": [1]}, (1, 5, 3), 1, False),
}


def tapped(model):
    """Tap name -> (module, index into its output)."""
    taps = {name: (model.get_submodule(name), 0)
            for name in ("pos_embed", "time_text_embed", "context_embedder", "norm_out", "proj_out")}
    for i, block in enumerate(model.transformer_blocks):
        p = f"transformer_blocks.{i}"
        taps[p] = (block, 1)
        for part in ("norm1", "norm1_context", "attn", "ff"):
            taps[f"{p}.{part}"] = (getattr(block, part), 0)
        if block.use_dual_attention:
            taps[f"{p}.attn2"] = (block.attn2, 0)
        if not block.context_pre_only:
            taps[f"{p}.context"] = (block, 0)
            taps[f"{p}.attn.context"] = (block.attn, 1)
            taps[f"{p}.ff_context"] = (block.ff_context, 0)
    return taps


def listen(model):
    """A dictionary that a forward pass of the model fills: hook name -> tensor."""
    outputs = {}

    def to(key, index):
        def hook(_module, _args, output):
            outputs[key] = (output[index] if isinstance(output, tuple) else output).detach().clone()
        return hook

    for key, (module, index) in tapped(model).items():
        module.register_forward_hook(to(key, index))
    return outputs


def make(name, config, size, n_text, integers):
    model = SD3Transformer2DModel(**config).eval()
    philox_weights.fill(model, SEED, tables=["pos_embed.pos_embed"])
    batch, height, width = size

    def draw(key, *shape):
        n = torch.Size(shape).numel()
        return torch.from_numpy(philox_weights.normals(SEED, f"{name}/{key}", n)).float().reshape(shape)

    timestep = torch.tensor([831, 17][:batch]) if integers else torch.tensor([999.75, 40.125][:batch])
    inputs = {"hidden_states": draw("hidden_states", batch, config["in_channels"], height, width),
              "encoder_hidden_states": draw("encoder_hidden_states", batch, n_text, config["joint_attention_dim"]),
              "pooled_projections": draw("pooled_projections", batch, config["pooled_projection_dim"]),
              "timestep": timestep}
    outputs = listen(model)
    with torch.no_grad():
        outputs["sample"] = model(**inputs, return_dict=False)[0]
    folder = OUT / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"_class_name": "SD3Transformer2DModel", **config}, indent=1) + "\n")
    vectors = {f"in/{k}": v.to(torch.int32) if v.dtype == torch.int64 else v for k, v in inputs.items()}
    vectors |= {f"out/{k}": v.contiguous() for k, v in outputs.items()}
    save_file(vectors, folder / "vectors.safetensors")
    (folder / "vectors.safetensors").chmod(0o644)


if __name__ == "__main__":
    for case, arguments in CASES.items():
        make(case, *arguments)
