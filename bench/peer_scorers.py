"""The peer of bench_scorers: a scorer's network by the package it comes from, on the CPU in float32.

usage: python peer_scorers.py NETWORK WEIGHTS THREADS

Reads lines "PART BATCH" and answers each with "WALL PROCESSOR RMS": seconds from inputs in memory to outputs, and the
root mean square of the output. The first line written names the versions. Networks, inputs and weights are those of
bench_scorers.c. image-reward needs the package ImageReward where Python finds it; of it only the two files with the
network are read (tests/generators/model_scorers.py says why).
"""

import importlib.util
import sys
import time
from importlib.metadata import version
from pathlib import Path

import torch
from safetensors.torch import load_file

GENERATORS = Path(__file__).resolve().parent.parent / "tests" / "generators"


def pictures(batch, side, step=7919):
    i = torch.arange(batch * 3 * side * side, dtype=torch.int64)
    return ((i * step % 511).float() / 255 - 1).reshape(batch, 3, side, side)


def texts(batch, tokens, last):
    i = torch.arange(batch * tokens, dtype=torch.int64)
    return torch.where((i + 1) % tokens == 0, last, 1 + i * 31 % 1000).reshape(batch, tokens)


def load(model, state, missing=()):
    """Every tensor of the file has its place, and nothing else is left as it was."""
    left, unknown = model.load_state_dict(state, strict=False)
    left = [n for n in left if not n.endswith(("logit_scale", "position_ids", "num_batches_tracked", *missing))]
    if left or unknown:
        sys.exit(f"weights do not fit: {left[:3]} {unknown[:3]}")
    return model.eval()


def vit_h_14(state):
    import open_clip
    model = load(open_clip.create_model("ViT-H-14", pretrained=None, load_weights=False), state)
    return f"open_clip {open_clip.__version__}", {
        "image": lambda n: (model.encode_image, (pictures(n, 224),)),
        "text": lambda n: (model.encode_text, (texts(n, 77, 49407),))}


def clip_b_32(state):
    import transformers
    from transformers import CLIPConfig, CLIPModel
    model = load(CLIPModel(CLIPConfig()), state)
    return f"transformers {transformers.__version__}", {
        "image": lambda n: (model.get_image_features, (pictures(n, 224),)),
        "text": lambda n: (model.get_text_features, (texts(n, 77, 49407),))}


def image_reward(state):
    sys.path.insert(0, str(GENERATORS))
    from model_scorers import blip_modules
    from transformers import BertConfig
    folder = importlib.util.find_spec("ImageReward").submodule_search_locations[0]
    vit, med = blip_modules(folder)
    med.BertPreTrainedModel.init_weights = lambda self: None
    med.BertModel.get_head_mask = lambda self, mask, n: [None] * n
    model = torch.nn.Module()
    model.blip, model.mlp = torch.nn.Module(), torch.nn.Module()
    model.blip.visual_encoder = vit.VisionTransformer(img_size=224, patch_size=16, embed_dim=1024, depth=24,
                                                      num_heads=16)
    words = BertConfig(vocab_size=30524, encoder_width=1024, add_cross_attention=True, type_vocab_size=2,
                       attn_implementation="eager")
    model.blip.text_encoder = med.BertModel(config=words, add_pooling_layer=False)
    widths, layers = [768, 1024, 128, 64, 16, 1], []
    for i in range(5):
        layers += [torch.nn.Linear(widths[i], widths[i + 1])] + [torch.nn.Dropout()] * (i < 3)
    model.mlp.layers = torch.nn.Sequential(*layers)
    load(model, state)

    def score(pixels, ids):
        image = model.blip.visual_encoder(pixels)
        states = model.blip.text_encoder(ids, attention_mask=torch.ones_like(ids), encoder_hidden_states=image,
                                         encoder_attention_mask=torch.ones(image.shape[:2], dtype=torch.long),
                                         return_dict=True).last_hidden_state
        return model.mlp.layers(states[:, 0])

    return "image-reward", {"both": lambda n: (score, (pictures(n, 224), texts(n, 35, 102)))}


def lpips_net(state, net):
    import lpips
    model = lpips.LPIPS(net=net, pretrained=False, pnet_rand=True, verbose=False)
    theirs = {".".join(["features"] + n.split(".")[1:]): f"net.{n}" for n in model.net.state_dict()}
    wanted = {theirs.get(n, n): w for n, w in state.items()}
    wanted |= {n.replace("lin", "lins.", 1): w for n, w in state.items() if n.startswith("lin")}
    load(model, wanted, ("shift", "scale"))
    return f"lpips {version('lpips')}", {"pair": lambda n: (model, (pictures(n, 512), pictures(n, 512, 104729)))}


def inception(state):
    import pytorch_fid.inception as fid
    # fid_inception_v3 would download weights; the same network without them
    net = fid._inception_v3(num_classes=1008, aux_logits=False, weights=None)
    net.Mixed_5b, net.Mixed_5c, net.Mixed_5d = (fid.FIDInceptionA(c, pool_features=p)
                                               for c, p in ((192, 32), (256, 64), (288, 64)))
    net.Mixed_6b, net.Mixed_6c, net.Mixed_6d, net.Mixed_6e = (fid.FIDInceptionC(768, channels_7x7=c)
                                                             for c in (128, 160, 160, 192))
    net.Mixed_7b, net.Mixed_7c = fid.FIDInceptionE_1(1280), fid.FIDInceptionE_2(2048)
    load(net, state, ("fc.weight", "fc.bias"))
    fid.fid_inception_v3 = lambda: net
    model = fid.InceptionV3([3], resize_input=False, normalize_input=False).eval()
    return f"pytorch-fid {version('pytorch-fid')}", {"image": lambda n: (lambda x: model(x)[0], (pictures(n, 299),))}


NETWORKS = {"vit-h-14": vit_h_14, "clip-b-32": clip_b_32, "image-reward": image_reward, "inception": inception,
            "lpips-vgg": lambda state: lpips_net(state, "vgg"), "lpips-alex": lambda state: lpips_net(state, "alex")}


def main():
    network, weights, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
    torch.set_num_threads(threads)
    name, parts = NETWORKS[network](load_file(weights))
    made = None
    print(f"{name}, torch {torch.__version__}", flush=True)
    with torch.inference_mode():
        for line in sys.stdin:
            part, batch = line.split()
            if not made or made[0] != line:
                made = line, *parts[part](int(batch))
            wall, processor = time.perf_counter(), time.process_time()
            result = made[1](*made[2])
            print(time.perf_counter() - wall, time.process_time() - processor,
                  result.double().square().mean().sqrt().item(), flush=True)


if __name__ == "__main__":
    main()
