"""2,000 strings of ours and the token ids that transformers gives for them.

Run from the repository root after text_vocabularies.py: python tests/generators/text_vectors.py. Writes to tests/data/text
  strings.json    the strings
  ids-NAME.bin    for each string, as little-endian uint16: tokens without truncation, tokens kept, the ids kept
Code points are of Unicode 14 or older (those of Python 3.11); lone surrogates and NUL are left out (a C string and a JSON
file hold neither). Reference: transformers 4.57.1 without ftfy, tokenizers 0.22.2, called as diffusers 0.35.2 calls them."""
import json
import pathlib
import random
import struct
import sys
import unicodedata

import transformers

from text_corpus import SENTENCES, THINGS, prompt

OUT = pathlib.Path("tests/data/text")
KINDS = {"clip": 77, "clip-bang": 77, "t5": 77, "t5-plain": 48, "t5-old": 32, "t5-first": 32, "t5-made": 32}

HAND_MADE = [
    "", " ", "  ", "\t", "\n", "\r\n", "\u00a0", "\u3000", "\u200b", "\ufeff", "\u2028", "\u2029", "\x85", "\x1c", "\x7f", "\u00ad",
    "a", "A", "!", "!!", "! !", "a!", "!a", "Hello!", "Hello, world!", " leading", "trailing ", "  two  spaces  ", "tab\there",
    "line\nbreak", "a\u00a0b", "a\u2028b", "a\u2029b", "a\x0bb", "a\x0cb", "a\x1fb", "a\x85b", "zero\u200bwidth", "soft\u00adhyphen",
    "<|startoftext|>", "<|endoftext|>", "<|ENDOFTEXT|>", "<|StartOfText|>", "a<|endoftext|>b", "a <|endoftext|> b", "<|endoftext|",
    "|endoftext|>", "<|endoftext|><|endoftext|>", "<|endoftext|>!", "<|endoftext|>!!!<|startoftext|>", "<|\u017ftartoftext|>",
    "</s>", "<pad>", "<unk>", "a</s>b", "a </s> b", "<s>", "<extra_id_0>", "<extra_id_99>", "<extra_id_100>", "<extra_id_5>x",
    "x <extra_id_1> y", "x<extra_id_1>y", "  <extra_id_1>  ", "<extra_id_1><extra_id_2>", "<extra_id_1 >", "<EXTRA_ID_1>",
    "x\u2003<extra_id_7>\ty", "\uff1cpad\uff1e", "\uff1c/s\uff1e", "<sep>", "a<sep>b", "::", "a::b", ":::", "::::", "<0x41>", "<0xE2>",
    "\u2581", "\u2581a", "a\u2581b", "a \u2581b", "\u2581\u2581a", "a\u2581 b", " \u2581", "a \u2581 ",
    "it's", "IT'S", "don't", "we're they've I'm you'll he'd", "'s't're've'm'll'd", "'S'T'RE", "o'clock", "'\u017f", "\u2019s", "''s",
    "i'm", "I'M", "\u0131'm", "1", "12", "123", "1234567890", "1,234.56", "3/4", "\u00bd", "\u00b2", "\u2460", "\u0663\u0664", "\u096a\u096b",
    "\u216b", "\u3007", "1st", "2nd", "x2", "v1.2.3", "1e-5", "0x1F", "50%", "$5", "\u20ac5", "#1", "@home", "a@b.c", "http://a.b/c?d=e&f",
    "\u0130", "\u0130stanbul", "I\u0307", "\u0131", "ISTANBUL", "\u03a3", "\u03a3\u03a3", "\u039f\u0394\u039f\u03a3", "\u039f\u0394\u039f\u03a3 \u03a3",
    "\u0391\u03a3.", "\u0391\u03a3'\u0391", "\u0391\u0301\u03a3", "\u0391\u03a3\u0301", "\u0391\u03a3\u00ad\u0391", "\u02b0\u03a3", "A\u02b0\u03a3", "\u0391\u03a3\u02b0",
    "\u0391\u03a3:\u0391", "\u0391\u03a3\u00b7", "1\u03a3", "\u03a31", "\u24b6\u03a3", "\u1e9e", "\u00df", "STRASSE", "Stra\u00dfe",
    "\u01c5", "\u01c4", "\u01c6", "\u212a", "\u212b", "\u2126", "\u1f88", "\u1fb3", "\u10a0", "\u13a0", "\uab70", "\u1c90", "\U00010400",
    "e\u0301", "\u00e9", "E\u0301", "\u00c9", "o\u0302\u0323", "o\u0323\u0302", "\u1ed9", "a\u0300\u0301\u0302\u0303", "q\u0307\u0323", "\u0344", "\u0958", "\u2adc",
    "\u1100\u1161\u11a8", "\uac01", "\u1100\u1161", "\uac00\u11a8", "\ufb01", "\ufb03", "\ufb01\u0301", "\u33a5", "\u3392", "\u00b5", "\u017f", "\u2122", "\u2120x",
    "\uff21\uff22\uff23", "\uff41", "\uff76\uff9e", "\uff76\u3099", "\u304b\u3099", "\u304c", "\u3000\u3000a", "a\u3000b", "\u2026", "...", "\u2014", "--", "\u201cquoted\u201d",
    "\u4e00", "\u661f", "\u661f\u661f", "\u661f a \u661f", "a\u661fb", "\uf900", "\U0002f800", "\U00020000", "\U0002b820", "\u3400", "\u30a2\u30a4", "\u3042",
    "\U0001f600", "\U0001f600\U0001f600", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f1e9\U0001f1ea", "\U0001f1e9\U0001f1ea\U0001f1eb", "\u2764\ufe0f",
    "\U0001f44d\U0001f3fd", "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", "1\ufe0f\u20e3", "\u00a9\u00ae", "\U0001d518\U0001d52b\U0001d526",
    "\u202aembedded\u202c", "\u200eleft\u200f", "a\u200db", "a\u200cb", "\u0915\u094d\u0937", "\u0915\u094d\u200d\u0937", "\u0928\u0940\u0932\u0947", "\u0937\u0301", "\u0915\u0301",
    "\u0e14\u0e32\u0e27", "\u0e33", "\u0eb3", "\u0f71\u0f72", "\u1dcd", "\u202e reversed", "\ue000", "\uf8ff", "\ufdd0", "\uffff", "\U0010ffff", "\ufffd", "\ufffc", "\ufffe",
    "\x01", "a\x01b", "\x08", "\x1b[31mred\x1b[0m", "\u0080", "\u009f", "\u061c", "\u180e", "\u2060", "\u00a0 \u00a0", "\u1680a", "\u205fa",
    "?!?!", "!?", "...!!!...", "((((", "*****", "a*b*c", "(a:1.2)", "[a|b]", "{x}", "a_b", "a-b", "a--b", "~", "^", "`", "\\", "\\n", "\"", "'", "''", "'''", ";;", "&amp;",
    "&lt;|endoftext|&gt;", "a" * 50, "a" * 300, "ab" * 100, "!" * 100, "1" * 100, "\u661f" * 90, "\U0001f600" * 40, " " * 200, "x " * 100, "e\u0301" * 60,
    "aaaaaaa", "aaaaaaaaaaaaa", "eeeeeeee", "sssssssssss", "ststststst", "ananananana", "......", ".......", "----------", "a.a.a.a.a.a",
    "internationalisation" * 5, "supercalifragilistic", "the " * 80, "of of of of of",
]


