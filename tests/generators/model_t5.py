"""Golden tensors of the T5 encoder: transformers' T5EncoderModel on tiny random configurations, and the buckets of
relative positions for many pairs of settings. Weights come from philox_weights.fill and are not stored.

usage: python model_t5.py   (writes tests/data/model/t5-*/; transformers 4.57.1, torch 2.x, float32)
"""

import torch
from safetensors.torch import save_file
from transformers import T5Config, T5EncoderModel
from transformers.models.t5.modeling_t5 import T5Attention

import philox_weights
from model_vectors import OUT, SEED, draw, listen, save

# name: config, batch, tokens
CASES = {
    # as the files of SD3 have it; inner width unlike the model's, distances beyond the nearest buckets
    "t5-gated": (dict(vocab_size=61, d_model=24, d_kv=5, d_ff=37, num_layers=3, num_heads=3,
                      feed_forward_proj="gated-gelu"), 2, 50),
    "t5-relu": (dict(vocab_size=40, d_model=17, d_kv=8, d_ff=21, num_layers=2, num_heads=2,
                     relative_attention_num_buckets=12, relative_attention_max_distance=20, layer_norm_epsilon=1e-5,
                     feed_forward_proj="relu"), 1, 31),
    "t5-silu": (dict(vocab_size=33, d_model=20, d_kv=11, d_ff=9, num_layers=1, num_heads=1,
                     relative_attention_num_buckets=8, relative_attention_max_distance=9,
                     feed_forward_proj="gated-silu"), 3, 12),
    "t5-one-token": (dict(vocab_size=33, d_model=6, d_kv=3, d_ff=9, num_layers=1, num_heads=2,
                          feed_forward_proj="gelu"), 1, 1),
}

BUCKETS = [(32, 128), (12, 20), (8, 9), (4, 2), (16, 64), (33, 100), (64, 1024), (10, 7), (32, 9)]
REACH = 300


def make(name, values, batch, tokens):
    model = T5EncoderModel(T5Config(**values)).eval()
    # encoder.embed_tokens is shared.weight again
    philox_weights.fill(model, SEED, tables=["shared.weight", "relative_attention_bias.weight"],
                        drop=["encoder.embed_tokens.weight"])
    taps = ["encoder.embed_tokens", "encoder.final_layer_norm"]
    for i in range(values["num_layers"]):
        p = f"encoder.block.{i}"
        taps += [p, f"{p}.layer.0"]
        taps += [f"{p}.layer.{x}" for x in ("0.layer_norm", "0.SelfAttention", "1.layer_norm", "1.DenseReluDense")]
    outputs = listen(model, taps)
    ids = (draw(name, "input_ids", batch, tokens).abs() * values["vocab_size"]).long() % values["vocab_size"]
    with torch.no_grad():
        outputs["last_hidden_state"] = model(input_ids=ids).last_hidden_state
    save(name, {"architectures": ["T5EncoderModel"], **values}, {"input_ids": ids}, outputs)


def make_buckets():
    """NAME "buckets/distance limit": buckets of distances -REACH .. REACH."""
    distances = torch.arange(-REACH, REACH + 1)
    found = {f"{n}/{limit}": T5Attention._relative_position_bucket(distances, True, n, limit).to(torch.int32)
             for n, limit in BUCKETS}
    save_file(found, OUT / "t5-buckets.safetensors")
    (OUT / "t5-buckets.safetensors").chmod(0o644)


if __name__ == "__main__":
    for case, arguments in CASES.items():
        make(case, *arguments)
    make_buckets()
