"""tests/data/io/stored-types.safetensors: tensors of types that are converted as they are read, and beside each what
torch makes of it ("want.NAME").

    python tests/generators/io_stored_types.py tests/data/io
"""
import pathlib
import sys

import torch
from safetensors.torch import save_file

every = torch.arange(256, dtype=torch.int16).to(torch.uint8)
doubles = torch.tensor([0.0, -0.0, 1.0, 1 / 3, 1 + 2.0**-24, 1 + 2.0**-24 + 2.0**-50, 1 + 3 * 2.0**-24, -(2.0**-149), 1e-50,
                        3.4028235677973366e38, 1e300, -1e300, float("inf"), float("nan"), 2.0**-126 * (1 - 2.0**-24)],
                       dtype=torch.float64)
tensors = {
    "F64": doubles,
    "F8_E4M3": every.clone().view(torch.float8_e4m3fn).reshape(16, 16),
    "F8_E5M2": every.clone().view(torch.float8_e5m2).reshape(16, 16),
    "I16": torch.tensor([-32768, -1, 0, 1, 32767], dtype=torch.int16),
    "I8": every.view(torch.int8).clone(),
    "BOOL": torch.tensor([True, False, True]),
}
for name, t in list(tensors.items()):
    to = torch.float32 if t.is_floating_point() else torch.uint8 if t.dtype == torch.bool else torch.int32
    tensors["want." + name] = t.to(to).contiguous()
path = pathlib.Path(sys.argv[1]) / "stored-types.safetensors"
save_file(tensors, path)
print(path, path.stat().st_size, "bytes, torch", torch.__version__)
