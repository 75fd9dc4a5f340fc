"""Vectors for tests/unit/score/test_preprocess.c: what each package's own preprocessing gives for images of awkward sizes.

    python score_preprocess.py > ../data/score/preprocess.txt
Some values of each. Made with Pillow 13.0, torch 2.15, torchvision 0.29, transformers 4.57, open_clip_torch 3.3, hpsv2 1.2,
clean-fid 0.1.35, pytorch-fid 0.3; CLIP's _transform is copied from its clip.py."""

import importlib
import importlib.util
import pathlib
import random
import sys
import types

import numpy as np
import torch
import torchvision.transforms.functional as TF
from cleanfid.resize import build_resizer
from PIL import Image
from score_inputs import pixels
from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Normalize, Resize, ToTensor
from transformers import CLIPImageProcessor

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


def transform_module(name, package, folder):
    """PACKAGE/FOLDER/transform.py without what else the package would import."""
    bare = types.ModuleType(name)
    bare.__path__ = [str(pathlib.Path(importlib.util.find_spec(package).submodule_search_locations[0]) / folder)]
    sys.modules[name] = bare
    return importlib.import_module(name + ".transform")


open_clip = transform_module("bare_open_clip", "open_clip", ".")
hpsv2 = transform_module("bare_hpsv2", "hpsv2", "src/open_clip")


def openai(image):  # clip.py
    return Compose([Resize(224, interpolation=InterpolationMode.BICUBIC), CenterCrop(224), lambda i: i.convert("RGB"),
                    ToTensor(), Normalize(MEAN, STD)])(image)


def hf(image):
    size = {"shortest_edge": 224}
    p = CLIPImageProcessor(size=size, crop_size={"height": 224, "width": 224}, image_mean=MEAN, image_std=STD)
    return torch.from_numpy(p(image, return_tensors="np", input_data_format="channels_last")["pixel_values"][0])


def hps(antialias):
    def resize(image, size, interpolation):
        if antialias and size[1] == 1:  # see score_resize.py
            return original(image.transpose(1, 2).contiguous(), size[::-1], interpolation, antialias=True).transpose(1, 2)
        return original(image, size, interpolation, antialias=antialias)

    original = TF.resize

    def run(image):
        if max(image.size) == 224 and min(image.size) < 224:
            return None  # not padded by hpsv2
        hpsv2.F = types.SimpleNamespace(resize=resize, pad=TF.pad)
        return hpsv2.image_transform(224, False, mean=MEAN, std=STD, resize_longest_max=True)(image)

    return run


def fid(image):  # pytorch_fid/inception.py, forward
    x = torch.nn.functional.interpolate(ToTensor()(image)[None], size=(299, 299), mode="bilinear", align_corners=False)
    return (2 * x - 1)[0]


def clean_fid(image):  # cleanfid/fid.py and inception_torchscript.py
    x = torch.from_numpy(build_resizer("clean")(np.asarray(image)).transpose(2, 0, 1))
    return (x - 128) / 128


def cmmd(image):  # google-research cmmd/io_util.py and embedding.py; its resize in jax is from 336 to 336
    side = min(image.size)
    left, top = ((length - side) // 2 for length in image.size)
    x = np.asarray(image.crop((left, top, left + side, top + side)).resize((336, 336), Image.BICUBIC)).astype(np.float32) / 255.0
    return torch.from_numpy(((x - np.float32(MEAN)) / np.float32(STD)).transpose(2, 0, 1))


RULES = [openai, lambda i: open_clip.image_transform(224, False, mean=MEAN, std=STD)(i), hf, hps(False), fid, clean_fid, hps(True)]

SIZES = [(1, 1), (3, 1000), (1000, 3), (224, 224), (1023, 767), (641, 427), (225, 224), (227, 224), (224, 229), (299, 299), (223, 447),
         (64, 64), (512, 512), (131, 97)]


def write(rules, first):
    for seed, (w, h) in enumerate(SIZES, 1):
        image = Image.fromarray(pixels(seed, w, h))
        for number, rule in enumerate(rules, first):
            y = rule(image)
            if y is None:
                continue
            side = y.shape[1]
            assert y.shape == (3, side, side) and y.dtype == torch.float32
            flat = y.permute(1, 2, 0).flatten()
            places = [random.randrange(flat.numel()) for _ in range(9)] + [random.randrange(3), 3 * (side * side // 2 + side // 2), flat.numel() - 1]
            print("preprocess", number, seed, w, h, side, *(f"{i} {flat[i].item():.9g}" for i in places))


def main():
    random.seed(7)
    print("# rule (6: hps with antialias) seed width height side then 12 x index in [side, side, 3], value")
    write(RULES, 0)
    write([cmmd], len(RULES))


if __name__ == "__main__":
    main()
