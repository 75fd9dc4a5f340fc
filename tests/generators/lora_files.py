"""LoRA files for tests/data/tiny-sd3, and what diffusers draws with them fused.

Writes tests/data/lora/: diffusers.safetensors (save_lora_weights), kohya.safetensors (the same matrices in kohya's names,
queries, keys and values in one layer as in SD3's original layout, alphas of twice the rank), partly.safetensors (some
matrices of another model among them), dora.safetensors, and sd3.png, diffusers' image at scale 0.7.

usage: python lora_files.py MAKE_TINY_MODEL   (diffusers 0.42.1, transformers 5.24.0, peft 0.21.2)
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from PIL import Image
from safetensors.torch import load_file, save_file

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "parity"))
import lora  # noqa: E402

OUT = ROOT / "tests" / "data" / "lora"


def main():
    OUT.mkdir(exist_ok=True)
    lora.TARGETS = {"transformer": ["to_q", "to_k", "to_v", "add_q_proj", "add_k_proj", "add_v_proj", "ff.net.2"],
                    "text_encoder": ["q_proj", "fc1"], "text_encoder_2": ["out_proj"]}
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made) / "sd3"
        subprocess.run([sys.argv[1], ROOT / "tests" / "data", folder, "tiny-sd3"], check=True)
        torch.manual_seed(3)
        adapters = {n: (s, lora.LoraConfig(r=4, lora_alpha=4)) for n, (s, _) in lora.adapters(lora.load("tiny-sd3", folder)).items()}
        lora.StableDiffusion3Pipeline.save_lora_weights(Path(made) / "d", **{f"{n}_lora_layers": s for n, (s, _) in adapters.items()})
        save_file(load_file(Path(made) / "d" / "pytorch_lora_weights.safetensors"), OUT / "diffusers.safetensors")
        pipe = lora.load("tiny-sd3", folder)
        pipe.load_lora_weights(str(OUT / "diffusers.safetensors"))
        pipe.fuse_lora(lora_scale=lora.SCALE)
        Image.fromarray(lora.draw(pipe).astype("uint8")).save(OUT / "sd3.png")
        lora.alpha_of = lambda module, config: 2 * next(  # twice the rank
            v.shape[0] for s, _ in adapters.values() for n, v in s.items() if n == module + ".lora_A.weight")
        halved = {n: ({k: v / 2 if ".lora_B." in k else v for k, v in s.items()}, c) for n, (s, c) in adapters.items()}
        kohya = {n: v.contiguous() for n, v in lora.joint_qkv(halved).items()}
        save_file(kohya, OUT / "kohya.safetensors")
        some = {n: v for n, v in kohya.items() if "_1_x_block_attn_qkv" in n}
        save_file(some | {"lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight": torch.zeros(2, 8),
                          "lora_unet_down_blocks_0_attentions_0_proj_in.lora_up.weight": torch.zeros(8, 2)},
                  OUT / "partly.safetensors")
        save_file(some | {"lora_unet_joint_blocks_1_x_block_attn_qkv.dora_scale": torch.ones(72, 1)}, OUT / "dora.safetensors")
    for path in OUT.iterdir():
        path.chmod(0o644)


if __name__ == "__main__":
    main()
