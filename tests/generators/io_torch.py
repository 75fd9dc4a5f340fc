"""Checkpoints as torch.save writes them, in both of its formats, and the same tensors as safetensors.

Run from the repository root: python tests/generators/io_torch.py. Writes tests/data/io/torch/: NAME.pt and the twin
NAME.safetensors, which holds what sinkscope is to read: keys joined by '.', contiguous, F64 rounded to F32, I8 and I16
as I32, bool as U8. Files whose content does not depend on the format share a twin: NAME-legacy.pt, NAME-protocol4.pt.
Made with torch 2.x. Keys of storages in the older format are addresses: those files differ from run to run."""
import argparse
import collections
import pathlib
import pickle
import struct

import numpy as np
import torch
from safetensors.torch import save_file

OUT = pathlib.Path("tests/data/io/torch")
OUT.mkdir(parents=True, exist_ok=True)
torch.manual_seed(7)
WIDER = {torch.float64: torch.float32, torch.int8: torch.int32, torch.int16: torch.int32, torch.bool: torch.uint8}


def flatten(value, name, out):
    if isinstance(value, torch.Tensor):
        value = value.detach()
        out[name] = value.to(WIDER.get(value.dtype, value.dtype)).contiguous().clone()
    elif isinstance(value, (dict, list, tuple)):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            flatten(item, f"{name}.{key}" if name else str(key), out)
    return out


def save(name, value, twin=True, suffix="", **options):
    torch.save(value, OUT / f"{name}{suffix}.pt", **options)
    if twin:
        save_file(flatten(value, "", {}), OUT / f"{name}.safetensors")


def save_both(name, value):
    save(name, value)
    save(name, value, twin=False, suffix="-protocol4", pickle_protocol=4)
    save(name, value, twin=False, suffix="-legacy", _use_new_zipfile_serialization=False)
    save(name, value, twin=False, suffix="-legacy4", _use_new_zipfile_serialization=False, pickle_protocol=4)


# every type, with its extremes
save_both("types", {
    "f64": torch.tensor([1 / 3, -0.0, 1e300, 1e-300, float("inf"), float("nan")], dtype=torch.float64),
    "f32": torch.randn(3, 2),
    "f16": torch.randn(5).half(),
    "bf16": torch.randn(2, 1, 3).bfloat16(),
    "i64": torch.tensor([-1, 2**62], dtype=torch.int64),
    "i32": torch.tensor([[-2**31, 2**31 - 1]], dtype=torch.int32),
    "i16": torch.tensor([-32768, 32767, 0], dtype=torch.int16),
    "i8": torch.tensor([-128, 127, 1], dtype=torch.int8),
    "u8": torch.tensor([0, 1, 255], dtype=torch.uint8),
    "bool": torch.tensor([True, False, True]),
})

# layouts: views with offsets and strides, one storage for several, scalars, nothing at all
base = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4)
halves = torch.arange(20).half()
save_both("layouts", {
    "base": base,
    "tail": base[1],
    "row": base[0, 1],
    "transposed": base.transpose(0, 2),
    "permuted": base.permute(1, 2, 0)[1:, ::2],
    "every other": base.flatten()[1::2],
    "diagonal": torch.diagonal(base[0]),
    "expanded": torch.tensor([[1.5], [2.5]]).expand(2, 3),
    "leading one": torch.arange(5).expand((1, -1)),
    "column": base[:, 1:2, 3:],
    "odd offset": halves[3:8],
    "double transposed": torch.randn(3, 2, dtype=torch.float64).t(),
    "bytes reversed in blocks": torch.arange(6, dtype=torch.int8).reshape(3, 2).t(),
    "scalar": torch.tensor(2.5),
    "count": torch.tensor(12345678901, dtype=torch.int64),
    "element": base[1, 2, 3],
    "empty": torch.zeros(0),
    "empty inside": torch.zeros(3, 0, 2),
    "eight": torch.arange(4.0).reshape(1, 2, 1, 1, 2, 1, 1, 1),
})

# a state dict of a module: OrderedDict with _metadata, parameters, buffers
net = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 2), torch.nn.BatchNorm2d(3))
net[1].num_batches_tracked += 41
save_both("module", net.state_dict())

