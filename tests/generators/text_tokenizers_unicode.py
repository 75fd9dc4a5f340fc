"""Write text/tokenizers_unicode.h: what the tokenizers package takes for a letter, a mark, punctuation and so on, asked of
the package code point by code point. Its parts carry tables of Unicode 8 to 17; Debian's libraries carry 14 or 15.

Run from the repository root with tokenizers 0.23.3 and Python 3.11 (whose unicodedata is Unicode 14, as PCRE2 10.42):
python tests/generators/text_tokenizers_unicode.py. Minutes."""
import importlib.metadata
import pathlib
import unicodedata

from tokenizers import Regex
from tokenizers import normalizers as N
from tokenizers import pre_tokenizers as P

OUT = pathlib.Path("text/tokenizers_unicode.h")
POINTS = [c for c in range(1, 0x110000) if not 0xD800 <= c < 0xE000]
CATEGORIES = "Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp".split()
SCRIPTS = "Han Hiragana Katakana Hangul Thai Latin Greek Cyrillic Arabic Hebrew Devanagari".split()


def removed_by(pre):
    """Code points that a pre-tokenizer that removes what it matches removes."""
    found = set()
    for i in range(0, len(POINTS), 20000):
        chunk = "".join(map(chr, POINTS[i:i + 20000]))
        left = {c for _, (a, b) in pre.pre_tokenize_str(chunk) for c in chunk[a:b]}
        found |= {ord(c) for c in chunk if c not in left}
    return found


def is_new(c):
    return unicodedata.category(chr(c)) == "Cn"


def ranges(points):
    out = []
    for c in sorted(points):
        if out and out[-1][1] == c - 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def table(name, comment, points):
    cells = [f"{{0x{a:X}, 0x{b:X}}}," for a, b in ranges(points)]
    lines = [" ".join(cells[i:i + 6]) for i in range(0, len(cells), 6)]
    return f"/* {comment} */\nstatic const code_range {name}[] = {{\n    " + "\n    ".join(lines) + "\n};\n"


def numeric():
    digits, found = P.Digits(individual_digits=True), set()
    for i in range(0, len(POINTS), 5000):
        chunk = "".join("a" + chr(c) for c in POINTS[i:i + 5000])
        found |= {ord(chunk[a]) for _, (a, b) in digits.pre_tokenize_str(chunk) if b - a == 1 and chunk[a] != "a"}
    return found


def barriers(recent):
    """Code points that the package's normalization leaves alone: it neither takes them apart nor reorders them. Of those
    that Unicode 14 lacks it knows none; marks and signs that stand for others are listed, for libraries that know them."""
    nfd, nfkd, nfc = N.NFD(), N.NFKD(), N.NFC()
    found = {c for name, a, b in recent if name in ("Mn", "Mc", "Me", "Lm", "Nd", "So") for c in range(a, b + 1)}
    for c in POINTS:
        if is_new(c):
            continue
        s = chr(c)
        wholes = (nfd.normalize_str(s), nfkd.normalize_str(s), nfc.normalize_str(s))
        theirs = tuple(unicodedata.normalize(form, s) for form in ("NFD", "NFKD", "NFC"))
        ordered = True
        if unicodedata.combining(s):
            for t in ("a\u0301" + s, "a" + s + "\u0323", "a" + s + "\u0334", "a\u0315" + s):
                ordered &= nfd.normalize_str(t) == unicodedata.normalize("NFD", t)
        if wholes != theirs or not ordered:
            found.add(c)
    return found


def main():
    bert = N.BertNormalizer(True, False, False, False)
    accents, plain, nfd = N.BertNormalizer(False, False, True, False), N.StripAccents(), N.NFD()
    lower, words = N.Lowercase(), P.Whitespace()
    other = {c for c in POINTS if c != 0xFFFD and bert.normalize_str(chr(c)) == ""}
    nonspacing = {c for c in POINTS if nfd.normalize_str(chr(c)) == chr(c) and accents.normalize_str(chr(c)) == ""}
    combining = {c for c in POINTS if plain.normalize_str(chr(c)) == ""}
    lowered = [(c, lower.normalize_str(chr(c))) for c in POINTS if is_new(c)]
    new_words = {c for c in POINTS if is_new(c) and len(words.pre_tokenize_str("a" + chr(c) + "a")) == 1}
    recent = []
    for name in CATEGORIES + SCRIPTS:
        recent += [(name, a, b) for a, b in
                   ranges({c for c in removed_by(P.Split(Regex(rf"\p{{{name}}}"), "removed")) if is_new(c)})]
    cells = [f'{{"{n}", {{0x{a:X}, 0x{b:X}}}}},' for n, a, b in recent]
    pairs = [f"{{0x{c:X}, 0x{ord(s):X}}}," for c, s in lowered if s != chr(c)]
    version = importlib.metadata.version("tokenizers")
    text = f"""/* What the tokenizers package {version} takes a code point for, where Debian's utf8proc and PCRE2 (Unicode 14 or 15) may
 * take it for something else: the package's parts carry tables of Unicode 8 (unicode_categories) to 17 (Rust). Written by
 * tests/generators/text_tokenizers_unicode.py, which asks the package. */
#ifndef TEXT_TOKENIZERS_UNICODE_H
#define TEXT_TOKENIZERS_UNICODE_H

#include <stdint.h>

/* clang-format off */
typedef struct code_range {{ int32_t first, last; }} code_range;
typedef struct named_range {{ const char *name; code_range range; }} named_range;

"""
    text += table("TOKENIZERS_OTHER", "BertNormalizer's control signs: Cc, Cf, Co of Unicode 8, without tab, LF, CR", other)
    text += table("TOKENIZERS_PUNCTUATION", "P* of Unicode 8, and ASCII's", removed_by(P.Punctuation("removed")))
    text += table("TOKENIZERS_NONSPACING", "BertNormalizer's accents: Mn of Unicode 8", nonspacing)
    text += table("TOKENIZERS_COMBINING", "StripAccents: M*", combining)
    text += table("TOKENIZERS_NUMERIC", "Rust's char::is_numeric", numeric())
    text += table("TOKENIZERS_BARRIER", "Signs that its normalization does not know: left alone, nothing moves over them",
                  barriers(recent))
    text += table("TOKENIZERS_NEW_WORD", "\\\\w of code points that Unicode 14 does not have", new_words)
    text += "/* Categories and scripts of code points that Unicode 14 does not have, as Oniguruma's \\\\p{} has them. */\n"
    text += "static const named_range TOKENIZERS_RECENT[] = {\n    "
    text += "\n    ".join(" ".join(cells[i:i + 4]) for i in range(0, len(cells), 4)) + "\n};\n"
    text += "/* Small letters of capitals that Unicode 14 does not have. */\n"
    text += "static const int32_t TOKENIZERS_LOWER[][2] = {\n    "
    text += "\n    ".join(" ".join(pairs[i:i + 6]) for i in range(0, len(pairs), 6)) + "\n};\n"
    OUT.write_text(text + "/* clang-format on */\n\n#endif\n")


main()
