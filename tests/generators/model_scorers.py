"""Golden tensors of the scorers' networks: OpenCLIP, ImageReward, LPIPS, FID's Inception v3, on small random
configurations (LPIPS and Inception have one width each). Weights come from philox_weights.fill and are not stored.

usage: python model_scorers.py PACKAGES   (writes tests/data/model/{open-clip,image-reward,lpips,inception}-*/)
open_clip_torch 3.3.0, lpips 0.1.4, pytorch-fid 0.3.0, image-reward 1.5; PACKAGES is a folder with image-reward
unpacked (its own imports want fairscale and an old transformers: only vit.py and med.py are read, with stand-ins for
what they import and never call here).
"""

import importlib.util
import sys
import types
from pathlib import Path

import torch

import philox_weights
from model_vectors import SEED, draw, listen, save


# ---------------------------------------------------------------- OpenCLIP

OPEN_CLIP = {
    # packed heads of odd width, gelu
    "open-clip-gelu": dict(embed_dim=19, vision_cfg=dict(image_size=21, layers=2, width=36, head_width=12, patch_size=7),
                           text_cfg=dict(context_length=8, vocab_size=61, width=20, heads=4, layers=2)),
    # quick_gelu, another mlp_ratio, pixels left over at the edges, one layer
    "open-clip-quick": dict(embed_dim=24, quick_gelu=True,
                            vision_cfg=dict(image_size=22, layers=3, width=32, head_width=16, patch_size=5, mlp_ratio=2.5),
                            text_cfg=dict(context_length=6, vocab_size=50, width=15, heads=3, layers=1, mlp_ratio=2.0)),
}
OPEN_CLIP_IDS = {"open-clip-gelu": [[58, 3, 60, 0, 0, 0, 0, 0], [58, 5, 7, 9, 11, 13, 2, 60]],
                 "open-clip-quick": [[48, 1, 2, 3, 49, 0], [48, 49, 0, 0, 0, 0]]}


def open_clip_names(part, prefix, layers):
    """Their modules under the names of our hooks (Hugging Face's)."""
    names = {}
    for i in range(layers):
        theirs, ours = f"{prefix}transformer.resblocks.{i}", f"{part}.encoder.layers.{i}"
        for a, b in (("ln_1", "layer_norm1"), ("attn", "self_attn"), ("ln_2", "layer_norm2"), ("mlp", "mlp")):
            names[f"{theirs}.{a}"] = f"{ours}.{b}"
        names[theirs] = ours
    return names


def make_open_clip(name, config):
    from open_clip.model import CLIP
    model = CLIP(embed_dim=config["embed_dim"], vision_cfg=dict(config["vision_cfg"]),
                 text_cfg=dict(config["text_cfg"]), quick_gelu=config.get("quick_gelu", False)).eval()
    philox_weights.fill(model, SEED, tables=["token_embedding.weight", "positional_embedding", "class_embedding"],
                        drop=["logit_scale"])
    names = {**open_clip_names("text_model", "", config["text_cfg"]["layers"]),
             **open_clip_names("vision_model", "visual.", config["vision_cfg"]["layers"]),
             "ln_final": "text_model.final_layer_norm", "visual.ln_pre": "vision_model.pre_layrnorm"}
    found = listen(model, names)
    side = config["vision_cfg"]["image_size"]
    inputs = {"input_ids": torch.tensor(OPEN_CLIP_IDS[name]), "pixel_values": draw(name, "pixel_values", 2, 3, side, side)}
    with torch.no_grad():
        text = model.encode_text(inputs["input_ids"])
        pixels = inputs["pixel_values"]
        image = model.encode_image(pixels)
    outputs = {names[k]: v for k, v in found.items()}
    x = model.visual.conv1(pixels).flatten(2).transpose(1, 2)
    first = model.visual.class_embedding.expand(len(x), 1, -1)
    outputs["vision_model.embeddings"] = torch.cat([first, x], 1) + model.visual.positional_embedding
    ids = inputs["input_ids"]
    outputs["text_model.embeddings"] = model.token_embedding(ids) + model.positional_embedding
    last = outputs[f"vision_model.encoder.layers.{config['vision_cfg']['layers'] - 1}"]
    outputs["vision_model.post_layernorm"] = model.visual.ln_post(last[:, 0])
    outputs.update(text_projection=text, visual_projection=image, text_embeds=text, image_embeds=image)
    save(name, {"_class_name": "OpenCLIP", "model_cfg": config}, inputs, outputs)


# ---------------------------------------------------------------- ImageReward

