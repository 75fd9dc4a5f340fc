"""Stage 3: the tokenizers, made from the captions of this world.

    python tokens.py

Two CLIP byte-level BPE tokenizers (vocab.json, merges.txt) and one T5
sentencepiece model (spiece.model), each in a folder that transformers loads.
The first CLIP tokenizer pads with its end token, the second with '!', as SD3's do.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from itertools import islice
from pathlib import Path

import sentencepiece
from transformers import CLIPTokenizer, T5Tokenizer
from transformers.models.clip.tokenization_clip import bytes_to_unicode

import world
from common import ROOT

CLIP_TOKENS = 32
T5_TOKENS = 64
T5_VOCABULARY = 110
CAPTIONS = 20_000
CORPUS_SEED = 77


def corpus() -> list[str]:
    mix = {tag: 1.0 for tag in world.TAGS}
    return [caption for _, _, caption in islice(world.stream(CORPUS_SEED, mix), CAPTIONS)]


def bpe_merges(words: Counter, limit: int) -> list[tuple[str, str]]:
    """The `limit` most frequent merges, ties broken by the symbols' order."""
    split = {w: tuple(w[:-1]) + (w[-1] + "</w>",) for w in words}
    merges = []
    while len(merges) < limit:
        pairs = Counter()
        for w, symbols in split.items():
            for pair in zip(symbols, symbols[1:]):
                pairs[pair] += words[w]
        if not pairs:
            break
        best = min(pairs, key=lambda p: (-pairs[p], p))
        merges.append(best)
        for w, symbols in split.items():
            out, i = [], 0
            while i < len(symbols):
                if symbols[i:i + 2] == best:
                    out.append(best[0] + best[1])
                    i += 2
                else:
                    out.append(symbols[i])
                    i += 1
            split[w] = tuple(out)
    return merges


def make_clip(folder: Path, words: Counter, limit: int, pad: str) -> None:
    merges = bpe_merges(words, limit)
    letters = list(bytes_to_unicode().values())
    vocabulary = letters + [c + "</w>" for c in letters] + ["".join(m) for m in merges]
    vocabulary += ["<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({t: i for i, t in enumerate(vocabulary)}))
    lines = ["#version: 0.2"] + [" ".join(m) for m in merges]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n")
    tokenizer = CLIPTokenizer(folder / "vocab.json", folder / "merges.txt", pad_token=pad,
                              model_max_length=CLIP_TOKENS)
    tokenizer.save_pretrained(folder)


def make_t5(folder: Path, words: Counter) -> None:
    """Every word equally often: a whole word is then one piece, letters are the rest."""
    folder.mkdir(parents=True, exist_ok=True)
    letters = [" ".join("abcdefghijklmnopqrstuvwxyz0123456789.,!?'-")]
    sentences = [f"{w} {w}" for w in sorted(words)] * 300 + letters
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences), model_prefix=str(folder / "spiece"),
        vocab_size=T5_VOCABULARY, hard_vocab_limit=False, character_coverage=1.0,
        pad_id=0, eos_id=1, unk_id=2, bos_id=-1, num_threads=1, minloglevel=2)
    (folder / "spiece.vocab").unlink()
    T5Tokenizer(str(folder / "spiece.model"), legacy=True,
                model_max_length=T5_TOKENS).save_pretrained(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=ROOT)
    folder = parser.parse_args().root / "tokenizers"
    captions = corpus()
    words = Counter(w for caption in captions for w in caption.split())
    make_clip(folder / "tokenizer", words, 1000, "<|endoftext|>")
    make_clip(folder / "tokenizer_2", words, 1000, "!")
    make_t5(folder / "tokenizer_3", words)


if __name__ == "__main__":
    main()
