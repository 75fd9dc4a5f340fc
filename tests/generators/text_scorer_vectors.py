"""3,000 strings of ours that a scorer's tokenizer has to clean first, and what the packages make of them and of the 2,000
strings of text_vectors.py.

    python tests/generators/text_scorer_vectors.py OPENAI_CLIP [HPSV2]

from the repository root, after text_vectors.py. OPENAI_CLIP is a checkout of github.com/openai/CLIP (its
clip/simple_tokenizer.py is used), HPSV2 the file hpsv2/src/open_clip/tokenizer.py of the package hpsv2, whose ids must
equal open_clip's. Writes to tests/data/text
  bert/vocab.txt, bert/tokenizer_config.json   a small WordPiece vocabulary made of the words of text_corpus.py
  scorer-strings.json                          the 3,000 strings
  scorer-NAME.bin    for each of the 5,000 strings the first 4 bytes of the SHA-256 of its row; then the row itself of
                     every 16th string. A row is, as little-endian uint16: tokens without truncation, tokens kept, the ids
                     kept, as in ids-NAME.bin
NAME is openai and open_clip (77 tokens, merges of models/clip-bpe) and bert (35 tokens, with [DEC] and [ENC] added as
ImageReward does). Code points are of Unicode 14 or older, also after repair; NUL is left out. Reference: openai/CLIP d05afc4, open_clip_torch
3.3.0, hpsv2 1.2.0, ftfy 6.3.1, regex 2026.11.19, transformers 4.57.1, Python 3.11."""
import collections
import hashlib
import html
import html.entities
import importlib.util
import json
import pathlib
import random
import struct
import sys
import unicodedata

import ftfy
import ftfy.chardata

from text_corpus import SENTENCES, corpus, prompt
from text_vectors import assigned, decomposed, mixed, noise

OUT = pathlib.Path("tests/data/text")
ENCODINGS = ftfy.chardata.CHARMAP_ENCODINGS
ENTITIES = sorted(html.entities.html5)
EVERY = 16

