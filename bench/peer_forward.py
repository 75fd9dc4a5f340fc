"""The peer of bench_forward: a network of diffusers on the CPU in float32, its attention fused and not measured.

A denoiser makes one pass; an autoencoder decodes.

usage: python peer_forward.py FOLDER THREADS

Reads lines "pass SIDE" and answers each with "WALL PROCESSOR PEAK": seconds from inputs in memory to the output, and
the most memory there was so far, MB. The first line written names the versions. FOLDER is a component's folder as
bench/run makes it; inputs-SIDE.safetensors in it is read, output-SIDE.safetensors written.
"""

import json
import resource
import sys
import time
from pathlib import Path

import diffusers
import torch
from safetensors.torch import load_file, save_file

ADDED = ("text_embeds", "time_ids")  # UNet2DConditionModel takes these in a dictionary


def arguments(path):
    inputs = load_file(path)
    added = {name: inputs.pop(name) for name in ADDED if name in inputs}
    return inputs | ({"added_cond_kwargs": added} if added else {})


def main():
    folder, threads = Path(sys.argv[1]), int(sys.argv[2])
    torch.set_num_threads(threads)
    kind = json.loads((folder / "config.json").read_text())["_class_name"]
    model = getattr(diffusers, kind).from_pretrained(folder, torch_dtype=torch.float32).eval()
    work = (lambda latents, return_dict: model.decode(latents, return_dict)) if kind == "AutoencoderKL" else model
    print(f"diffusers {diffusers.__version__}, torch {torch.__version__}", flush=True)
    with torch.inference_mode():
        for line in sys.stdin:
            side = int(line.split()[1])
            inputs = arguments(folder / f"inputs-{side}.safetensors")
            wall, processor = time.perf_counter(), time.process_time()
            output = work(**inputs, return_dict=False)[0]
            wall, processor = time.perf_counter() - wall, time.process_time() - processor
            save_file({"output": output.contiguous()}, folder / f"output-{side}.safetensors")
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024e-6
            print(wall, processor, peak, flush=True)


if __name__ == "__main__":
    main()
