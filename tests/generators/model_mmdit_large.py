"""Golden tensors of MMDiT at sizes where float32 sums are long: diffusers' SD3Transformer2DModel in float64, so that what
is measured is our rounding and not the sum of two. Weights and inputs are Philox's and not stored; of every tapped module
its rms and some elements are.

mmdit-wide: the width of SD3-medium (24 heads of 64, text of 4096), 2 blocks.
mmdit-deep: its 24 blocks and its tokens at 1024 pixels (4096 + 333 keys), 2 heads of 64.

usage: python model_mmdit_large.py   (writes tests/data/model/mmdit-wide/ and mmdit-deep/; diffusers 0.35.2, torch 2.x; some
minutes, 6 GB)
"""

import torch
from diffusers import SD3Transformer2DModel

import philox_weights
from model_mmdit import listen
from model_vectors import SEED, draw, save

# name: config, latents (batch, height, width), text tokens, timesteps, elements kept of a tensor
CASES = {
    "mmdit-wide": ({"sample_size": 64, "patch_size": 2, "in_channels": 16, "num_layers": 2, "attention_head_dim": 64,
                    "num_attention_heads": 24, "joint_attention_dim": 4096, "caption_projection_dim": 1536,
                    "pooled_projection_dim": 2048, "out_channels": 16, "pos_embed_max_size": 32},
                   (2, 20, 28), 45, [831.25, 17.5], 4096),
    "mmdit-deep": ({"sample_size": 128, "patch_size": 2, "in_channels": 16, "num_layers": 24, "attention_head_dim": 64,
                    "num_attention_heads": 2, "joint_attention_dim": 96, "caption_projection_dim": 128,
                    "pooled_projection_dim": 80, "out_channels": 16, "pos_embed_max_size": 64},
                   (1, 128, 128), 333, [523.75], 96),
}


def make(name, config, size, n_text, timesteps, limit):
    model = SD3Transformer2DModel(**config).eval()
    philox_weights.fill(model, SEED, tables=["pos_embed.pos_embed"])
    model.double()
    batch, height, width = size
    drawn = {"hidden_states": draw(name, "hidden_states", batch, config["in_channels"], height, width),
             "encoder_hidden_states": draw(name, "encoder_hidden_states", batch, n_text, config["joint_attention_dim"]),
             "pooled_projections": draw(name, "pooled_projections", batch, config["pooled_projection_dim"])}
    outputs = listen(model)
    with torch.no_grad():
        outputs["sample"] = model(**{k: v.double() for k, v in drawn.items()},
                                  timestep=torch.tensor(timesteps).double(), return_dict=False)[0]
    assert all(v.dtype == torch.float64 for v in outputs.values())
    save(name, {"_class_name": "SD3Transformer2DModel", **config}, {"timestep": torch.tensor(timesteps)}, outputs, limit,
         drawn)


if __name__ == "__main__":
    for case, arguments in CASES.items():
        make(case, *arguments)
