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

# ---- GIF: Pillow writes frames whole; those that are part of a screen are made here ----
indexed = photo.quantize(61)
add("plain.gif", coded(indexed, "GIF"))
add("grey.gif", coded(photo.convert("L"), "GIF"))
add("one.gif", coded(indexed.crop((0, 0, 1, 1)), "GIF"))
add("interlaced.gif", coded(indexed, "GIF", interlace=1))
add("transparent.gif", coded(indexed, "GIF", transparency=3))
add("animated.gif", coded(indexed, "GIF", save_all=True, append_images=[indexed.rotate(90)], duration=50))


def lzw(indices, bits):
    """Codes of single indices, with a clear code before any needs more bits."""
    value, count, codes = 0, 0, []
    for i, index in enumerate(indices):
        if i % ((1 << bits) - 2) == 0:
            codes.append(1 << bits)
        codes.append(index)
    codes.append((1 << bits) + 1)
    for code in codes:
        value |= code << count
        count += bits + 1
    data = value.to_bytes((count + 7) // 8, "little")
    blocks = [data[i : i + 255] for i in range(0, len(data), 255)]
    return bytes([bits]) + b"".join(bytes([len(b)]) + b for b in blocks) + b"\0"


def gif(screen, place, indices, colors=4, palette=True, local=False, transparent=None, interlace=False):
    table = bytes(rng.integers(0, 256, 3 * colors, dtype=np.uint8))
    depth = colors.bit_length() - 2
    head = b"GIF89a" + struct.pack("<HHBBB", *screen, (0x80 | depth) if palette and not local else 0, 0, 0)
    head += table if palette and not local else b""
    if transparent is not None:
        head += b"!\xf9\4" + struct.pack("<BHB", 1, 0, transparent) + b"\0"
    flags = (0x80 | depth if local else 0) | (0x40 if interlace else 0)
    return head + b"," + struct.pack("<HHHHB", *place, flags) + (table if local else b"") + lzw(indices, 3) + b";"


few = [int(v) for v in rng.integers(0, 4, 7 * 5)]
add("part-of-screen.gif", gif((12, 11), (3, 4, 7, 5), few))
add("part-transparent.gif", gif((12, 11), (3, 4, 7, 5), few, transparent=2))
add("beyond-screen.gif", gif((5, 4), (3, 4, 7, 5), few))
add("local.gif", gif((7, 5), (0, 0, 7, 5), few, local=True))
add("no-palette.gif", gif((7, 5), (0, 0, 7, 5), few, palette=False))
add("beyond-palette.gif", gif((7, 5), (0, 0, 7, 5), [v + 3 for v in few]))
add("part-interlaced.gif", gif((20, 21), (2, 1, 5, 17), [int(v) for v in rng.integers(0, 4, 5 * 17)], interlace=True))

# those that are not packed, smaller
photo, alpha, indexed = (image.crop((0, 0, 21, 15)) for image in (photo, alpha, indexed))

# ---- BMP ----


def bmp(width, height, bits, rows, palette=b"", compression=0, masks=b"", colors=0, header=40, down=False):
    if header == 12:
        info = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        info = struct.pack("<IiiHHIIiiII", header, width, -height if down else height, 1, bits, compression, len(rows), 2835, 2835, colors, 0)
        info += masks.ljust(header - 40, b"\0") if header > 40 else masks
    at = 14 + len(info) + len(palette)
    return b"BM" + struct.pack("<IHHI", at + len(rows), 0, 0, at) + info + palette + rows


def bmp_rows(width, height, bits):
    """Random rows, padded to 4 bytes."""
    stride = (width * bits + 31) // 32 * 4
    return bytes(rng.integers(0, 256, stride * height, dtype=np.uint8))


def colors_of(n, entry=4):
    return bytes(rng.integers(0, 256, entry * n, dtype=np.uint8))


for name, image in {"rgb": photo, "grey": photo.convert("L"), "palette": indexed, "bits": photo.convert("1"), "alpha": alpha}.items():
    add(f"{name}.bmp", coded(image, "BMP"))
for bits in (1, 4, 8, 16, 24, 32):
    table = colors_of(1 << bits) if bits <= 8 else b""
    add(f"bits{bits}.bmp", bmp(13, 7, bits, bmp_rows(13, 7, bits), table))
    add(f"bits{bits}-down.bmp", bmp(13, 7, bits, bmp_rows(13, 7, bits), table, down=True))
add("os2.bmp", bmp(13, 7, 8, bmp_rows(13, 7, 8), colors_of(256, 3), header=12))
add("few-colors.bmp", bmp(13, 7, 8, bmp_rows(13, 7, 8), colors_of(17), colors=17))
greys = b"".join(bytes([i, i, i, 0]) for i in range(256))
add("greys.bmp", bmp(13, 7, 8, bmp_rows(13, 7, 8), greys))
add("few-greys.bmp", bmp(13, 7, 8, bmp_rows(13, 7, 8), greys[: 4 * 40], colors=40))
for name, bits, masks in [("565", 16, (0xF800, 0x7E0, 0x1F)), ("555", 16, (0x7C00, 0x3E0, 0x1F)), ("888", 24, (0xFF0000, 0xFF00, 0xFF)),
                          ("bgrx", 32, (0xFF0000, 0xFF00, 0xFF)), ("xbgr", 32, (0xFF000000, 0xFF0000, 0xFF00)), ("bgxr", 32, (0xFF000000, 0xFF00, 0xFF))]:
    add(f"masks-{name}.bmp", bmp(13, 7, bits, bmp_rows(13, 7, bits), compression=3, masks=struct.pack("<III", *masks)))
add("masks-rgba.bmp", bmp(13, 7, 32, bmp_rows(13, 7, 32), compression=3, masks=struct.pack("<IIII", 0xFF, 0xFF00, 0xFF0000, 0xFF000000), header=108))
add("masks-bgra.bmp", bmp(13, 7, 32, bmp_rows(13, 7, 32), compression=3, masks=struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000), header=124))
rows8 = b"".join(bytes([5, 7 + y]) + bytes([0, 3, 1, 2, 3 + y, 0]) + bytes([5, 9]) + b"\0\0" for y in range(5))
add("runs8.bmp", bmp(13, 5, 8, rows8 + b"\0\1", colors_of(256), compression=1))
add("runs8-skip.bmp", bmp(13, 5, 8, b"\4\2\0\2\3\1\6\5\0\0" + rows8[:12] + rows8 + b"\0\1", colors_of(256), compression=1))
add("runs8-long.bmp", bmp(13, 4, 8, b"\24\6\0\0" * 4 + b"\0\1", colors_of(256), compression=1))
rows4 = b"".join(bytes([5, 0x7A + y]) + bytes([0, 5, 0x12, 0x34, 0x50, 0]) + bytes([3, 0x9B]) + b"\0\0" for y in range(5))
add("runs4.bmp", bmp(13, 5, 4, rows4 + b"\0\1", colors_of(16), compression=2))

