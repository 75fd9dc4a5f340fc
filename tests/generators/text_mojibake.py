"""Write text/scorers/mojibake_tables.h: ftfy's four regular expressions in PCRE2's syntax, and the single-byte encodings that it
tries, from the package itself.

Run from the repository root: python tests/generators/text_mojibake.py. Needs ftfy 6.3.1 (Apache-2.0)."""
import importlib.metadata
import pathlib
import re

import ftfy.badness
import ftfy.chardata

OUT = pathlib.Path("text/scorers/mojibake_tables.h")
HEAD = """/* What ftfy knows of mojibake: regular expressions that find it, each in parts that are joined, and encodings that it
 * may have come about by. Written by tests/generators/text_mojibake.py from ftfy {version}
 * (https://github.com/rspeer/python-ftfy), copyright Robyn Speer, Apache License 2.0 (text/scorers/LICENSE-ftfy): BADNESS_RE of
 * ftfy/badness.py; UTF8_DETECTOR_RE, ALTERED_UTF8_RE, LOSSY_UTF8_RE and CHARMAP_ENCODINGS of ftfy/chardata.py. Changed:
 * PCRE2's syntax, comments and spaces dropped, Python's classes spelt out. The encodings are Python's codecs with
 * ftfy's rule for holes. For text/scorers/mojibake.c alone. */
#ifndef TEXT_MOJIBAKE_TABLES_H
#define TEXT_MOJIBAKE_TABLES_H

#include <stdint.h>

/* clang-format off */
"""
SPACE = r"\x09-\x0D\x1C-\x20\x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}"
CLASSES = {"s": f"[{SPACE}]", "w": r"[\p{L}\p{N}_]"}


def sign(c):
    if ord(c) > 0xFF or (isinstance(c, str) and ord(c) >= 0x7F):
        return f"\\x{{{ord(c):X}}}"
    return c if " " <= c < "\x7f" else f"\\x{ord(c):02X}"


def translate(pattern, names):
    """A verbose pattern of Python's as C: string literals and, for the sets called `names`, macros; an alternative a line."""
    lines, line, i, inside, depth = [], "", 0, False, 0
    sets = sorted(((v, k) for k, v in names.items()), key=lambda kv: -len(kv[0]))
    while i < len(pattern):
        c = pattern[i]
        known = next((k for v, k in sets if inside and len(v) > 1 and pattern.startswith(v, i)), None)
        if known:
            line += f'" {known.upper()} "'
            i += len(names[known])
            continue
        i += 1
        if c == "\\":
            c = pattern[i]
            i += 1
            if c == "x":
                line += sign(chr(int(pattern[i:i + 2], 16)))
                i += 2
            else:
                line += CLASSES[c]
        elif inside:
            inside = c != "]"
            line += sign(c) if inside else c
        elif c == "#":
            i = pattern.index("\n", i)
        elif c == "[":
            inside = True
            line += c
        elif c == ".":
            line += r"[^\n]"
        elif c == "|":
            lines.append(line)
            line = c
        elif not c.isspace():
            line += sign(c)
    return lines + [line]


def quoted(line):
    """A line of translate, as C of at most 120 columns; the marks around a macro are its own."""
    parts = []
    for k, part in enumerate(line.replace("\\", "\\\\").split('"')):
        if k % 2:
            parts.append(part.strip())
        elif part:
            parts += [f'"{x}"' for x in re.findall(r".{1,80}(?=\\\\|$)|.+", part)]
    rows = [""]
    for part in parts:
        if len(rows[-1]) + len(part) > 112:
            rows.append("    ")
        rows[-1] += (" " if rows[-1].strip() else "") + part
    return "\n    ".join(rows)


def literal(name, comment, lines):
    """In parts, as C promises no more than 4,095 characters to a literal."""
    body = ",\n".join("    " + quoted(x) for x in lines)
    return f"\n/* {comment} */\nstatic const char *const {name}[] = {{\n{body}}};\n"


def macros(names):
    """The sets of code points that the patterns speak of, as the inside of a class."""
    out = ""
    for name, value in names.items():
        lines = [""]
        for piece in re.findall(r"(?:.-)?.", value, re.DOTALL):
            piece = "-".join(sign(c) for c in (piece[0], piece[2])) if len(piece) == 3 else sign(piece)
            piece = piece.replace("\\", "\\\\")
            if len(lines[-1]) + len(piece) > 108:
                lines.append("")
            lines[-1] += piece
        out += f"#define {name.upper()} \\\n" + " \\\n".join(f'    "{x}"' for x in lines) + "\n"
    return out


def bytes_pattern(pattern):
    text = "".join(chr(b) if 0x20 <= b < 0x7F else f"\\x{b:02X}" for b in pattern)
    return [x if k == 0 else "|" + x for k, x in enumerate(text.split("|"))]


def table(encoding):
    signs = [ord(c) for c in bytes(range(0x80, 0x100)).decode(encoding)]
    assert len(signs) == 128 and all(s < 0x10000 for s in signs)
    rows = [",".join(f"0x{s:X}" for s in signs[i:i + 16]) for i in range(0, 128, 16)]
    return f"    {{\"{encoding}\", {int(encoding.startswith('sloppy'))}, {{\n        " + ",\n        ".join(rows) + "}},\n"


def main():
    assert ftfy.chardata.CHARMAP_ENCODINGS[0] == "latin-1"
    sets, clues = ftfy.badness.MOJIBAKE_CATEGORIES, ftfy.chardata.UTF8_CLUES
    detector = translate(ftfy.chardata.UTF8_DETECTOR_RE.pattern, clues)
    assert detector[0].count("(") == 2 and detector[-1].endswith(")+")
    detector[0] = detector[0].replace(")(", ")(?:")
    detector[-1] += "+"
    text = HEAD.format(version=importlib.metadata.version("ftfy"))
    text += "\n/* Kinds of signs that mojibake is made of. */\n" + macros(sets)
    text += literal("BADNESS", "Unlikely neighbours, in Unicode.", translate(ftfy.badness.BADNESS_RE.pattern, sets))
    text += "\n/* Letters that bytes of UTF-8 turn into. */\n" + macros(clues)
    text += literal("DETECTOR", "Runs that look like UTF-8 read in a single-byte encoding, in Unicode. Possessive, which is the same "
                    "here, as nothing\n * follows the run.", detector)
    text += literal("ALTERED_UTF8", "UTF-8 with a space in the place of byte A0, in bytes.",
                    bytes_pattern(ftfy.chardata.ALTERED_UTF8_RE.pattern))
    text += literal("LOSSY_UTF8", "UTF-8 that lost bytes to 1A or '?', in bytes.",
                    bytes_pattern(ftfy.chardata.LOSSY_UTF8_RE.pattern))
    text += """
/* The upper half of a single-byte encoding. Sloppy: its holes stand for themselves, and byte 1A for U+FFFD. */
typedef struct single_byte {
    const char *name;
    int sloppy;
    uint16_t high[128];
} single_byte;

/* In the order in which they are tried. */
static const single_byte ENCODINGS[] = {
""" + "".join(table(e) for e in ftfy.chardata.CHARMAP_ENCODINGS) + "};\n/* clang-format on */\n\n#endif\n"
    OUT.write_text(text)


if __name__ == "__main__":
    main()