def words(rng, n):
    return " ".join(rng.choice((rng.choice(THINGS), rng.choice(SENTENCES).split()[0])) for _ in range(n))


def assigned():
    """Code points by category, private use and surrogates aside."""
    groups = {}
    for c in range(1, 0x30000):
        category = unicodedata.category(chr(c))
        if category not in ("Cs", "Co", "Cn"):
            groups.setdefault(category, []).append(chr(c))
    return groups


def noise(rng, groups):
    return "".join(rng.choice(groups[rng.choice(list(groups))]) for _ in range(rng.randrange(1, 24)))


def mixed(rng, groups):
    """Words between which odd characters stand."""
    odd = ["\u00a0", "\u3000", "  ", "\t", "\n", "!", "?!", "...", "'s", "'LL", "\u200b", "\u0301", "\u00ad", "<|endoftext|>", "</s>", "<extra_id_3>",
           " <extra_id_12> ", "\U0001f600", "\u661f", "7", "42", "\u2581", "<sep>", "::", "\ufe0f", "\u2028", "\x07", ",", ";", "(", ")"]
    out = ""
    for _ in range(rng.randrange(1, 12)):
        out += rng.choice((rng.choice(THINGS), rng.choice(SENTENCES).split()[-1], rng.choice(THINGS).upper(), rng.choice(THINGS).title()))
        out += rng.choice(("", " ", rng.choice(odd), rng.choice(odd) + rng.choice(odd), noise(rng, groups)[:2]))
    return out


def decomposed(rng):
    form = rng.choice(("NFC", "NFD", "NFKC", "NFKD"))
    text = unicodedata.normalize(form, rng.choice(SENTENCES))
    return rng.choice((text, text.upper(), text.lower(), text.title(), text.swapcase()))


def strings(n=2000, seed=14):
    rng = random.Random(seed)
    groups = assigned()
    out = list(dict.fromkeys(HAND_MADE + SENTENCES))
    seen = set(out)
    makers = (lambda: prompt(rng), lambda: prompt(rng), lambda: noise(rng, groups), lambda: mixed(rng, groups), lambda: mixed(rng, groups),
              lambda: decomposed(rng), lambda: words(rng, rng.randrange(40, 220)) if rng.random() < 0.1 else words(rng, rng.randrange(2, 30)),
              lambda: "".join(rng.choice("aeio st.!-'12") for _ in range(rng.randrange(1, 60))),
              lambda: rng.choice("!?.,-_*#=~'\"/\\|<>()[]") * rng.randrange(1, 40) + rng.choice(("", " x", "x")))
    while len(out) < n:
        text = rng.choice(makers)()
        if text not in seen:
            seen.add(text)
            out.append(text)
    return out


def load(name):
    folder = OUT / name
    return (transformers.CLIPTokenizer if name.startswith("clip") else transformers.T5TokenizerFast).from_pretrained(folder)


def vectors(texts):
    for name, limit in KINDS.items():
        tokenizer = load(name)
        rows = b""
        for text in texts:
            ids = tokenizer(text, padding="max_length", max_length=limit, truncation=True).input_ids
            every = tokenizer(text).input_ids
            kept = min(len(every), limit)
            assert len(ids) == limit and all(i == tokenizer.pad_token_id for i in ids[kept:])
            rows += struct.pack(f"<{kept + 2}H", len(every), kept, *ids[:kept])
        (OUT / f"ids-{name}.bin").write_bytes(rows)


if __name__ == "__main__":
    try:
        import ftfy  # noqa: F401
        sys.exit("ftfy is installed: the reference is transformers without it")
    except ImportError:
        pass
    made = strings()
    (OUT / "strings.json").write_text(json.dumps(made, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")
    vectors(made)