HAND_MADE = [
    "\u00e2\u0153\u201d No problems", "&macr;\\_(\u00e3\x83\x84)_/&macr;", "Broken text&hellip; it&#x2019;s \ufb02ubberi\ufb01c!", "\uff2c\uff2f\uff35\uff24\u3000\uff2e\uff2f\uff29\uff33\uff25\uff33",
    "voil\u00c3 le travail", "\u00c3 la mode", "s\u00c3\u00b3", "f\u00c3 cil", "\u00c3 s vezes", "\u00c3 quele dia", "\u00c3quilo", "caf\u00c3\u00a9", "caf\u00c3\u00a9 caf\u00e9", "CAF\u00c3\u2030",
    "\u00e2\u20ac\u0153quoted\u00e2\u20ac\u009d", "\u00e2\u20ac\u0153 like this \u00e2\u20ac\ufffd", "\u00e2\u20ac\u2122s", "it\u00e2\u20ac?s", "\u00c2\u00a9 2024", "\u00c2 ", "\u00c3 ", "a \u00c2 b", "\u00c2\u00a0\u00c2\u00a0", "\u00c3\u0192\u00c2\u00a9",
    "\u00c3\u0083\u00c2\u00a9", "\u00c3\u0192\u00c6\u2019\u00c3\u201a\u00c2\u00a9", "\u0420\u00b0\u0420\u00b1", "\u0432\u0402\u0153x\u0432\u0402\u045c", "\u0413\u045e\u0412\u0402\u0412\u2122 a", "\u03b2\u20ac\u2122", "\u0101\u20ac\u2122", "\u201a\u00c4\u00fa", "\u221a\u00a9", "\u251c\u2510\u251c\u2502",
    "\u00f0\u0178\u02dc\u0080", "\u00f0\u0178\u2019\u00a9\u00e2\u009d\u00a4", "\u00ed\u00a0\u00bd\u00ed\u00b8\u008d", "\u00ed\u00a0\u00bd", "\u00ed\u2014\u0153\u00ea\u00b5\u00ad", "\u00c0\u0080x\u00c3\u00a9", "\u00c3\u00a9\u00c0\nx", "\u00c3\u00a9 \u00ed\u00a0\u00bd\u00ed\u00b8\n",
    "\u00c3\u00a9\n\u00c3\u00a9 <b>&amp;</b>\n&amp;", "&amp;\n<\n&amp;", "<&lt;", "&lt;&amp;", "x < y &amp; z", "\x80\x81\x85\x92\x9d", "a\x92b", "don\x92t \u00e9", "\u0160\u010dekat\x9a", "\u0153\x9c", "na\u00c3\u00afve na\u00efve",
    "&", "&;", "&&", "&amp", "&amp;", "&amp;amp;", "&amp;amp;amp;amp;lt;", "&AMP;", "&Amp;", "&ampersand;", "&notit;", "&notin;", "&not", "&noti", "&copy2024", "&copycat;", "&COPY;", "&NTILDE;",
    "&nTILDE;", "&SZLIG;", "&FFILIG;", "&NAPOS;", "&LTIMES;", "&EACUTE;", "&Eacute;", "&eacute", "&Eacute&eacute;", "&HilbertSpace;", "&CounterClockwiseContourIntegral;", "&fjlig;", "&NotEqualTilde;",
    "&nbsp;&nbsp;a", "a&NewLine;b", "a&Tab;b", "&#0;", "&#1;", "&#9;", "&#10;", "&#11;", "&#13;", "&#32;", "&#38;", "&#38;amp;", "&#59;", "&#60;|endoftext|&#62;", "&#128;", "&#129;", "&#x80;",
    "&#X92;", "&#150", "&#150 x", "&#55296;", "&#xD83D;&#xDE00;", "&#1114111;", "&#1114112;", "&#99999999999999999999;", "&#xFFFF;", "&#xFDD0;", "&#x;", "&#;", "&#x41g;", "&#65x;", "&#0065;",
    "&#x1F600;", "&#x1f600", "&#12ab;", "&" + "a" * 24 + ";", "&" + "a" * 25 + ";", "&" + "a" * 40, "&\u00e9;", "&amp\u00e9;", "&lt;start_of_text&gt;", "&lt;|startoftext|&gt;",
    "<start_of_text>", "<end_of_text>", "a<end_of_text>b", "<START_OF_TEXT>", "<\u017ftart_of_text>", "<end_of_text", "< end_of_text >", "<|endoftext|> <end_of_text>", "<|startoftext|>!",
    "[CLS]", "[SEP] [PAD] [MASK] [UNK]", "a[MASK]b", "[mask]", "[DEC]", "[ENC] a [DEC]", "[enc]", "[ENC", "[[ENC]]", "[C\x01LS]", "##a", "a ##b", "# # a", "[ DEC ]", "\uff3bCLS\uff3d",
    "\x1b[31mred\x1b[0m", "\x1b[36;44mI'm blue\x1b[0m", "\x1b[", "\x1b[3", "\x1b[;;m", "\x1b[\u0663m", "\x1b[31", "\x1b\x1b[1mx", "\x1b[1\x07m", "\x1b[1m\n\x1b[0m", "\x07bell", "a\x02b",
    "a\r\nb\rc\u2028d\u2029e\x85f", "\r\n\r\n", "\r", "a\u206ab\u206f", "\ufeffbom", "a\ufff9b\ufffac\ufffb", "\ufffc", "\ufffd", "\ufffd\ufffd", "caf\ufffd", "\u0132\u0133 \u0149 \u01c4\u01c5\u01c6 \u01f1", "\ufb05\ufb06",
    "\u02bcn", "\u201cA\u201d \u2018b\u2019 \u201ec\u201f \u201ad\u201b", "\u00abx\u00bb", "\u2039y\u203a", "``z''", "\uff02x\uff02", "\uff07", "\uff76\uff9e\uff77", "\uffa1\uffe0\uffe3\uffe6", "\uff5e", "\uff10\uff11", "\uff01\uff1f",
    "e\u0301\u0302", "\u1112\u1161\u11ab", "\u212b", "\u2126", "\u00c5ngstr\u00f6m", "\u0130I\u0131i", "\u03a3\u03a3\u03a3.", "\u0391\u03a3\nb", "\u180e\u180ea", "\u200ba", "a\u00ada", "\u2060", "\u034f", "a\ufe0f\u20e3",
    "a" * 100, "a" * 101, "e\u0301" * 100, "\u00e9" * 101, "star" * 30, "st" * 60 + "ar", "&amp;" * 40, "\u00c3\u00a9" * 60, "\u00e2\u20ac\u2122" * 40, "star " * 90, "\u661f" * 36, "!?" * 50, "star." * 20, "\u00fcber\u00fcber" * 9,
]


def garbled(rng, text):
    """Text read in the wrong encoding, perhaps twice, perhaps with losses, perhaps only in part."""
    start, end = sorted(rng.sample(range(len(text) + 1), 2)) if rng.random() < 0.3 and len(text) > 2 else (0, len(text))
    middle = text[start:end]
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3))):
        encoding = rng.choice(ENCODINGS + ["sloppy-windows-1252"] * 5 + ["latin-1"] * 3)
        middle = middle.encode("utf-8", "surrogatepass").decode(encoding, "replace")
    kind = rng.random()
    if kind < 0.15:
        middle = middle.replace("\u00a0", " ")
    elif kind < 0.3:
        middle = "".join(rng.choice("\ufffd?") if ord(c) > 127 and rng.random() < 0.1 else c for c in middle)
    elif kind < 0.4:
        middle = " ".join(middle.split())
    return text[:start] + middle + text[end:]


