"""Train the small tokenizers of tests/data/text from text_corpus.py: the formats of a Stable Diffusion 3 pipeline's
tokenizer folders with about a thousand entries each.

Run from the repository root: python tests/generators/text_vocabularies.py. Writes
  clip        slow CLIPTokenizer, padding <|endoftext|>   (SD3's tokenizer)
  clip-bang   the same vocabulary, padding "!"            (SD3's tokenizer_2)
  t5          unigram, nmt_nfkc, laid out as SD3's tokenizer_3: tokenizer.json, extra ids that eat spaces around them
  t5-plain    unigram with byte fallback, no normalisation, user-defined symbols; spiece.model and legacy files alone
  t5-old      the same model with a tokenizer.json of 2020's form (WhitespaceSplit before Metaspace)
  t5-made     forty pieces by hand whose scores tie in many ways; WhitespaceSplit with prepend_scheme first, a stripping
              normalizer, added tokens that are looked for after normalization
  t5-first    the same model as t5-plain with add_prefix_space and legacy=false: transformers converts spiece.model again then
Needs sentencepiece 0.2.3, tokenizers 0.22.2, transformers 4.57.1."""
import collections
import io
import json
import pathlib
import shutil

import regex
import sentencepiece
import transformers

from text_corpus import corpus

OUT = pathlib.Path("tests/data/text")


def learn_merges(words, n):
    """Plain BPE: n times the most frequent pair, ties by the pair itself (the library's trainer breaks ties by chance)."""
    merges = []
    while len(merges) < n:
        pairs = collections.Counter()
        for word, count in words.items():
            for pair in zip(word, word[1:]):
                pairs[pair] += count
        if not pairs:
            break
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        merges.append(best)
        joined = collections.Counter()
        for word, count in words.items():
            out, i = [], 0
            while i < len(word):
                hit = word[i:i + 2] == best
                out.append(word[i] + word[i + 1] if hit else word[i])
                i += 2 if hit else 1
            joined[tuple(out)] += count
        words = joined
    return merges


def train_clip():
    """Byte-level BPE with </w>, laid out as OpenAI's: 256 bytes, 256 bytes with </w>, merges, two specials."""
    from transformers.models.clip.tokenization_clip import bytes_to_unicode
    signs = bytes_to_unicode()
    pattern = regex.compile(r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+")
    words = collections.Counter()
    for sentence in corpus():
        for piece in pattern.findall(sentence.lower()):
            letters = [signs[b] for b in piece.encode("utf-8")]
            words[tuple(letters[:-1] + [letters[-1] + "</w>"])] += 1
    merges = learn_merges(words, 1200)
    letters = list(bytes_to_unicode().values())
    pieces = letters + [c + "</w>" for c in letters] + ["".join(m) for m in merges] + ["<|startoftext|>", "<|endoftext|>"]
    vocab = {}
    for piece in pieces:
        vocab.setdefault(piece, len(vocab))
    for name, pad in (("clip", "<|endoftext|>"), ("clip-bang", "!")):
        folder = OUT / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "vocab.json").write_text(json.dumps(vocab, ensure_ascii=False), encoding="utf-8")
        (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(" ".join(m) for m in merges) + "\n", encoding="utf-8")
        end, bang = vocab["<|endoftext|>"], vocab["!"]

        def token(content, normalized):
            return {"content": content, "lstrip": False, "normalized": normalized, "rstrip": False, "single_word": False}
        added = {str(vocab["<|startoftext|>"]): token("<|startoftext|>", True), str(end): token("<|endoftext|>", name == "clip")}
        if pad == "!":
            added[str(bang)] = token("!", False)
        for t in added.values():
            t["special"] = True
        config = {"add_prefix_space": False, "added_tokens_decoder": dict(sorted(added.items(), key=lambda kv: int(kv[0]))),
                  "bos_token": "<|startoftext|>", "clean_up_tokenization_spaces": True, "do_lower_case": True,
                  "eos_token": "<|endoftext|>", "errors": "replace", "model_max_length": 77, "pad_token": pad,
                  "tokenizer_class": "CLIPTokenizer", "unk_token": "<|endoftext|>"}
        (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")
        special = {"bos_token": token("<|startoftext|>", True), "eos_token": token("<|endoftext|>", name == "clip"),
                   "pad_token": pad if pad != "!" else token("!", False), "unk_token": token("<|endoftext|>", True)}
        (folder / "special_tokens_map.json").write_text(json.dumps(special, indent=2) + "\n")


def train_unigram(folder, vocab_size, **options):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus()), model_writer=model, vocab_size=vocab_size, model_type="unigram",
        character_coverage=0.9995, pad_id=0, eos_id=1, unk_id=2, bos_id=-1, pad_piece="<pad>", eos_piece="</s>",
        unk_piece="<unk>", num_threads=1, minloglevel=2, **options)
    shutil.rmtree(OUT / folder, ignore_errors=True)  # an old tokenizer.json would be converted in its place
    (OUT / folder).mkdir(parents=True)
    (OUT / folder / "spiece.model").write_bytes(model.getvalue())


