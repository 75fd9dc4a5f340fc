"""Write tests/data/text/json/NAME: small tokenizer.json folders that between them have every type of normalizer,
pre_tokenizer, model, post_processor and flag of added tokens, trained on text_corpus.py.

Run from the repository root: python tests/generators/text_tokenizer_json.py. Needs tokenizers 0.23.3, transformers 5.24.0, sentencepiece."""
import base64
import io
import json
import pathlib
import tempfile

import sentencepiece
from transformers.convert_slow_tokenizer import import_protobuf

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, processors, trainers
from tokenizers import normalizers as N
from tokenizers import pre_tokenizers as P

from text_corpus import SENTENCES, corpus

OUT = pathlib.Path("tests/data/text/json")
CL100K = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
SIZE = 330


def train(tokenizer, trainer, words=None):
    tokenizer.train_from_iterator(words or corpus(), trainer)
    return tokenizer


def byte_level(model, pre, **trainer):
    t = Tokenizer(model)
    t.pre_tokenizer = pre
    return train(t, trainers.BpeTrainer(vocab_size=SIZE, show_progress=False, initial_alphabet=P.ByteLevel.alphabet(), **trainer))


def template(t, before, after):
    pieces = [*before, "$A", *after]
    t.post_processor = processors.TemplateProcessing(
        single=pieces, special_tokens=[(s, t.token_to_id(s)) for s in dict.fromkeys([*before, *after])])


def gpt2():
    t = byte_level(models.BPE(), P.ByteLevel(add_prefix_space=True), special_tokens=["<|endoftext|>"])
    t.post_processor, t.decoder = processors.ByteLevel(trim_offsets=True), decoders.ByteLevel()
    return t


def llama3():
    t = byte_level(models.BPE(ignore_merges=True), P.Sequence([P.Split(Regex(CL100K), "isolated"), P.ByteLevel(add_prefix_space=False, use_regex=False)]),
                   special_tokens=["<|begin|>", "<|end|>"])
    t.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), processors.TemplateProcessing(
        single=["<|begin|>", "$A"], special_tokens=[("<|begin|>", t.token_to_id("<|begin|>"))])])
    return t


def llama2():
    t = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    t.normalizer = N.Sequence([N.Prepend("\u2581"), N.Replace(" ", "\u2581")])
    alphabet = [f"<0x{b:02X}>" for b in range(256)]
    t = train(t, trainers.BpeTrainer(vocab_size=700, show_progress=False, special_tokens=["<unk>", "<s>", "</s>", *alphabet], max_token_length=12,
                                     limit_alphabet=90), [s[:60] for s in corpus()])
    t.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    template(t, ["<s>"], ["</s>"])
    return t


def metaspace_first():
    t = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True))
    t.normalizer = N.Sequence([N.Strip(), N.NFD()])
    t.pre_tokenizer = P.Metaspace(prepend_scheme="first", split=True)
    t = train(t, trainers.BpeTrainer(vocab_size=SIZE, show_progress=False, special_tokens=["<unk>", "<s>", "<tok>"], limit_alphabet=60))
    t.add_tokens([AddedToken("<sep>", normalized=True), AddedToken("red", single_word=True, normalized=True)])
    t.decoder = decoders.Metaspace(prepend_scheme="first")
    return t


def unigram(normalizer, pre, **settings):
    t = Tokenizer(models.Unigram())
    t.normalizer, t.pre_tokenizer = normalizer, pre
    special = ["<unk>", "<s>", "</s>", *settings.pop("more", [])]
    t = train(t, trainers.UnigramTrainer(vocab_size=SIZE, show_progress=False, special_tokens=special, unk_token="<unk>"))
    saved = json.loads(t.to_str())
    saved["model"].update(settings)
    saved["model"]["vocab"] = [[s, round(x, 4)] for s, x in saved["model"]["vocab"]]
    return Tokenizer.from_str(json.dumps(saved))


def xlmr():
    t = unigram(N.Sequence([N.Nmt(), N.NFKC(), N.Replace(Regex(" {2,}"), " ")]), P.Metaspace(prepend_scheme="always"))
    t.add_special_tokens([AddedToken("<mask>", lstrip=True, special=True)])
    template(t, ["<s>"], ["</s>"])
    return t


def unigram_bytes():
    t = unigram(N.Sequence([N.Strip(left=False, right=True), N.Replace(Regex("[\\s\\u200b-\\u200f]+"), " ")]),
                P.Sequence([P.WhitespaceSplit(), P.Metaspace(prepend_scheme="first", split=False)]), byte_fallback=True,
                more=[f"<0x{b:02X}>" for b in range(256)])
    t.add_tokens([AddedToken("<extra_id_7>", lstrip=True, rstrip=True, normalized=False)])
    t.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 1))
    return t