# what training leaves: nested, with parameters and with things that are no tensors
optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3)
net(torch.randn(1, 2, 4, 4)).sum().backward()
optimizer.step()
kept = torch.nn.Parameter(torch.randn(2))
kept.note = "an attribute"
save_both("training", {
    "epoch": 3, "name": "ViT-H-14", "best": 0.25, "flag": True, "nothing": None, "large": 2**40, "huge": 2**90,
    "negative": -7, "wide": 70000, "bytes": b"\x00\xff",
    "state_dict": collections.OrderedDict(("module." + k, v) for k, v in net.state_dict().items()),
    "optimizer": optimizer.state_dict(),
    "parameters": [torch.nn.Parameter(torch.ones(2, 2)), kept],
    "pair": (torch.tensor([1]), "text", torch.tensor([2])),
    "single": (torch.tensor([3.0]),),
    "milestones": collections.Counter([2, 4]),
    "args": argparse.Namespace(lr=0.1, size=[1, 2]),
    "loss": np.float64(0.5),
    "dtype": torch.bfloat16, "device": torch.device("cpu"), "shape": torch.Size([1, 2]),
    "storage": torch.ones(3).untyped_storage(),
    -3: torch.tensor([4]), 7: {"x": torch.tensor([5])}, 300: torch.tensor([6]), 100000: torch.tensor([7]),
})

# names
save_both("names", {"größe.Ж.日本.🙂": torch.tensor([1.0]), "": torch.tensor([2.0]), "a b\\\"c": torch.tensor([3.0]),
                    "x" * 300: torch.tensor([4.0])})
save_both("list", [torch.tensor([1.0]), {"a": torch.tensor([2.0])}])
save_both("nothing", {})

# more entries than one SETITEMS and one byte of memo number hold
shared = torch.arange(1001, dtype=torch.int32)
save("many", {"a": {f"{i}": shared[i] for i in range(1001)}})

# old files. A GPU's tensors; Python 2: byte strings, a memo that begins with 1, OrderedDict made of a list of pairs;
# _rebuild_tensor, which came before _v2; views of storages, as PyTorch before 0.4 wrote them
legacy = (OUT / "module-legacy.pt").read_bytes()
cpu, cuda = b"X\x03\x00\x00\x00cpu", b"X\x06\x00\x00\x00cuda:0"
assert cpu in legacy
(OUT / "module-cuda.pt").write_bytes(legacy.replace(cpu, cuda))


def text(s):
    return b"U" + bytes([len(s)]) + s.encode()


def number(n):
    return b"K" + bytes([n])


def storage(key, elements, view=b"N"):
    return b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text(key) + text("cuda:0") + number(elements) + view \
        + b"tQ"


def tensor(place, offset, size, stride):
    return b"ctorch._utils\n_rebuild_tensor\n(" + place + number(offset) + b"(" + b"".join(map(number, size)) + b"t(" \
        + b"".join(map(number, stride)) + b"ttR"


def pair(key, value, memo):
    return b"]q" + bytes([memo]) + b"(" + text(key) + value + b"e"


a, b = np.arange(6, dtype=np.float32), np.array([9, 8, 7, 6], dtype=np.float32)
pairs = pair("lin.weight", tensor(storage("10", 6), 0, (2, 3), (3, 1)), 3) \
    + pair("lin.view", tensor(storage("11", 4, b"(" + text("12") + number(1) + number(2) + b"t"), 1, (1,), (1,)), 4)
parts = [
    pickle.dumps(0x1950a86a20f9469cfc6c, 2),
    pickle.dumps(1001, 2),
    b"\x80\x02}q\x01(" + text("little_endian") + b"\x88" + text("protocol_version") + b"M\xe9\x03u.",
    b"\x80\x02ccollections\nOrderedDict\nq\x01]q\x02(" + pairs + b"e\x85Rq\x05.",
    b"\x80\x02]q\x01(" + text("11") + text("10") + b"e.",
    struct.pack("<q", 4) + b.tobytes(), struct.pack("<q", 6) + a.tobytes(),
]
(OUT / "python2.pt").write_bytes(b"".join(parts))
save_file({"lin.weight": torch.tensor(a.reshape(2, 3)), "lin.view": torch.tensor(b[2:3])}, OUT / "python2.safetensors")
