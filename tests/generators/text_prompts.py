"""Prompts of mixed scripts for comparing tokenizers: 10,000 by default, the same ones on every run.

    python tests/generators/text_prompts.py [N] > prompts.jsonl

Any assigned code point of Python's Unicode (3.11: 14) may stand in them but NUL and surrogates, which a C string and a
JSON file do not hold: letters of every script, emoji with joiners and modifiers, invisible and control characters, final
sigma, decomposed accents, special tokens spelt out, and lengths on both sides of every limit that is compared."""
import json
import random
import sys
import unicodedata

from text_corpus import SENTENCES, THINGS, prompt

SCRIPTS = {"Latin": (0x41, 0x24F), "Greek": (0x370, 0x3FF), "Cyrillic": (0x400, 0x4FF), "Armenian": (0x531, 0x58F), "Hebrew": (0x5D0, 0x5F4),
           "Arabic": (0x620, 0x6FF), "Devanagari": (0x900, 0x97F), "Bengali": (0x980, 0x9FF), "Tamil": (0xB80, 0xBFF), "Thai": (0xE01, 0xE5B),
           "Lao": (0xE81, 0xEDF), "Tibetan": (0xF00, 0xFFF), "Georgian": (0x10A0, 0x10FF), "Hangul Jamo": (0x1100, 0x11FF),
           "Ethiopic": (0x1200, 0x137F), "Khmer": (0x1780, 0x17FF), "Mongolian": (0x1800, 0x18AF), "Greek Extended": (0x1F00, 0x1FFF),
           "Hiragana": (0x3041, 0x309F), "Katakana": (0x30A0, 0x30FF), "Han": (0x4E00, 0x9FFF), "Hangul": (0xAC00, 0xD7A3),
           "forms": (0xFB00, 0xFFEF), "Gothic": (0x10330, 0x1034A), "Deseret": (0x10400, 0x1044F), "Mathematical": (0x1D400, 0x1D7FF),
           "Adlam": (0x1E900, 0x1E95F), "Ideographs": (0x20000, 0x2A6DF)}
INVISIBLE = "\u00ad\u034f\u061c\u115f\u1160\u17b4\u180e\u200b\u200c\u200d\u200e\u200f\u202a\u202c\u202e\u2060\u2061\u2064\u2066\u2069\u206f\ufe00\ufe0f\ufeff\ufff9\ufffc\ufffd\U0001d173\U000e0001\U000e0041\U000e0100"
CONTROLS = "".join(map(chr, [*range(1, 32), *range(0x7F, 0xA0)]))
SPACES = " \t\n\r\x0b\x0c\x1c\x1f\x85\u00a0\u1680\u2000\u2003\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
EMOJI = ["\U0001f600", "\U0001f44d\U0001f3fd", "\u2764\ufe0f", "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466", "\U0001f3f3\ufe0f\u200d\U0001f308",
         "\U0001f1e9\U0001f1ea", "1\ufe0f\u20e3", "\U0001f9d1\U0001f3ff\u200d\U0001f680", "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", "\u00a9\ufe0f",
         "\U0001f469\U0001f3fe\u200d\u2764\ufe0f\u200d\U0001f48b\u200d\U0001f468\U0001f3fb"]
SPECIAL = ["<|startoftext|>", "<|endoftext|>", "<|ENDOFTEXT|>", "</s>", "<pad>", "<unk>", "<extra_id_0>", "<extra_id_99>", " <extra_id_7> ", "[CLS]", "[SEP]",
           "[PAD]", "[MASK]", "[UNK]", "[DEC]", "[mask]", "<s>", "<sep>", "<mask>", "<tok>", " <tok> ", "<TOK>", "\u2581", "<0x41>"]
SIGMA = ["\u039f\u0394\u039f\u03a3", "\u03a3", "\u0391\u03a3.", "\u0391\u03a3\u0301", "\u0391\u03a3'\u0391", "\u039a\u03a5\u03a1\u0399\u039f\u03a3 \u03a7\u03a1\u0399\u03a3\u03a4\u039f\u03a3",
         "\u0130", "I\u0307", "\u0131", "\u1e9e", "\u00df", "\u0149", "\u01c5", "\u212a", "\u017f", "\ufb01", "\u1f88", "\u0345", "\uab70", "\U00010400"]