# ---- TIFF ----


def tiff(image, **options):
    return coded(image, "TIFF", **options)


for name, image in {"rgb": photo, "grey": photo.convert("L"), "palette": indexed, "bits": photo.convert("1"), "alpha": alpha, "cmyk": photo.convert("CMYK"),
                    "grey16": Image.fromarray(rng.integers(0, 600, (9, 14)).astype(np.uint16)), "grey-alpha": alpha.convert("LA"), "premultiplied": alpha.convert("RGBa")}.items():
    if name != "premultiplied":
        add(f"{name}.tif", tiff(image))
for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "tiff_deflate"):
    add(f"{compression}.tif", tiff(photo, compression=compression))
add("lzw-predicted.tif", tiff(photo, compression="tiff_lzw", tiffinfo={317: 2}))
add("fax.tif", tiff(photo.convert("1"), compression="group4"))
add("jpeg.tif", tiff(photo, compression="jpeg"))
for orientation in range(2, 9):
    add(f"turned{orientation}.tif", tiff(photo.crop((0, 0, 7, 5)), tiffinfo={274: orientation}))


def ifd(entries, data, order="<"):
    """A TIFF of these tags, (tag, type, values); the data first. Strip or tile offsets are to be those of `data`, at 8."""
    size = {1: "B", 3: "H", 4: "I"}
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8 + len(data) + len(data) % 2)
    body, more, at = b"", b"", 8 + len(data) + len(data) % 2 + 2 + 12 * len(entries) + 4
    for tag, kind, values in sorted(entries):
        packed_values = struct.pack(order + size[kind] * len(values), *values)
        if len(packed_values) > 4:
            body += struct.pack(order + "HHII", tag, kind, len(values), at + len(more))
            more += packed_values + b"\0" * (len(packed_values) % 2)
        else:
            body += struct.pack(order + "HHI", tag, kind, len(values)) + packed_values.ljust(4, b"\0")
    return head + data + b"\0" * (len(data) % 2) + struct.pack(order + "H", len(entries)) + body + struct.pack(order + "I", 0) + more


