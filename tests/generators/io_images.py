"""Images of every kind that io/image.c reads, and what Pillow reads from them: open(path).convert("RGB").

    python tests/generators/io_images.py        # from the repository root
Writes tests/data/io/images.bin, the files one after the other, and images.txt, a line `name offset size width height
sha256` each, the hash over the RGB bytes. Made with Pillow 13.0 (its wheel: libjpeg-turbo 3.2, libwebp 1.6)."""

import hashlib
import io
import pathlib
import struct
import zlib

import numpy as np
from PIL import Image

out = pathlib.Path("tests/data/io")
rng = np.random.default_rng(3)
lines = []
binary = b""


def picture(width, height, channels=3):
    """Smooth with some noise: what lossy coding is made for, and what shows how chroma was upsampled."""
    y, x = np.mgrid[0:height, 0:width]
    planes = [127 + 90 * np.sin(x / (5 + 3 * c)) + 40 * np.cos(y / (4 + c)) for c in range(channels)]
    return np.clip(np.stack(planes, 2) + rng.normal(0, 12, (height, width, channels)), 0, 255).astype(np.uint8)


def add(name, data):
    global binary
    rgb = Image.open(io.BytesIO(data)).convert("RGB")
    lines.append(f"{name} {len(binary)} {len(data)} {rgb.width} {rgb.height} {hashlib.sha256(rgb.tobytes()).hexdigest()}")
    binary += data


def coded(image, kind, **options):
    b = io.BytesIO()
    image.save(b, kind, **options)
    return b.getvalue()


# ---- PNG, chunk by chunk: Pillow writes neither interlaced files nor every depth ----


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def packed(samples, depth):
    """[height, width * samples] of ints -> filtered rows (filter 0)."""
    rows = []
    for row in samples:
        if depth == 16:
            b = row.astype(">u2").tobytes()
        elif depth == 8:
            b = row.astype(np.uint8).tobytes()
        else:
            bits = ((row[:, None] >> np.arange(depth - 1, -1, -1)) & 1).astype(np.uint8).ravel()
            b = np.packbits(bits).tobytes()
        rows.append(b"\0" + b)
    return b"".join(rows)


def png(pixels, color, depth, interlace=False, **chunks):
    height, width = pixels.shape[:2]
    pixels = pixels.reshape(height, width, -1)
    if interlace:  # Adam7
        data = b""
        for x0, y0, dx, dy in [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]:
            part = pixels[y0::dy, x0::dx]
            if part.size:
                data += packed(part.reshape(part.shape[0], -1), depth)
    else:
        data = packed(pixels.reshape(height, -1), depth)
    head = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, int(interlace))
    between = b"".join(chunk(k.encode(), v) for k, v in chunks.items())
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + between + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
SIDES = [(13, 7), (1, 1), (5, 9), (33, 17)]
for interlace in (False, True):
    i = "i" if interlace else ""
    for n, (w, h) in enumerate(SIDES):
        for depth in (1, 2, 4, 8, 16):
            grey = rng.integers(0, 1 << depth, (h, w))
            if depth == 16:
                grey[rng.random((h, w)) < 0.6] >>= 8  # else clipping leaves white alone
            add(f"grey{depth}{i}-{n}.png", png(grey, GREY, depth, interlace))
            if depth <= 8:
                colors = rng.integers(0, 256, 3 << depth, dtype=np.uint8).tobytes()
                add(f"palette{depth}{i}-{n}.png", png(rng.integers(0, 1 << depth, (h, w)), PALETTE, depth, interlace, PLTE=colors))
            if depth >= 8:
                for name, color, m in (("rgb", RGB, 3), ("greyalpha", GREY_ALPHA, 2), ("rgba", RGBA, 4)):
                    add(f"{name}{depth}{i}-{n}.png", png(rng.integers(0, 1 << depth, (h, w, m)), color, depth, interlace))