def write_json(path, tree):
    (OUT / path).write_text(json.dumps(tree, indent=1 if len(tree) < 9 else None, ensure_ascii=False) + "\n", encoding="utf-8")


EXTRA = [f"<extra_id_{i}>" for i in range(100)]
SPECIAL = {"eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}


def converted(folder):
    """The tokenizer.json that transformers makes of a folder with nothing but spiece.model."""
    fast = transformers.T5TokenizerFast.from_pretrained(OUT / folder)
    return json.loads(fast.backend_tokenizer.to_str())


def write_t5():
    train_unigram("t5", 850, normalization_rule_name="nmt_nfkc")
    write_json("t5/tokenizer_config.json", {**SPECIAL, "extra_ids": 100, "tokenizer_class": "T5Tokenizer"})
    tree = converted("t5")
    for token in tree["added_tokens"]:
        if token["content"] in EXTRA:
            token.update(lstrip=True, rstrip=True)
    write_json("t5/tokenizer.json", tree)
    decoder = {str(t["id"]): {k: v for k, v in t.items() if k != "id"} for t in tree["added_tokens"]}
    write_json("t5/tokenizer_config.json",
               {"added_tokens_decoder": decoder, "additional_special_tokens": EXTRA, "clean_up_tokenization_spaces": True,
                **SPECIAL, "extra_ids": 100, "legacy": True, "model_max_length": 512, "sp_model_kwargs": {},
                "tokenizer_class": "T5Tokenizer"})

    def plain(content):
        return {"content": content, "lstrip": False, "normalized": False, "rstrip": False, "single_word": False}
    write_json("t5/special_tokens_map.json",
               {"additional_special_tokens": EXTRA, **{k: plain(v) for k, v in SPECIAL.items()}})


def write_t5_variants():
    train_unigram("t5-plain", 1100, normalization_rule_name="identity", byte_fallback=True,
                  user_defined_symbols=["<sep>", "::"])
    legacy = {**SPECIAL, "additional_special_tokens": EXTRA}
    write_json("t5-plain/special_tokens_map.json", legacy)
    write_json("t5-plain/tokenizer_config.json",
               {**legacy, "extra_ids": 100, "model_max_length": 512, "tokenizer_class": "T5Tokenizer"})
    tree = converted("t5-plain")
    for name in ("t5-old", "t5-first"):
        (OUT / name).mkdir(parents=True, exist_ok=True)
        shutil.copy(OUT / "t5-plain/spiece.model", OUT / name / "spiece.model")
        write_json(f"{name}/special_tokens_map.json", legacy)
    tree["normalizer"] = {"type": "Sequence", "normalizers": [
        {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}]}
    tree["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [
        {"type": "WhitespaceSplit"}, {"type": "Metaspace", "replacement": "▁", "str_rep": "▁", "add_prefix_space": True}]}
    write_json("t5-old/tokenizer.json", tree)
    write_json("t5-old/tokenizer_config.json",
               {**legacy, "extra_ids": 100, "model_max_length": 512, "tokenizer_class": "T5TokenizerFast"})
    write_json("t5-first/tokenizer_config.json",
               {**legacy, "add_prefix_space": True, "legacy": False, "extra_ids": 100, "model_max_length": 32,
                "tokenizer_class": "T5Tokenizer"})


def write_t5_made():
    from transformers.convert_slow_tokenizer import import_protobuf
    proto = import_protobuf().ModelProto()
    pieces = ["<pad>", "</s>", "<unk>", "▁"] + list("aeiostrnlcdhmp.!-") + """st ts ta at te et se es as sa tst sts ata tat
        star tar ar ra an na ana nan in ni .. ... -- --- !! !!! ▁a ▁s ▁st ▁the he""".split()
    scores = (-3.3, -2.7, -1.9)
    for i, piece in enumerate(pieces):
        proto.pieces.add(piece=piece, score=scores[len(piece) % 3] if i > 2 else 0.0, type=(3, 3, 2)[i] if i < 3 else 1)
    proto.trainer_spec.model_type = 1
    proto.trainer_spec.unk_id = 2
    folder = OUT / "t5-made"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.json").unlink(missing_ok=True)
    (folder / "spiece.model").write_bytes(proto.SerializeToString())
    write_json("t5-made/tokenizer_config.json", {**SPECIAL, "extra_ids": 0, "tokenizer_class": "T5Tokenizer"})
    tree = converted("t5-made")
    tree["normalizer"] = {"type": "Sequence", "normalizers": [
        {"type": "Strip", "strip_left": True, "strip_right": False},
        {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "-"}]}
    tree["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [
        {"type": "WhitespaceSplit"}, {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": True}]}
    for i, content in enumerate(("  cat", "moon ", "horse")):
        tree["added_tokens"].append({"id": len(pieces) + i, "content": content, "single_word": False, "lstrip": i == 2,
                                     "rstrip": i == 2, "normalized": True, "special": False})
    write_json("t5-made/tokenizer.json", tree)


if __name__ == "__main__":
    train_clip()
    write_t5()
    write_t5_variants()
    write_t5_made()
