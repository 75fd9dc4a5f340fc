"""The random weights of nn/weights_random.c (WEIGHTS_RANDOM) in NumPy, so that a reference implementation can be given the
same ones and golden files need not store any. See the head of nn/weights_random.c for the recipe and base/philox.c for the
streams."""

import numpy as np
import torch

MASK = np.uint64(0xFFFFFFFF)


def philox(counter, key):
    """Philox4x32-10; counter and key are sequences of 4 and 2 integers or arrays. -> 4 arrays of uint64 (32 bits)."""
    c = [np.asarray(x, dtype=np.uint64) & MASK for x in counter]
    k = [int(key[0]), int(key[1])]
    for _ in range(10):
        p0, p1 = np.uint64(0xD2511F53) * c[0], np.uint64(0xCD9E8D57) * c[2]
        c = [(p1 >> np.uint64(32)) ^ c[1] ^ np.uint64(k[0]), p1 & MASK, (p0 >> np.uint64(32)) ^ c[3] ^ np.uint64(k[1]), p0 & MASK]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c


def hash_text(s):
    h = 0xCBF29CE484222325
    for byte in s.encode():
        h = ((h ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return h


def stream_state(seed, parts):
    key = (seed & 0xFFFFFFFF, seed >> 32)
    state = [0, 0, 0, 0]
    n = len(parts)
    for i, part in enumerate(list(parts) + [n ^ 0x73696E6B73636F70]):
        mixed = [state[0] ^ (part & 0xFFFFFFFF), state[1] ^ (part >> 32), state[2], state[3] ^ i]
        state = [int(x) for x in philox(mixed, key)]
    return state


def normals(seed, name, n):
    """philox_normal, n times, of the stream (seed, hash of name): one block of four words makes one number."""
    s = stream_state(seed, [hash_text(name)])
    w = philox([np.arange(n, dtype=np.uint64), np.zeros(n), np.full(n, s[2]), np.full(n, s[3])], s[:2])
    u = [((w[i] | w[i + 1] << np.uint64(32)) >> np.uint64(11)).astype(np.float64) * 2.0**-53 for i in (0, 2)]
    return np.sqrt(-2 * np.log(1 - u[0])) * np.cos(6.283185307179586476925 * u[1])


def random_tensor(seed, name, shape, kind):
    """kind: "linear" (and conv), "table", "scale" (a vector whose name ends in "weight" or "running_var") or "bias"."""
    n = int(np.prod(shape))
    scale, offset = {"linear": ((n // shape[0]) ** -0.5, 0), "table": (0.5, 0), "scale": (0.1, 1), "bias": (0.1, 0)}[kind]
    return torch.from_numpy((offset + scale * normals(seed, name, n)).astype(np.float32).reshape(shape))


def fill(module, seed, tables=(), drop=()):
    """Give every tensor of module.state_dict() its random values. `tables`: ends of names of embedding tables; `drop`:
    of tensors that are tied to others or not in files."""
    state = module.state_dict()
    for name, value in state.items():
        if name.endswith(tuple(drop)) or not value.is_floating_point():
            continue
        if name.endswith(tuple(tables)):
            kind = "table"
        elif value.ndim > 1:
            kind = "linear"
        else:
            kind = "scale" if name.endswith(("weight", "running_var")) else "bias"
        state[name] = random_tensor(seed, name, tuple(value.shape), kind)
    module.load_state_dict(state)