IMAGE_REWARD = {
    "image-reward-a": dict(image_size=20, patch_size=5, vision_width=24, vision_layers=2, vision_heads=3,
                           mlp=[21, 13, 7, 5],
                           text=dict(hidden_size=20, intermediate_size=33, num_hidden_layers=2, num_attention_heads=4,
                                     vocab_size=51, max_position_embeddings=12, hidden_act="gelu",
                                     layer_norm_eps=1e-12)),
    "image-reward-b": dict(image_size=18, patch_size=9, vision_width=35, vision_layers=3, vision_heads=5,
                           mlp=[30, 12, 11, 3],
                           text=dict(hidden_size=27, intermediate_size=40, num_hidden_layers=3, num_attention_heads=3,
                                     vocab_size=40, max_position_embeddings=9, hidden_act="gelu",
                                     layer_norm_eps=1e-6)),
}
REWARD_IDS = {"image-reward-a": ([[7, 8, 9, 10, 11, 12, 0, 0], [7, 8, 0, 0, 0, 0, 0, 0]], [6, 2]),
              "image-reward-b": ([[1, 2, 3, 4, 5, 6, 7, 8, 9]], [9])}


def stand_in(name, **members):
    module = types.ModuleType(name)
    module.__dict__.update(members)
    sys.modules[name] = module