w, h = 13, 7
some = rng.integers(0, 256, 30, dtype=np.uint8).tobytes()  # ten colours
index = rng.integers(0, 10, (h, w))
add("palette-trns.png", png(index, PALETTE, 4, PLTE=some, tRNS=bytes([255, 0, 128, 7])))
add("palette-trns-one.png", png(index, PALETTE, 8, PLTE=some, tRNS=bytes([255, 0, 255])))
add("palette-beyond.png", png(rng.integers(0, 16, (h, w)), PALETTE, 4, PLTE=some))
add("grey1-trns.png", png(rng.integers(0, 2, (h, w)), GREY, 1, tRNS=b"\0\1"))
add("grey8-trns.png", png(rng.integers(0, 4, (h, w)), GREY, 8, tRNS=b"\0\2"))
add("grey16-trns.png", png(rng.integers(0, 4, (h, w)), GREY, 16, tRNS=b"\0\2"))
add("rgb8-trns.png", png(rng.integers(0, 2, (h, w, 3)), RGB, 8, tRNS=b"\0\1\0\0\0\1"))
add("rgb16-trns.png", png(rng.integers(0, 65536, (h, w, 3)), RGB, 16, tRNS=b"\0\1\0\0\0\1"))
add("gamma.png", png(rng.integers(0, 256, (h, w, 3)), RGB, 8, gAMA=struct.pack(">I", 100000), sRGB=b"\0"))
add("suggested-palette.png", png(rng.integers(0, 256, (h, w, 3)), RGB, 8, PLTE=some))
turned = struct.pack(">2sHIHHHIHH", b"MM", 42, 8, 1, 0x0112, 3, 1, 6, 0) + b"\0\0\0\0"
add("orientation.png", png(rng.integers(0, 256, (h, w, 3)), RGB, 8, eXIf=turned))

# ---- JPEG ----
exif = Image.Exif()
exif[0x0112] = 6  # turn by 90 degrees: not applied
photo = Image.fromarray(picture(61, 43))
for name, options in {"420": dict(subsampling=2), "422": dict(subsampling=1), "444": dict(subsampling=0),
                      "progressive": dict(progressive=True), "low": dict(quality=10), "restart": dict(restart_marker_rows=1),
                      "exif": dict(exif=exif), "rgb": dict(keep_rgb=True), "best": dict(quality=100)}.items():
    add(f"{name}.jpg", coded(photo, "JPEG", **options))
add("grey.jpg", coded(photo.convert("L"), "JPEG"))
add("one.jpg", coded(photo.crop((0, 0, 1, 1)), "JPEG"))
add("narrow.jpg", coded(photo.crop((0, 0, 2, 43)), "JPEG", subsampling=2))
add("cmyk.jpg", coded(Image.fromarray(picture(37, 29, 4), "CMYK"), "JPEG"))
cmyk = coded(Image.fromarray(picture(37, 29, 4), "CMYK"), "JPEG", quality=90)
at = cmyk.find(b"Adobe")
assert at > 0 and cmyk[at + 11] in (0, 2)
add("ycck.jpg", cmyk[: at + 11] + b"\2" + cmyk[at + 12 :])  # the same numbers, said to be YCCK
add("cmyk-bare.jpg", cmyk[: at - 4] + cmyk[at + 12 :])  # no Adobe marker

# ---- WebP ----
alpha = Image.fromarray(np.dstack([picture(61, 43), rng.integers(0, 256, (43, 61, 1), dtype=np.uint8)]), "RGBA")
add("lossy.webp", coded(photo, "WEBP"))
add("low.webp", coded(photo, "WEBP", quality=5))
add("lossy-alpha.webp", coded(alpha, "WEBP"))
add("lossless.webp", coded(photo, "WEBP", lossless=True))
add("lossless-alpha.webp", coded(alpha, "WEBP", lossless=True))
add("lossless-exact.webp", coded(alpha, "WEBP", lossless=True, exact=True))
add("one.webp", coded(photo.crop((0, 0, 1, 1)), "WEBP"))
add("exif.webp", coded(photo, "WEBP", exif=exif))
add("animated.webp", coded(alpha, "WEBP", save_all=True, append_images=[alpha.rotate(90)], duration=50, lossless=True))


def part_of_canvas():
    """An animation whose first frame is 10 x 8 pixels at (4, 6) of a canvas of 20 x 18."""
    frame = coded(photo.crop((0, 0, 10, 8)), "WEBP", lossless=True)[12:]
    three = lambda v: struct.pack("<I", v)[:3]
    riff = lambda kind, data: kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
    place = three(4 // 2) + three(6 // 2) + three(9) + three(7) + three(50) + b"\0"
    body = (riff(b"VP8X", bytes([2, 0, 0, 0]) + three(19) + three(17)) + riff(b"ANIM", b"\xff\x80\x40\xff\0\0")
            + riff(b"ANMF", place + frame))
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


add("part-of-canvas.webp", part_of_canvas())
(out / "images.bin").write_bytes(binary)
(out / "images.txt").write_text("\n".join(lines) + "\n")
