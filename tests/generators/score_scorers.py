"""Vectors for tests/unit/score/test_scorers.c: the scores that the packages give tiny checkpoints of random weights
(philox_weights), from image and prompt to the number, on images of awkward sizes.

    python score_scorers.py PACKAGES > ../data/score/scorers.txt
open_clip_torch 3.3, hpsv2 1.2, image-reward 1.5 (unpacked in PACKAGES, see model_scorers.py), lpips 0.1.4,
transformers 4.57. The configs are ../data/score/scorers/*.json."""

import importlib
import json
import sys
from pathlib import Path

import lpips
import numpy as np
import torch
from open_clip.model import CLIP
from PIL import Image
from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Normalize, Resize, ToTensor
from transformers import BertConfig, BertTokenizer, CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPTokenizer

import philox_weights
from model_scorers import blip_modules, torchvision_names
from score_inputs import pixels
from score_preprocess import hpsv2, transform_module

DATA = Path(__file__).resolve().parent.parent / "data"
ROOT = DATA.parent.parent
SCORERS = DATA / "score" / "scorers"
SEED, LOGIT_SCALE, GAIN = 1, 1.25, np.float32(1.75)
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
OUR_MEAN, OUR_STD = (0.5, 0.45, 0.4), (0.3, 0.25, 0.2)
SIZES = [(1, 1), (3, 1000), (224, 224), (1023, 767), (33, 28)]
PROMPTS = ["a photo of a red circle", "two stars &amp; a blue ring, 3 hearts!", "", "A Photo OF a  café\tna\u00efve",
           "a long one: " + "green cross " * 40]


def config(name):
    return json.loads((SCORERS / name).read_text())


def image(seed, size):
    return Image.fromarray(pixels(seed, *size))


def put(metric, seed, second, size, value, prompt=""):
    print("score", metric, seed, second, *size, f"{float(value):.9g}", json.dumps(prompt))


@torch.no_grad()
def cosine(a, b):
    a, b = a.double(), b.double()
    return (a * b).sum() / (a.norm() * b.norm())


def open_clip_model():
    c = config("open-clip.json")["model_cfg"]
    model = CLIP(embed_dim=c["embed_dim"], vision_cfg=dict(c["vision_cfg"]), text_cfg=dict(c["text_cfg"])).eval()
    philox_weights.fill(model, SEED, tables=["token_embedding.weight", "positional_embedding", "class_embedding"],
                        drop=["logit_scale"])
    return model


def score_open_clip():
    model, side = open_clip_model(), 28
    tokenize = importlib.import_module("open_clip.tokenizer").SimpleTokenizer()
    plain = transform_module("bare_open_clip2", "open_clip", ".").image_transform(side, False, mean=OUR_MEAN, std=OUR_STD)
    ways = {"clip-t-open": plain,
            "hps-v2": hpsv2.image_transform(side, False, mean=MEAN, std=STD, resize_longest_max=True)}
    import torchvision.transforms.functional as TF
    hpsv2.F = TF
    for name, transform in ways.items():
        for seed, size in enumerate(SIZES, 1):
            if name == "hps-v2" and size == (3, 1000):
                continue  # hpsv2 makes a side of length 0
            for i, prompt in enumerate(PROMPTS):
                if i not in (0, seed % len(PROMPTS)):
                    continue
                with torch.no_grad():
                    x, y = model.encode_image(transform(image(seed, size))[None]), model.encode_text(tokenize([prompt]))
                put(name, seed, 0, size, cosine(x, y), prompt)


def score_hugging_face():
    model = CLIPModel(CLIPConfig.from_dict(config("clip.json"))).eval()
    philox_weights.fill(model, SEED, tables=["token_embedding.weight", "position_embedding.weight", "class_embedding"],
                        drop=["logit_scale"])
    tokenizer = CLIPTokenizer.from_pretrained(ROOT / "models" / "shapes-clip")
    process = CLIPImageProcessor(size={"shortest_edge": 30}, crop_size={"height": 30, "width": 30}, image_mean=OUR_MEAN,
                                 image_std=OUR_STD)
    for seed, size in enumerate(SIZES, 1):
        prompt = PROMPTS[seed - 1]
        ids = tokenizer([prompt], padding="max_length", max_length=32, truncation=True, return_tensors="pt").input_ids
        with torch.no_grad():
            x = model.get_image_features(process(image(seed, size), return_tensors="pt",
                                                 input_data_format="channels_last")["pixel_values"])
            y = model.get_text_features(ids)
        put("clip-t", seed, 0, size, cosine(x, y), prompt)
        put("pickscore", seed, 0, size, np.exp(LOGIT_SCALE) * cosine(x, y), prompt)


