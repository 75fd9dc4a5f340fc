"""Small PNG files of every kind that the reader supports, and the RGB bytes PIL reads from them (convert("RGB")).

Run from the repository root: python tests/generators/io_png.py. Writes tests/data/io/*.png and *.rgb (raw bytes);
the file name gives kind and size. More kinds: io_images.py."""
import pathlib
import numpy as np
from PIL import Image

out = pathlib.Path("tests/data/io")
out.mkdir(parents=True, exist_ok=True)
rng = np.random.default_rng(1)
w, h = 13, 7


def save(name, image):
    image.save(out / f"{name}.png")
    (out / f"{name}.rgb").write_bytes(image.convert("RGB").tobytes())


rgb = rng.integers(0, 256, (h, w, 3), dtype=np.uint8)
save("rgb8", Image.fromarray(rgb))
save("rgba8", Image.fromarray(rng.integers(0, 256, (h, w, 4), dtype=np.uint8)))
save("grey8", Image.fromarray(rng.integers(0, 256, (h, w), dtype=np.uint8)))
save("greyalpha8", Image.fromarray(rng.integers(0, 256, (h, w, 2), dtype=np.uint8), "LA"))
save("grey1", Image.fromarray(rng.integers(0, 2, (h, w), dtype=np.uint8) * 255).convert("1"))
palette = Image.fromarray(rgb).quantize(9)
save("palette4", palette)
grey16 = rng.integers(0, 65536, (h, w), dtype=np.uint16)
grey16[:, ::2] >>= 8  # Pillow clips these to 255
save("grey16", Image.fromarray(grey16))
