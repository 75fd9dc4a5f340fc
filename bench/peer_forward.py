"""The peer of bench_forward: a network of diffusers on the CPU, its attention fused and not measured.

A denoiser makes one pass; an autoencoder decodes.

usage: python peer_forward.py FOLDER THREADS [TYPE [RUNTIME]]

TYPE is float32 (default) or bfloat16, of weights and activations. RUNTIME is torch (default), compile (torch.compile) or
openvino: the network is converted once for each size (FOLDER/openvino-SIDE.xml), and OpenVINO told to compute in TYPE.

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
WHOLE = ("timestep", "time_ids")  # numbers that pipelines keep in float32


def arguments(path, dtype):
    inputs = load_file(path)
    inputs = {name: x if name in WHOLE else x.to(dtype) for name, x in inputs.items()}
    added = {name: inputs.pop(name) for name in ADDED if name in inputs}
    return inputs | ({"added_cond_kwargs": added} if added else {})


class Positional(torch.nn.Module):
    """The network with its inputs by position, as OpenVINO's converter needs them."""

    def __init__(self, network, names):
        super().__init__()
        self.network, self.names = network, names

    def forward(self, *inputs):
        return self.network(**dict(zip(self.names, inputs)), return_dict=False)[0]


def openvino_pass(network, inputs, dtype, threads, kept):
    import openvino

    names = list(inputs)
    flat = tuple(inputs[name].float() for name in names)
    if not kept.exists():
        made = openvino.convert_model(Positional(network, names).eval(), example_input=flat)
        openvino.save_model(made, kept, compress_to_fp16=False)
    made = openvino.Core().read_model(kept)
    settings = {
        "INFERENCE_PRECISION_HINT": "bf16" if dtype == torch.bfloat16 else "f32",
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
    }
    compiled = openvino.Core().compile_model(made, "CPU", settings)
    arrays = [x.numpy() for x in flat]
    return lambda: torch.from_numpy(compiled(arrays)[0].copy())


def main():
    folder, threads = Path(sys.argv[1]), int(sys.argv[2])
    dtype = getattr(torch, sys.argv[3] if len(sys.argv) > 3 else "float32")
    runtime = sys.argv[4] if len(sys.argv) > 4 else "torch"
    torch.set_num_threads(threads)
    kind = json.loads((folder / "config.json").read_text())["_class_name"]
    held = torch.float32 if runtime == "openvino" else dtype
    model = getattr(diffusers, kind).from_pretrained(folder, torch_dtype=held).eval()
    if kind == "AutoencoderKL":
        work = lambda latents, return_dict: model.decode(latents, return_dict)
    else:
        work = torch.compile(model) if runtime == "compile" else model
    versions = f"diffusers {diffusers.__version__}, torch {torch.__version__}"
    if runtime == "openvino":
        import openvino

        versions = f"OpenVINO {openvino.__version__.split('-')[0]}"
    print(f"{versions}, {sys.argv[3] if len(sys.argv) > 3 else 'float32'}" + (" compiled" * (runtime == "compile")), flush=True)
    ready = {}
    with torch.inference_mode():
        for line in sys.stdin:
            side = int(line.split()[1])
            if side not in ready:
                inputs = arguments(folder / f"inputs-{side}.safetensors", dtype)
                if runtime == "openvino":
                    ready[side] = openvino_pass(model, inputs, dtype, threads, folder / f"openvino-{side}.xml")
                else:
                    ready[side] = lambda inputs=inputs: work(**inputs, return_dict=False)[0]
                if runtime != "torch":
                    ready[side]()  # what is compiled is compiled
            wall, processor = time.perf_counter(), time.process_time()
            output = ready[side]()
            wall, processor = time.perf_counter() - wall, time.process_time() - processor
            save_file({"output": output.float().contiguous()}, folder / f"output-{side}.safetensors")
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024e-6
            print(wall, processor, peak, flush=True)


if __name__ == "__main__":
    main()
