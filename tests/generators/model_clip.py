"""Golden tensors of CLIP: transformers' text models with and without projection, and CLIPModel, on tiny random
configurations. Weights come from philox_weights.fill and are not stored.

usage: python model_clip.py   (writes tests/data/model/clip-*/; transformers 4.57.1, torch 2.x, float32)
"""

import json

import torch
from transformers import (CLIPConfig, CLIPModel, CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection,
                          CLIPVisionConfig)

import philox_weights
from model_vectors import SEED, draw, listen, save

TABLES = ["token_embedding.weight", "position_embedding.weight", "class_embedding"]

# name: class, config, rows of token ids
TEXT_CASES = {
    # as the files of SD3 have it: quick_gelu, eos_token_id 2 (the older rule), all positions in use
    "clip-text-quick": (CLIPTextModelWithProjection, dict(
        vocab_size=97, hidden_size=24, intermediate_size=40, projection_dim=20, num_hidden_layers=3,
        num_attention_heads=3, max_position_embeddings=11, hidden_act="quick_gelu", bos_token_id=0, eos_token_id=2,
        pad_token_id=1),
        [[95, 3, 8, 90, 96, 96, 96, 96, 96, 96, 96], [95, 96, 1, 1, 1, 1, 1, 1, 1, 1, 1],
         [2, 7, 94, 4, 5, 94, 6, 7, 8, 9, 10]]),
    # gelu, first eos counts, a row without one, fewer tokens than positions, odd head width
    "clip-text-gelu": (CLIPTextModelWithProjection, dict(
        vocab_size=131, hidden_size=45, intermediate_size=77, projection_dim=33, num_hidden_layers=2,
        num_attention_heads=5, max_position_embeddings=9, hidden_act="gelu", layer_norm_eps=1e-6, bos_token_id=128,
        eos_token_id=117, pad_token_id=0),
        [[128, 5, 117, 130, 117, 0, 0], [128, 130, 4, 4, 9, 9, 3]]),
    # no projection; one layer, so that the penultimate state is the embeddings
    "clip-text-plain": (CLIPTextModel, dict(
        vocab_size=50, hidden_size=32, intermediate_size=19, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=5, hidden_act="gelu_pytorch_tanh", eos_token_id=49),
        [[48, 1, 2, 49, 0]]),
}

# name: text config, vision config, projection, rows of token ids
BOTH_CASES = {
    "clip-both": (dict(vocab_size=61, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2,
                       max_position_embeddings=8, eos_token_id=2),
                  dict(hidden_size=36, intermediate_size=50, num_hidden_layers=2, num_attention_heads=3, image_size=21,
                       patch_size=7), 19, [[5, 9, 60, 60], [5, 60, 1, 1]]),
    # one channel, pixels left over at the edges, gelu
    "clip-both-grey": (dict(vocab_size=40, hidden_size=12, intermediate_size=13, num_hidden_layers=1,
                            num_attention_heads=4, max_position_embeddings=6, eos_token_id=33, hidden_act="gelu"),
                       dict(hidden_size=28, intermediate_size=31, num_hidden_layers=3, num_attention_heads=4,
                            num_channels=1, image_size=20, patch_size=6, hidden_act="gelu", layer_norm_eps=1e-6),
                       7, [[5, 9, 33, 1, 1, 1]]),
    # one patch in all
    "clip-both-patch": (dict(vocab_size=40, hidden_size=10, intermediate_size=20, num_hidden_layers=1,
                             num_attention_heads=1, max_position_embeddings=6, eos_token_id=2),
                        dict(hidden_size=15, intermediate_size=60, num_hidden_layers=1, num_attention_heads=5,
                             image_size=5, patch_size=5), 11, [[5, 9, 33]]),
}


def encoder_taps(part, layers):
    taps = []
    for i in range(layers):
        p = f"{part}.encoder.layers.{i}"
        taps += [f"{p}.{x}" for x in ("layer_norm1", "self_attn", "layer_norm2", "mlp")] + [p]
    return taps


def text_taps(config, projection):
    return (["text_model.embeddings", "text_model.final_layer_norm"] + ["text_projection"] * projection
            + encoder_taps("text_model", config.num_hidden_layers))


def make_text(name, kind, values, ids):
    config = CLIPTextConfig(**values)
    model = kind(config).eval()
    philox_weights.fill(model, SEED, tables=TABLES)
    projection = kind is CLIPTextModelWithProjection
    outputs = listen(model, text_taps(config, projection))
    ids = torch.tensor(ids)
    with torch.no_grad():
        result = model(input_ids=ids, output_hidden_states=True)
    outputs["last_hidden_state"] = result.last_hidden_state
    outputs["penultimate"] = result.hidden_states[-2]
    outputs["pooled"] = result.text_embeds if projection else result.pooler_output
    save(name, {"architectures": [kind.__name__], **values}, {"input_ids": ids}, outputs)


def make_both(name, text, vision, projection, ids):
    config = CLIPConfig.from_text_vision_configs(CLIPTextConfig(**text), CLIPVisionConfig(**vision),
                                                 projection_dim=projection)
    model = CLIPModel(config).eval()
    philox_weights.fill(model, SEED, tables=TABLES, drop=["logit_scale"])
    taps = (text_taps(config.text_config, True) + encoder_taps("vision_model", config.vision_config.num_hidden_layers)
            + ["vision_model.embeddings", "vision_model.pre_layrnorm", "vision_model.post_layernorm",
               "visual_projection"])
    outputs = listen(model, taps)
    c = config.vision_config
    inputs = {"input_ids": torch.tensor(ids),
              "pixel_values": draw(name, "pixel_values", 2, c.num_channels, c.image_size, c.image_size)}
    with torch.no_grad():
        outputs["text_embeds"] = model.get_text_features(inputs["input_ids"])
        outputs["image_embeds"] = model.get_image_features(inputs["pixel_values"])
    # as save_pretrained writes it: what equals a default is left out
    saved = {"architectures": ["CLIPModel"], **json.loads(config.to_json_string(use_diff=True))}
    saved.pop("transformers_version", None)
    save(name, saved, inputs, outputs)


if __name__ == "__main__":
    for case, arguments in TEXT_CASES.items():
        make_text(case, *arguments)
    for case, arguments in BOTH_CASES.items():
        make_both(case, *arguments)