CONTRACTIONS = ["it's", "IT'S", "don't", "we're", "they'VE", "I'm", "you'LL", "he'd", "\u2019s", "'s't", "o'clock"]


def assigned():
    groups = {}
    for c in range(1, 0x110000):
        category = unicodedata.category(chr(c))
        if category not in ("Cs", "Cn"):
            groups.setdefault(category, []).append(chr(c))
    return groups


GROUPS = assigned()
CATEGORIES = sorted(GROUPS)


def letters(rng):
    name = rng.choice(sorted(SCRIPTS))
    low, high = SCRIPTS[name]
    known = [c for c in map(chr, range(low, high + 1)) if unicodedata.category(c) != "Cn"]
    return "".join(rng.choice(known) for _ in range(rng.randrange(1, 12)))


def anything(rng):
    return "".join(rng.choice(GROUPS[rng.choice(CATEGORIES)]) for _ in range(rng.randrange(1, 20)))


def accents(rng):
    marks = GROUPS["Mn"]
    return "".join(rng.choice("aeiouyncAEIOUqx\u0391\u0915") + "".join(rng.choice(marks) for _ in range(rng.randrange(0, 5))) for _ in range(rng.randrange(1, 8)))


def part(rng):
    kind = rng.randrange(14)
    if kind < 3:
        return letters(rng)
    if kind < 5:
        return rng.choice(THINGS) if rng.random() < 0.6 else rng.choice(SENTENCES)[:40]
    if kind == 5:
        return rng.choice(EMOJI) * rng.randrange(1, 3)
    if kind == 6:
        return rng.choice(INVISIBLE)
    if kind == 7:
        return rng.choice(CONTROLS)
    if kind == 8:
        return rng.choice(SPECIAL)
    if kind == 9:
        return rng.choice(SIGMA)
    if kind == 10:
        return accents(rng)
    if kind == 11:
        return rng.choice(CONTRACTIONS)
    if kind == 12:
        return str(rng.randrange(100000)) if rng.random() < 0.5 else rng.choice("!?.,-_*#=~'\"/\\|<>()[]{};:&%$@^`") * rng.randrange(1, 6)
    return anything(rng)


def mixed(rng):
    out = ""
    for _ in range(rng.randrange(1, 10)):
        out += part(rng) + rng.choice(("", " ", " ", " ", rng.choice(SPACES), rng.choice(SPACES) * rng.randrange(1, 5)))
    return rng.choice((out, out, out.upper(), out.lower(), unicodedata.normalize(rng.choice(("NFC", "NFD", "NFKC", "NFKD")), out)))


def long(rng):
    """Around the limits: pieces that are one token each in most vocabularies, and runs that are many."""
    n = rng.choice((1, 2, 28, 29, 30, 31, 32, 33, 46, 47, 48, 49, 74, 75, 76, 77, 78, 79, 254, 255, 256, 257, rng.randrange(1, 400)))
    return rng.choice(("! ", "a ", ". ", "7", "x ", "\u661f", "red circle ", "\U0001f600", rng.choice(THINGS) + " ")) * n


def newer(n=1000, seed=5):
    """Prompts with code points that Python's Unicode does not have: what libraries of different ages tell apart."""
    rng = random.Random(seed)
    new = [c for c in range(0x370, 0x33000) if unicodedata.category(chr(c)) == "Cn"]
    old = [c for c in range(1, 0x33000) if not 0xD800 <= c < 0xE000]
    few = [*range(0x61, 0x7B), 0x20, 0x301, 0x323]
    return ["".join(chr(rng.choice(rng.choice((new, old, few)))) for _ in range(rng.randrange(1, 25))) for _ in range(n)]


def prompts(n=10000, seed=21):
    rng = random.Random(seed)
    out = ["", " ", "  ", *SPACES, *CONTROLS, *INVISIBLE, *EMOJI, *SPECIAL, *SIGMA, *CONTRACTIONS, *SENTENCES]
    makers = (mixed, mixed, mixed, mixed, anything, accents, letters, long, lambda r: prompt(r), lambda r: rng.choice(SENTENCES))
    while len(out) < n:
        out.append(rng.choice(makers)(rng))
    return out[:n]


if __name__ == "__main__":
    for text in prompts(int(sys.argv[1]) if len(sys.argv) > 1 else 10000):
        print(json.dumps({"prompt": text}, ensure_ascii=False))
