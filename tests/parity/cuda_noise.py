"""Noise of a card: torch.randn on the card at hand against what sinkscope draws for it. Says 'skipped' where torch finds none.

usage: python tests/parity/cuda_noise.py BUILD
"""

import subprocess
import sys

try:
    import torch
    card = torch.cuda.is_available()
except ImportError:
    card = False
if not card:
    print("skipped: noise of a card (torch finds none)")
    sys.exit(0)

SEEDS = [0, 1, 123, 2**32 + 5, 2**63 + 1]
LENGTHS = [[12], [4 * 64 * 64] * 2, [16 * 128 * 128] * 2, [1, 257, 16 * 128 * 128 + 3]]

properties = torch.cuda.get_device_properties(0)
shape = f"{properties.multi_processor_count}x{properties.max_threads_per_multi_processor}"
worst = 0.0
for seed in SEEDS:
    for lengths in LENGTHS:
        generator = torch.Generator("cuda").manual_seed(seed)
        expected = torch.cat([torch.randn(n, generator=generator, device="cuda") for n in lengths]).cpu()
        found = subprocess.run([f"{sys.argv[1]}/tests/parity/draw_noise", f"torch-cuda:{shape}", str(seed), *map(str, lengths)],
                               check=True, capture_output=True).stdout
        found = torch.frombuffer(bytearray(found), dtype=torch.float32)
        off = (found - expected).abs().max().item()
        worst = max(worst, off)
        if not off <= 2e-5:
            sys.exit(f"seed {seed}, {lengths} numbers on a {properties.name} ({shape}): {off:.3g} off")
print(f"noise of a card: {properties.name} ({shape}), {len(SEEDS) * len(LENGTHS)} draws, {worst:.2g} off at most")