def cesu(text):
    """The units of UTF-16, each in UTF-8 (CESU-8)."""
    units = struct.unpack(f"<{len(text.encode('utf-16-le')) // 2}H", text.encode("utf-16-le"))
    return b"".join(chr(u).encode("utf-8", "surrogatepass") for u in units)


def suspects():
    """Every sign that the upper half of some encoding holds."""
    return sorted(set("".join(bytes(range(128, 256)).decode(e) for e in ENCODINGS)) | set("\ufffd"))


def entity(rng):
    name = rng.choice(ENTITIES)
    kind = rng.randrange(9)
    if kind < 3:
        return "&" + name
    if kind == 3:
        return "&" + name.upper()
    if kind == 4:
        return "&" + name.rstrip(";") + rng.choice(("", "x", "1", " ", ";;", "&", "=", ";amp;"))
    if kind == 5:
        return "&amp;" + name
    number = rng.choice((rng.randrange(33, 300), rng.randrange(128, 160), rng.randrange(0x110000), rng.randrange(0x2000, 0x3000)))
    while number > 0xFFFF and unicodedata.category(chr(number)) in ("Cn", "Co"):
        number = rng.randrange(0x110000)
    if 0xFFFF >= number > 0x2FF and unicodedata.category(chr(number)) == "Cn":
        number = 0x2014
    return rng.choice(("&#{};", "&#{}", "&#0{};")).format(number) if kind == 6 else rng.choice(("&#x{:x};", "&#X{:X};", "&#x{:X}")).format(number)


def escaped(rng):
    words = rng.choice(SENTENCES).split()
    for _ in range(rng.randrange(1, 4)):
        words.insert(rng.randrange(len(words) + 1), entity(rng))
    text = rng.choice((" ", " ", "")).join(words[:rng.randrange(3, 14)])
    return text + rng.choice(("", "", "", "", " <b>", "\n", "\n<\n&eacute;"))


def typeset(rng):
    """Quotes, widths, ligatures, escapes, line breaks."""
    text = rng.choice(SENTENCES)
    for _ in range(rng.randrange(1, 4)):
        a, b = rng.choice((("'", "\u2019"), ("'", "\u2018"), ("ff", "\ufb00"), ("fi", "\ufb01"), ("fl", "\ufb02"), ("st", "\ufb06"), (" ", "\u3000"), (" ", "\u00a0"),
                           (" ", "\r\n"), (" ", "\u2028"), (". ", "\x85"), ("a", "\x1b[1ma\x1b[0m"), ("e", "\x1b[33;1me"), ("o", "o\x07"), ("i", "i\ufeff"), ("nj", "\u01cc"),
                           (",", "\uff0c"), (".", "\u3002"), ("e", "e\u0301"), ("a", "\uff41"), ("1", "\uff11"), ("\"", "\u201c"), ("a", "\u00e1\u0323")))
        text = text.replace(a, b, rng.randrange(1, 4))
    if rng.random() < 0.2:
        text = "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)
    return rng.choice(("\u201c{}\u201d", "{}", "\u2018{}\u2019", "{}")).format(text)


def makers(rng):
    groups, odd = assigned(), suspects()
    emoji = "\U0001f600 \U0001f44d\U0001f3fd \u2764\ufe0f \U0001f1e9\U0001f1ea \U0001f468\u200d\U0001f469\u200d\U0001f467".split()
    return (lambda: garbled(rng, rng.choice(SENTENCES)), lambda: garbled(rng, rng.choice(SENTENCES) + rng.choice(emoji)),
            lambda: garbled(rng, noise(rng, groups)), lambda: garbled(rng, " ".join(rng.choice(SENTENCES).split()[:4])),
            lambda: "".join(rng.choice(odd) for _ in range(rng.randrange(1, 14))),
            lambda: "".join(rng.choice((rng.choice(odd), rng.choice("aeE s.? ?"), rng.choice("\u00c3\u00c2\u00e2\u20ac\u00f0\u0153\u2122\u00d0"))) for _ in range(rng.randrange(2, 24))),
            lambda: cesu(rng.choice(("", "a ")) + "".join(rng.choice(emoji) for _ in range(2))).decode(rng.choice(("latin-1", "sloppy-windows-1252"))),
            lambda: escaped(rng), lambda: escaped(rng), lambda: "".join(entity(rng) for _ in range(rng.randrange(1, 5))), lambda: garbled(rng, escaped(rng)),
            lambda: typeset(rng), lambda: typeset(rng), lambda: garbled(rng, typeset(rng)), lambda: mixed(rng, groups), lambda: noise(rng, groups), lambda: decomposed(rng),
            lambda: prompt(rng) + rng.choice(("!", "\n", " &amp; more", "\u2026", " \u2014 hd", ", 4k", " [ENC]", "<end_of_text>", "")))


