"""Golden tensors of the U-Net: diffusers' UNet2DConditionModel on tiny random configurations, the output of every
module that sinkscope taps. Weights come from philox_weights.fill and are not stored.

usage: python model_unet.py [CASE..]   (writes tests/data/model/unet-*/; diffusers 0.35.2, torch 2.x, float32)
"""

import json
import sys

import torch
from diffusers import UNet2DConditionModel

import philox_weights
from model_vectors import SEED, draw, listen, save

PLAIN_DOWN, CROSS_DOWN, PLAIN_UP, CROSS_UP = "DownBlock2D", "CrossAttnDownBlock2D", "UpBlock2D", "CrossAttnUpBlock2D"
LIMIT = 48  # elements of a large tensor that are stored

# name: config, latents (batch, height, width), text tokens, timesteps
CASES = {
    # as SDXL base: no attention at full size, uneven depths, heads by width, linear projections, text and time ids
    "unet-sdxl": (dict(in_channels=4, out_channels=4, block_out_channels=[8, 16, 24], layers_per_block=2,
                       down_block_types=[PLAIN_DOWN, CROSS_DOWN, CROSS_DOWN],
                       up_block_types=[CROSS_UP, CROSS_UP, PLAIN_UP], transformer_layers_per_block=[0, 1, 2],
                       attention_head_dim=[1, 2, 3], use_linear_projection=True, norm_num_groups=4,
                       cross_attention_dim=13, addition_embed_type="text_time", addition_time_embed_dim=6,
                       projection_class_embeddings_input_dim=6 * 6 + 11),
                  (2, 8, 12), 7, [999, 3]),
    # as SD 1.5: convolutions for projections, one number of heads, nothing beside the text; every size odd on its way
    "unet-sd15": (dict(in_channels=5, out_channels=3, block_out_channels=[6, 9, 9, 12], layers_per_block=1,
                       down_block_types=[CROSS_DOWN, CROSS_DOWN, CROSS_DOWN, PLAIN_DOWN],
                       up_block_types=[PLAIN_UP, CROSS_UP, CROSS_UP, CROSS_UP], attention_head_dim=3,
                       norm_num_groups=3, cross_attention_dim=10), (1, 9, 13), 5, [501.25]),
    # heads that do not divide the width, other kernels, another activation, sines first, uneven resnets
    "unet-uneven": (dict(in_channels=3, out_channels=6, block_out_channels=[10, 20, 10], layers_per_block=[1, 3, 2],
                         down_block_types=[CROSS_DOWN, PLAIN_DOWN, CROSS_DOWN],
                         up_block_types=[PLAIN_UP, CROSS_UP, CROSS_UP], transformer_layers_per_block=[2, 1, 1],
                         attention_head_dim=[3, 7, 4], use_linear_projection=True, norm_num_groups=5, norm_eps=1e-3,
                         cross_attention_dim=[6, 6, 6], act_fn="gelu", conv_in_kernel=5, conv_out_kernel=1,
                         flip_sin_to_cos=False, freq_shift=1, time_embedding_dim=22), (2, 6, 11), 1, [40, 7]),
    # depths listed one by one, other ones on the way up; convolutions with text and time ids of an odd width
    "unet-nested": (dict(in_channels=4, out_channels=4, block_out_channels=[8, 12], layers_per_block=2,
                         down_block_types=[PLAIN_DOWN, CROSS_DOWN], up_block_types=[CROSS_UP, CROSS_UP],
                         transformer_layers_per_block=[1, [2, 1]],
                         reverse_transformer_layers_per_block=[[1, 0, 2], 1], attention_head_dim=[2, 3],
                         norm_num_groups=2, cross_attention_dim=9, addition_embed_type="text_time",
                         addition_time_embed_dim=5, projection_class_embeddings_input_dim=6 * 5 + 1,
                         downsample_padding=0, mid_block_type="UNetMidBlock2D"), (1, 5, 7), 3, [12]),
    # one resolution, no middle; a lone pixel
    "unet-flat": (dict(in_channels=2, out_channels=2, block_out_channels=[6], layers_per_block=1,
                       down_block_types=[CROSS_DOWN], up_block_types=[CROSS_UP], attention_head_dim=2,
                       norm_num_groups=3, cross_attention_dim=4, mid_block_type=None), (2, 1, 1), 2, [250, 0]),
}


def tapped(model, config):
    names = ["time_embedding", "conv_in", "conv_act", "conv_out"]
    names += ["add_embedding"] * (config.get("addition_embed_type") is not None)
    for name, module in model.named_modules():
        last = name.rsplit(".", 1)[-1]
        kind = type(module).__name__
        if kind in ("ResnetBlock2D", "Transformer2DModel", "BasicTransformerBlock", "Attention", "FeedForward", "GEGLU",
                    "Downsample2D", "Upsample2D", "UNetMidBlock2D", "UNetMidBlock2DCrossAttn",
                    PLAIN_DOWN, CROSS_DOWN, PLAIN_UP, CROSS_UP):
            names.append(name)
        elif ".resnets." in name and last in ("conv1", "conv2", "conv_shortcut", "time_emb_proj"):
            names.append(name)
        elif ".attentions." in name and last in ("norm", "norm1", "norm2", "norm3", "proj_in", "proj_out"):
            names.append(name)
    return names


def make(name, config, size, n_text, timesteps):
    model = UNet2DConditionModel(**config).eval()
    philox_weights.fill(model, SEED)
    outputs = listen(model, tapped(model, config))
    batch, height, width = size
    inputs = {"sample": draw(name, "sample", batch, config["in_channels"], height, width),
              "timestep": torch.tensor(timesteps),
              "encoder_hidden_states": draw(name, "encoder_hidden_states", batch, n_text, width_of_text(config))}
    extra = {}
    if config.get("addition_embed_type"):
        ids = 6 * config["addition_time_embed_dim"]
        extra["text_embeds"] = draw(name, "text_embeds", batch, config["projection_class_embeddings_input_dim"] - ids)
        extra["time_ids"] = torch.tensor([[1024.0, 768, 0, 13, 896, 1152], [512, 640, 64, 0, 512, 512]][:batch])
    with torch.no_grad():
        outputs["sample"] = model(**inputs, added_cond_kwargs=extra, return_dict=False)[0]
    written = {k: v for k, v in json.loads(model.to_json_string()).items() if k != "_diffusers_version"}
    save(name, written, inputs | extra, outputs, LIMIT)


def width_of_text(config):
    width = config["cross_attention_dim"]
    return width[0] if isinstance(width, list) else width


if __name__ == "__main__":
    for case in sys.argv[1:] or CASES:
        make(case, *CASES[case])
