"""Token ids by today's rules, for `make test`: a sample of text_prompts.py, and for each form of tokenizer a checksum of the
ids that transformers 5 gives for each prompt. `make parity` compares all prompts, and says which ids differ.

Run from the repository root after text_vocabularies.py and text_tokenizer_json.py: python tests/generators/text_todays_vectors.py.
Writes to tests/data/text
  saved/NAME         folders as save_pretrained writes them today, without the indentation of tokenizer.json
  todays.json        the prompts, and for each form its folder, class and length
  todays-ids.bin     for each form, for each prompt, little-endian uint32: FNV-1a of the number of tokens without truncation
                     and of the ids, each as four bytes
Reference: transformers 5.24.0, tokenizers 0.23.3."""
import json
import pathlib
import struct

import transformers

from text_prompts import newer, prompts

OUT = pathlib.Path("tests/data/text")
CLASSES = {"clip": ("CLIPTokenizer", 77), "clip-bang": ("CLIPTokenizer", 77), "t5": ("T5TokenizerFast", 77), "t5-plain": ("T5TokenizerFast", 48),
           "t5-old": ("T5Tokenizer", 32), "t5-first": ("T5Tokenizer", 32), "t5-made": ("T5Tokenizer", 32), "bert": ("BertTokenizer", 35)}
SAVED = ("clip", "t5-plain", "bert")


def load(folder, name):
    return getattr(transformers, name).from_pretrained(OUT / folder)


def checksum(numbers):
    h = 2166136261
    for byte in struct.pack(f"<{len(numbers)}i", *numbers):
        h = (h ^ byte) * 16777619 & 0xFFFFFFFF
    return h


def main():
    texts = prompts(10000)[::16] + newer(100)
    forms = [(folder, name, limit) for folder, (name, limit) in CLASSES.items()]
    for folder in SAVED:
        load(folder, CLASSES[folder][0]).save_pretrained(OUT / "saved" / folder)
        file = OUT / "saved" / folder / "tokenizer.json"
        file.write_text(json.dumps(json.loads(file.read_text()), ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")
        forms.append((f"saved/{folder}", *CLASSES[folder]))
    forms += [(f"json/{p.name}", "PreTrainedTokenizerFast", 64) for p in sorted((OUT / "json").iterdir())]
    sums = b""
    for folder, name, limit in forms:
        tokenizer = load(folder, name)
        cut = tokenizer(texts, padding="max_length", max_length=limit, truncation=True).input_ids
        every = tokenizer(texts).input_ids
        sums += struct.pack(f"<{len(texts)}I", *(checksum([len(a), *b]) for a, b in zip(every, cut)))
    forms = [{"folder": f, "class": c, "length": n} for f, c, n in forms]
    (OUT / "todays.json").write_text(json.dumps({"forms": forms, "prompts": texts}, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")
    (OUT / "todays-ids.bin").write_bytes(sums)


main()