def charsmap():
    """A normalization table of a few rules, compiled by sentencepiece: signs that become others, several, or none."""
    rules = {"\u00c4": "\u00e4", "\ufb01": "fi", "\u2026": "...", "\u3000": " ", "\u00a0": " ", "\u200b": " ", "\u00ad": "", "\u1f600": "",
             "\U0001f600": ":)", "e\u0301": "\u00e9", "\u2764\ufe0f": "<3", "\u0130": "i", "\u03a3": "\u03c3", "\uff01": "!", "\u2122": "TM",
             "\u00bd": "1/2", "ab": "x", "\u0928\u0940": "n", "\t": " ", "\n": " "}
    with tempfile.TemporaryDirectory() as folder:
        tsv, text = pathlib.Path(folder, "rules.tsv"), pathlib.Path(folder, "text")
        tsv.write_text("".join(" ".join(f"{ord(c):X}" for c in a) + "\t" + " ".join(f"{ord(c):X}" for c in b) + "\n" for a, b in rules.items()))
        text.write_text("\n".join(corpus()))
        made = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(input=str(text), model_writer=made, vocab_size=300, normalization_rule_tsv=str(tsv),
                                                 hard_vocab_limit=False, minloglevel=2)
    model = import_protobuf().ModelProto()
    model.ParseFromString(made.getvalue())
    return base64.b64encode(model.normalizer_spec.precompiled_charsmap).decode()


def unigram_table():
    saved = json.loads(unigram(None, P.Metaspace(prepend_scheme="never")).to_str())
    saved["normalizer"] = {"type": "Sequence", "normalizers": [
        {"type": "Precompiled", "precompiled_charsmap": charsmap()}, {"type": "Strip", "strip_left": False, "strip_right": True}]}
    return Tokenizer.from_str(json.dumps(saved))


def bert_cased():
    t = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    t.normalizer, t.pre_tokenizer = N.BertNormalizer(lowercase=False), P.BertPreTokenizer()
    t = train(t, trainers.WordPieceTrainer(vocab_size=SIZE, show_progress=False, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], limit_alphabet=120))
    t.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    t.decoder = decoders.WordPiece()
    return t


def wordpiece_words():
    t = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=12))
    t.normalizer = N.Sequence([N.NFKD(), N.StripAccents(), N.Lowercase(), N.Strip(left=True, right=False)])
    t.pre_tokenizer = P.Sequence([P.Whitespace(), P.Punctuation(), P.Digits(individual_digits=True)])
    t = train(t, trainers.WordPieceTrainer(vocab_size=SIZE, show_progress=False, special_tokens=["[PAD]", "[UNK]"], continuing_subword_prefix="@@", limit_alphabet=80))
    t.add_tokens([AddedToken("Star", single_word=True), AddedToken("<tok>", lstrip=True, rstrip=True, normalized=False), AddedToken("1\ufe0f", normalized=True)])
    return t


def words():
    t = Tokenizer(models.WordLevel({w: i for i, w in enumerate(dict.fromkeys(["<unk>", "<pad>", *" ".join(SENTENCES).split()[:400]]))}, unk_token="<unk>"))
    t.pre_tokenizer = P.WhitespaceSplit()
    template(t, [], ["<pad>", "<unk>"])
    return t


def subwords():
    t = Tokenizer(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"))
    t.normalizer = N.Sequence([N.NFKC(), N.Lowercase()])
    t.pre_tokenizer = P.Sequence([P.CharDelimiterSplit(" "), P.Digits(individual_digits=False)])
    return train(t, trainers.BpeTrainer(vocab_size=SIZE, show_progress=False, special_tokens=["<unk>"], end_of_word_suffix="</w>", limit_alphabet=70))


def splits(behavior, pattern, invert=False):
    t = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=False))
    t.pre_tokenizer = P.Sequence([P.Split(pattern, behavior, invert), P.FixedLength(length=6)])
    return train(t, trainers.BpeTrainer(vocab_size=200, show_progress=False, special_tokens=["<unk>"], limit_alphabet=80))


def byte_normalizer():
    t = Tokenizer(models.BPE())
    t.normalizer = N.Sequence([N.NFC(), N.ByteLevel()])
    t.pre_tokenizer = P.Split(Regex("(?<=\\u0120)[^\\u0120]+|\\b\\w{2,4}?|[A-Z]++|(?>ab|a)c|^.|.$"), "isolated")
    return train(t, trainers.BpeTrainer(vocab_size=SIZE, show_progress=False, initial_alphabet=P.ByteLevel.alphabet()))


FORMS = {"gpt2": gpt2, "llama3": llama3, "llama2": llama2, "metaspace-first": metaspace_first, "xlmr": xlmr, "unigram-bytes": unigram_bytes,
         "unigram-table": unigram_table, "bert-cased": bert_cased, "wordpiece-words": wordpiece_words, "words": words, "subwords": subwords,
         "split-previous": lambda: splits("merged_with_previous", Regex("[\\p{P}\\s]")),
         "split-next": lambda: splits("merged_with_next", Regex("\\p{Lu}|\\p{Han}|\\d{2,}|[^\\S\\n]")),
         "split-contiguous": lambda: splits("contiguous", Regex("\\p{Ll}|\\W(?=\\w)")),
         "split-string": lambda: splits("removed", "e", invert=False), "byte-normalizer": byte_normalizer}
PADDING = {"words": "<pad>", "bert-cased": "[PAD]", "wordpiece-words": "[PAD]", "gpt2": "<|endoftext|>", "llama3": "<|end|>"}


def main():
    for name, make in FORMS.items():
        t = make()
        folder = OUT / name
        folder.mkdir(parents=True, exist_ok=True)
        saved = json.loads(t.to_str())
        (folder / "tokenizer.json").write_text(json.dumps(saved, ensure_ascii=False, indent=None, separators=(",", ":")) + "\n", encoding="utf-8")
        pad = PADDING.get(name) or ("<unk>" if t.token_to_id("<unk>") is not None else t.id_to_token(0))
        config = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": pad, "model_max_length": 64}
        (folder / "tokenizer_config.json").write_text(json.dumps(config) + "\n")


main()