def raw_tiff(width, height, bits, samples, photometric, extra=(), planar=1, tile=0, order="<", more=()):
    across, down = (tile, tile) if tile else (width, height)
    pieces = -(-width // across) * -(-height // down) * (samples if planar == 2 else 1)
    row = (across * bits * (1 if planar == 2 else samples) + 7) // 8
    data = bytes(rng.integers(0, 256, pieces * row * down, dtype=np.uint8))
    offsets, counts = [8 + i * row * down for i in range(pieces)], [row * down] * pieces
    entries = [(256, 4, [width]), (257, 4, [height]), (258, 3, [bits] * samples), (259, 3, [1]), (262, 3, [photometric]), (277, 3, [samples]), (284, 3, [planar])]
    entries += [(322, 3, [tile]), (323, 3, [tile]), (324, 4, offsets), (325, 4, counts)] if tile else [(273, 4, offsets), (278, 4, [height]), (279, 4, counts)]
    entries += [(338, 3, list(extra))] if extra else []
    entries += [(320, 3, [int(v) for v in rng.integers(0, 65536, 3 << bits)])] if photometric == 3 else []
    return ifd(entries + list(more), data, order)


for bits in (1, 2, 4, 8):
    add(f"white{bits}.tif", raw_tiff(13, 7, bits, 1, 0))
    add(f"black{bits}.tif", raw_tiff(13, 7, bits, 1, 1))
    add(f"palette{bits}.tif", raw_tiff(13, 7, bits, 1, 3))
for order in "<>":
    add(f"rgb16{'lm'[order == '>']}.tif", raw_tiff(13, 7, 16, 3, 2, order=order))
    add(f"grey16{'lm'[order == '>']}.tif", raw_tiff(13, 7, 16, 1, 1, order=order))
for name, extra in {"x": (0,), "premultiplied": (1,), "alpha": (2,), "two": (2, 0)}.items():
    add(f"extra-{name}.tif", raw_tiff(13, 7, 8, 3 + len(extra), 2, extra))
add("extra-missing.tif", raw_tiff(13, 7, 8, 4, 2))
add("apart.tif", raw_tiff(13, 7, 8, 3, 2, planar=2))
add("apart-alpha.tif", raw_tiff(13, 7, 8, 4, 2, (2,), planar=2))
add("tiles.tif", raw_tiff(37, 21, 8, 3, 2, tile=16))
add("tiles-apart.tif", raw_tiff(37, 21, 8, 3, 2, tile=16, planar=2))
add("tiles-bits.tif", raw_tiff(37, 21, 1, 1, 1, tile=16))
add("filled-from-below.tif", raw_tiff(13, 7, 1, 1, 1, more=[(266, 3, [2])]))
(out / "images.bin").write_bytes(binary)
(out / "images.txt").write_text("\n".join(lines) + "\n")