def blip_modules(packages):
    import transformers.modeling_utils as utils
    import transformers.pytorch_utils as pytorch_utils
    for name in ("apply_chunking_to_forward", "find_pruneable_heads_and_indices", "prune_linear_layer"):
        setattr(utils, name, getattr(pytorch_utils, name, None))
    stand_in("fairscale")
    stand_in("fairscale.nn")
    stand_in("fairscale.nn.checkpoint")
    stand_in("fairscale.nn.checkpoint.checkpoint_activations", checkpoint_wrapper=None)
    import timm.layers
    import timm.models
    stand_in("timm.models.registry", register_model=timm.models.register_model)
    stand_in("timm.models.layers", trunc_normal_=timm.layers.trunc_normal_, DropPath=timm.layers.DropPath)
    stand_in("timm.models.helpers", named_apply=None, adapt_input_conv=None)
    import timm.models.vision_transformer as vision
    vision._cfg = getattr(vision, "_cfg", None)
    loaded = []
    for part in ("vit", "med"):
        path = next(Path(packages).rglob(f"BLIP/{part}.py"))
        spec = importlib.util.spec_from_file_location(f"blip_{part}", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        loaded.append(module)
    return loaded


def make_image_reward(name, config, vit, med):
    from transformers import BertConfig
    words = dict(config["text"], encoder_width=config["vision_width"], add_cross_attention=True,
                 type_vocab_size=2, attn_implementation="eager")
    text_config = BertConfig(**words)
    med.BertPreTrainedModel.init_weights = lambda self: None
    med.BertModel.get_head_mask = lambda self, mask, n: [None] * n
    model = torch.nn.Module()
    model.blip = torch.nn.Module()
    model.blip.visual_encoder = vit.VisionTransformer(
        img_size=config["image_size"], patch_size=config["patch_size"], embed_dim=config["vision_width"],
        depth=config["vision_layers"], num_heads=config["vision_heads"])
    model.blip.text_encoder = med.BertModel(config=text_config, add_pooling_layer=False)
    model.mlp = torch.nn.Module()
    widths = [config["text"]["hidden_size"]] + config["mlp"] + [1]
    layers = []
    for i in range(5):
        layers.append(torch.nn.Linear(widths[i], widths[i + 1]))
        if i < 3:
            layers.append(torch.nn.Dropout(0.1))
    model.mlp.layers = torch.nn.Sequential(*layers)
    model.eval()
    philox_weights.fill(model, SEED, tables=["cls_token", "pos_embed", "word_embeddings.weight",
                                             "position_embeddings.weight"], drop=["position_ids"])
    taps = ["blip.visual_encoder", "blip.text_encoder.embeddings"]
    for i in range(config["vision_layers"]):
        taps += [f"blip.visual_encoder.blocks.{i}.attn", f"blip.visual_encoder.blocks.{i}"]
    for i in range(config["text"]["num_hidden_layers"]):
        p = f"blip.text_encoder.encoder.layer.{i}"
        taps += [f"{p}.attention.output", f"{p}.crossattention.output", p]
    outputs = listen(model, taps)
    ids, used = REWARD_IDS[name]
    ids, used = torch.tensor(ids), torch.tensor(used)
    pixels = draw(name, "pixel_values", len(ids), 3, config["image_size"], config["image_size"])
    mask = (torch.arange(ids.shape[1])[None] < used[:, None]).long()
    with torch.no_grad():
        image = model.blip.visual_encoder(pixels)
        result = model.blip.text_encoder(ids, attention_mask=mask, encoder_hidden_states=image,
                                         encoder_attention_mask=torch.ones(image.shape[:2], dtype=torch.long),
                                         return_dict=True)
        outputs["reward"] = model.mlp.layers(result.last_hidden_state[:, 0])
    save(name, {"_class_name": "ImageReward", **config},
         {"pixel_values": pixels, "input_ids": ids, "used": used}, outputs)


# ---------------------------------------------------------------- LPIPS

LPIPS = {"lpips-alex": ("alex", "alex", (2, 31, 44)), "lpips-alex-wide": ("alex", "alex", (1, 67, 35)),
         "lpips-vgg16": ("vgg16", "vgg", (1, 16, 21)), "lpips-vgg16-batch": ("vgg16", "vgg", (2, 19, 16)),
         "lpips-squeeze": ("squeeze", "squeeze", (2, 40, 33)), "lpips-squeeze-small": ("squeeze", "squeeze", (1, 17, 26))}


def torchvision_names(net):
    """The package splits `features` into slices whose children keep their number."""
    names = {}
    for name in net.state_dict():
        parts = name.split(".")
        names[name] = ".".join(["features"] + parts[1:])
    return names


def make_lpips(name, kind, net, size):
    import lpips
    model = lpips.LPIPS(net=net, pretrained=False, pnet_rand=True, lpips=True, verbose=False).eval()
    state = model.net.state_dict()
    for theirs, ours in torchvision_names(model.net).items():
        shape = tuple(state[theirs].shape)
        state[theirs] = philox_weights.random_tensor(SEED, ours, shape, "linear" if len(shape) > 1 else "bias")
    model.net.load_state_dict(state)
    for i in range(model.L):
        weight = getattr(model, f"lin{i}").model[1].weight
        weight.data = philox_weights.random_tensor(SEED, f"lin{i}.model.1.weight", tuple(weight.shape), "linear")
    n, height, width = size
    # 20 times as large as images: else random weights leave the deep layers little but their biases, and a distance
    # would be the difference of two nearly equal features
    a, b = (20 * torch.tanh(draw(name, key, n, 3, height, width)) for key in ("in0", "in1"))
    outputs = {}
    with torch.no_grad():
        value, layers = model(a, b, retPerLayer=True)
        scaled = [model.net(model.scaling_layer(x)) for x in (a, b)]
        for i in range(model.L):
            outputs[f"in0.{i}"], outputs[f"in1.{i}"] = scaled[0][i], scaled[1][i]
            x, y = (lpips.normalize_tensor(s[i]) for s in scaled)
            outputs[f"lin.{i}"] = getattr(model, f"lin{i}").model((x - y) ** 2)
            assert torch.allclose(outputs[f"lin.{i}"].mean((2, 3), keepdim=True), layers[i], rtol=1e-5)
    outputs["distance"] = value.reshape(-1)
    save(name, {"_class_name": "LPIPS", "net": kind}, {"in0": a, "in1": b}, outputs)


# ---------------------------------------------------------------- Inception

def make_inception(name, size):
    import pytorch_fid.inception as inception
    # fid_inception_v3 would download weights; the same network without them
    net = inception._inception_v3(num_classes=1008, aux_logits=False, weights=None)
    net.Mixed_5b, net.Mixed_5c, net.Mixed_5d = (inception.FIDInceptionA(c, pool_features=p)
                                               for c, p in ((192, 32), (256, 64), (288, 64)))
    net.Mixed_6b, net.Mixed_6c, net.Mixed_6d, net.Mixed_6e = (inception.FIDInceptionC(768, channels_7x7=c)
                                                             for c in (128, 160, 160, 192))
    net.Mixed_7b, net.Mixed_7c = inception.FIDInceptionE_1(1280), inception.FIDInceptionE_2(2048)
    net.eval()
    philox_weights.fill(net, SEED)
    names = ["Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "maxpool1", "Conv2d_3b_1x1", "Conv2d_4a_3x3", "maxpool2",
             "Mixed_5b", "Mixed_5c", "Mixed_5d", "Mixed_6a", "Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e", "Mixed_7a",
             "Mixed_7b", "Mixed_7c"]
    pixels = draw(name, "pixel_values", *size)
    x, outputs = pixels, {}
    with torch.no_grad():
        for block in names:  # InceptionV3.forward of pytorch_fid up to block 3
            x = torch.nn.functional.max_pool2d(x, 3, 2) if block.startswith("maxpool") else getattr(net, block)(x)
            outputs[block] = x
        outputs["features"] = torch.nn.functional.adaptive_avg_pool2d(x, 1).flatten(1)
    save(name, {"_class_name": "FIDInceptionV3"}, {"pixel_values": pixels}, outputs)


if __name__ == "__main__":
    for case, arguments in OPEN_CLIP.items():
        make_open_clip(case, arguments)
    vit_module, med_module = blip_modules(sys.argv[1])
    for case, arguments in IMAGE_REWARD.items():
        make_image_reward(case, arguments, vit_module, med_module)
    for case, arguments in LPIPS.items():
        make_lpips(case, *arguments)
    make_inception("inception-square", (1, 3, 75, 75))
    make_inception("inception-batch", (2, 3, 79, 91))