def is_known(text):
    """Whether all that repairing brings to light is of Unicode 14 too (mojibake and numeric references can spell anything)."""
    text = html.unescape(html.unescape(ftfy.fix_text(text)))
    return all(unicodedata.category(c) != "Cn" or ord(c) & 0xFFFE == 0xFFFE or 0xFDD0 <= ord(c) <= 0xFDEF for c in text)


def strings(n=3000, seed=15):
    rng = random.Random(seed)
    make = makers(rng)
    out = list(dict.fromkeys(HAND_MADE))
    seen = set(out)
    while len(out) < n:
        text = rng.choice(make)()[:160]
        if text and text not in seen and "\0" not in text and is_known(text):
            seen.add(text)
            out.append(text)
    return out


def write_bert():
    """Special tokens, signs, signs within a word (most of them), and the commonest starts, insides and wholes of words."""
    from transformers.models.bert.tokenization_bert import BasicTokenizer
    words = collections.Counter()
    for sentence in corpus():
        words.update(BasicTokenizer().tokenize(sentence))
    signs = sorted({c for word in words for c in word})
    starts, insides = collections.Counter(), collections.Counter()
    for word, count in words.items():
        for length in range(2, len(word) + 1):
            starts[word[:length]] += count * length
            for i in range(1, len(word) - length + 1):
                insides["##" + word[i:i + length]] += count * length
    pieces = ["[PAD]"] + [f"[unused{i}]" for i in range(3)] + ["[UNK]", "[CLS]", "[SEP]", "[MASK]"] + signs
    pieces += ["##" + c for c in signs if c not in "qxzж漢"]
    for counts in (collections.Counter({w: c for w, c in words.items() if len(w) > 1}), starts, insides):
        pieces += sorted(counts, key=lambda piece: (-counts[piece], piece))[:350]
    folder = OUT / "bert"
    folder.mkdir(exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(dict.fromkeys(pieces)) + "\n", encoding="utf-8")
    config = {"do_lower_case": True, "model_max_length": 512, "tokenizer_class": "BertTokenizer"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")


def load(name, path):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def openai(checkout):
    tokenizer = load("simple_tokenizer", pathlib.Path(checkout) / "clip/simple_tokenizer.py").SimpleTokenizer()
    start, end = (tokenizer.encoder[f"<|{x}oftext|>"] for x in ("start", "end"))
    return lambda text: [start, *tokenizer.encode(text), end]


def open_clip(path=None):
    package = pathlib.Path(importlib.util.find_spec("open_clip").submodule_search_locations[0])
    merges = str(package / "bpe_simple_vocab_16e6.txt.gz")
    path = path or package / "tokenizer.py"
    source = pathlib.Path(path).read_text(encoding="utf-8").replace("_tokenizer = SimpleTokenizer()", "")
    module = {"__file__": str(path), "__name__": "tokenizer"}
    exec(compile(source, str(path), "exec"), module)  # the package itself needs far more than its tokenizer does
    tokenizer = module["SimpleTokenizer"](merges)
    start, end = (tokenizer.encoder[f"<{x}_of_text>"] for x in ("start", "end"))
    return lambda text: [start, *tokenizer.encode(text), end]


def bert():
    import transformers
    tokenizer = transformers.BertTokenizer.from_pretrained(OUT / "bert")
    tokenizer.add_special_tokens({"bos_token": "[DEC]"})
    tokenizer.add_special_tokens({"additional_special_tokens": ["[ENC]"]})
    return lambda text: tokenizer(text).input_ids


def row(ids, limit):
    kept = ids if len(ids) <= limit else ids[:limit - 1] + [ids[-1]]
    return struct.pack(f"<{len(kept) + 2}H", len(ids), len(kept), *kept)


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    new = strings()
    (OUT / "scorer-strings.json").write_text(json.dumps(new, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")
    write_bert()
    texts = json.loads((OUT / "strings.json").read_text(encoding="utf-8")) + new
    assert len(texts) == 5000
    names = {"openai": (openai(sys.argv[1]), 77), "open_clip": (open_clip(), 77), "bert": (bert(), 35)}
    for name, (encode, limit) in names.items():
        rows = [row(encode(text), limit) for text in texts]
        if name == "open_clip" and len(sys.argv) == 3:
            other = open_clip(sys.argv[2])
            assert rows == [row(other(text), limit) for text in texts], "hpsv2 differs from open_clip"
        hashes = b"".join(hashlib.sha256(r).digest()[:4] for r in rows)
        (OUT / f"scorer-{name}.bin").write_bytes(hashes + b"".join(rows[::EVERY]))


if __name__ == "__main__":
    main()
