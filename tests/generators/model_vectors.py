"""Golden tensors of one network: a folder with config.json and vectors.safetensors that tests/unit/model/parity.c reads.
in/NAME are inputs and out/NAME what the reference made of them: outputs and tapped modules. A tensor of more than `limit`
elements is stored as part/NAME: its rms, then so many of its elements, those at (i x STRIDE) mod n. Inputs too large to be
stored are draw/NAME: their shape, for numbers made by draw() here and by the test."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

import philox_weights

OUT = Path(__file__).resolve().parent.parent / "data" / "model"
SEED, LIMIT, STRIDE = 1, 192, 2654435761


def draw(case, key, *shape):
    """Standard normal numbers that depend on the names alone."""
    n = torch.Size(shape).numel()
    return torch.from_numpy(philox_weights.normals(SEED, f"{case}/{key}", n)).float().reshape(shape)


def listen(model, names):
    """Hooks that keep the first output of each module; -> the dict that they fill."""
    found = {}

    def hook_for(name):
        def hook(_module, _args, output):
            found[name] = (output[0] if isinstance(output, tuple) else output).detach().clone()
        return hook

    for name in names:
        model.get_submodule(name).register_forward_hook(hook_for(name))
    return found


def save(case, config, inputs, outputs, limit=LIMIT, drawn=None):
    folder = OUT / case
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    vectors = {f"in/{k}": v.to(torch.int32) if v.dtype == torch.int64 else v for k, v in inputs.items()}
    vectors |= {f"draw/{k}": torch.tensor(v.shape, dtype=torch.int32) for k, v in (drawn or {}).items()}
    for name, value in outputs.items():
        flat = value.detach().float().reshape(-1)
        if len(flat) <= limit:
            vectors[f"out/{name}"] = value.detach().float().clone(memory_format=torch.contiguous_format)
        else:
            rms = value.detach().double().square().mean().sqrt().float().reshape(1)
            vectors[f"part/{name}"] = torch.cat([rms, flat[(torch.arange(limit) * STRIDE) % len(flat)]])
    save_file(vectors, folder / "vectors.safetensors")
    (folder / "vectors.safetensors").chmod(0o644)
