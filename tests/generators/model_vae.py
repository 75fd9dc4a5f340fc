"""Golden tensors of the autoencoder: diffusers' AutoencoderKL, decoder and encoder, on tiny random configurations.
Weights come from philox_weights.fill and are not stored.

usage: python model_vae.py   (writes tests/data/model/vae-*/; diffusers 0.35.2, torch 2.x, float32)
"""

import json

import torch
from diffusers import AutoencoderKL

import philox_weights
from model_vectors import SEED, draw, listen, save

# name: config (block types follow from the number of blocks), latents (batch, h, w), images (batch, H, W)
CASES = {
    # as SD3 has it: no quant convolutions, a shift
    "vae-sd3": (dict(latent_channels=5, block_out_channels=[8, 12, 20], layers_per_block=2, norm_num_groups=4,
                     use_quant_conv=False, use_post_quant_conv=False, scaling_factor=1.5305, shift_factor=0.0609),
                (2, 3, 5), (1, 21, 26)),
    # as SD1 has it: quant convolutions, no shift
    "vae-quant": (dict(latent_channels=4, block_out_channels=[6, 9], layers_per_block=1, norm_num_groups=3),
                  (1, 4, 3), (2, 7, 10)),
    # one block, nothing resampled; no attention in the middle; one channel in, two out
    "vae-flat": (dict(in_channels=1, out_channels=2, latent_channels=3, block_out_channels=[10], layers_per_block=1,
                      norm_num_groups=5, use_post_quant_conv=False, mid_block_add_attention=False),
                 (1, 5, 4), (1, 5, 4)),
    # width that falls on the way down, more latents than the lowest width
    "vae-wide": (dict(latent_channels=7, block_out_channels=[12, 12, 6, 4], layers_per_block=1, norm_num_groups=2,
                      act_fn="relu", use_quant_conv=False), (1, 2, 1), (1, 8, 17)),
}


def half_taps(model, part):
    half = getattr(model, part)
    taps = [f"{part}.{x}" for x in ("conv_in", "conv_act", "conv_out", "mid_block")]
    groups = [(f"{part}.mid_block", half.mid_block)]
    blocks, resample = ("up_blocks", "upsamplers") if part == "decoder" else ("down_blocks", "downsamplers")
    for i, block in enumerate(getattr(half, blocks)):
        p = f"{part}.{blocks}.{i}"
        groups.append((p, block))
        taps += [p] + [f"{p}.{resample}.0"] * bool(getattr(block, resample))
    for p, block in groups:
        for i, resnet in enumerate(block.resnets):
            taps += [f"{p}.resnets.{i}", f"{p}.resnets.{i}.conv1", f"{p}.resnets.{i}.conv2"]
            taps += [f"{p}.resnets.{i}.conv_shortcut"] * (resnet.conv_shortcut is not None)
    if half.mid_block.attentions[0] is not None:
        taps.append(f"{part}.mid_block.attentions.0")
    return taps


def make(name, values, latents, pictures):
    blocks = len(values["block_out_channels"])
    values = dict(in_channels=3, out_channels=3, down_block_types=["DownEncoderBlock2D"] * blocks,
                  up_block_types=["UpDecoderBlock2D"] * blocks) | values
    model = AutoencoderKL(**values).eval()
    philox_weights.fill(model, SEED)
    taps = half_taps(model, "encoder") + half_taps(model, "decoder")
    taps += ["quant_conv"] * (model.quant_conv is not None) + ["post_quant_conv"] * (model.post_quant_conv is not None)
    outputs = listen(model, taps)
    b, h, w = latents
    inputs = {"latents": draw(name, "latents", b, values["latent_channels"], h, w)}
    b, h, w = pictures
    inputs["sample"] = draw(name, "sample", b, values["in_channels"], h, w)
    with torch.no_grad():
        outputs["decoded"] = model.decode(inputs["latents"]).sample
        distribution = model.encode(inputs["sample"]).latent_dist
    outputs["mean"], outputs["logvar"] = distribution.mean, distribution.logvar
    config = {k: v for k, v in json.loads(model.to_json_string()).items() if k != "_diffusers_version"}
    save(name, config, inputs, outputs)


if __name__ == "__main__":
    for case, arguments in CASES.items():
        make(case, *arguments)