def score_image_reward(packages):
    c = config("image-reward.json")
    vit, med = blip_modules(packages)
    med.BertPreTrainedModel.init_weights = lambda self: None
    med.BertModel.get_head_mask = lambda self, mask, n: [None] * n
    model = torch.nn.Module()
    model.blip = torch.nn.Module()
    model.blip.visual_encoder = vit.VisionTransformer(img_size=32, patch_size=8, embed_dim=32, depth=2, num_heads=4)
    words = BertConfig(**c["text"], encoder_width=32, add_cross_attention=True, attn_implementation="eager")
    model.blip.text_encoder = med.BertModel(config=words, add_pooling_layer=False)
    widths, layers = [24] + c["mlp"] + [1], []
    for i in range(5):
        layers += [torch.nn.Linear(widths[i], widths[i + 1])] + [torch.nn.Dropout()] * (i < 3)
    model.mlp = torch.nn.Module()
    model.mlp.layers = torch.nn.Sequential(*layers)
    model.eval()
    philox_weights.fill(model, SEED, tables=["cls_token", "pos_embed", "word_embeddings.weight",
                                             "position_embeddings.weight"], drop=["position_ids"])
    tokenizer = BertTokenizer(str(DATA / "text" / "bert" / "vocab.txt"))
    tokenizer.add_special_tokens({"bos_token": "[DEC]"})
    tokenizer.add_special_tokens({"additional_special_tokens": ["[ENC]"]})
    process = Compose([Resize(32, interpolation=InterpolationMode.BICUBIC), CenterCrop(32),
                       lambda i: i.convert("RGB"), ToTensor(), Normalize(MEAN, STD)])
    for seed, size in enumerate(SIZES, 1):
        prompt = PROMPTS[seed - 1]
        text = tokenizer(prompt, padding="max_length", truncation=True, max_length=35, return_tensors="pt")
        with torch.no_grad():  # ImageReward.score
            embeds = model.blip.visual_encoder(process(image(seed, size))[None])
            states = model.blip.text_encoder(text.input_ids, attention_mask=text.attention_mask,
                                             encoder_hidden_states=embeds,
                                             encoder_attention_mask=torch.ones(embeds.shape[:2], dtype=torch.long),
                                             return_dict=True).last_hidden_state
            reward = model.mlp.layers(states[:, 0].double().float())
        put("image-reward", seed, 0, size, (reward.item() - 0.16717362830052426) / 1.0333394966054072, prompt)


def score_lpips():
    for net, metric in (("alex", "lpips-alex"), ("vgg", "lpips-vgg"), ("squeeze", "lpips-squeeze")):
        model = lpips.LPIPS(net=net, pretrained=False, pnet_rand=True, verbose=False).eval()
        state = model.net.state_dict()
        for theirs, ours in torchvision_names(model.net).items():
            shape = tuple(state[theirs].shape)
            w = philox_weights.random_tensor(SEED, ours, shape, "linear" if len(shape) > 1 else "bias")
            state[theirs] = w * torch.tensor(GAIN) if len(shape) > 1 else w
        model.net.load_state_dict(state)
        for i in range(model.L):
            weight = getattr(model, f"lin{i}").model[1].weight
            weight.data = philox_weights.random_tensor(SEED, f"lin{i}.model.1.weight", tuple(weight.shape), "linear").abs()
        for size in ((64, 64), (35, 47), (131, 97)):
            a, b = (lpips.im2tensor(pixels(seed, *size)) for seed in (3, 4))
            with torch.no_grad():
                put(metric, 3, 4, size, model.double()(a.double(), b.double()).item())
            model.float()


print("# score metric seed second-seed width height value prompt (JSON); lpips in float64")
score_open_clip()
score_hugging_face()
score_image_reward(sys.argv[1])
score_lpips()
