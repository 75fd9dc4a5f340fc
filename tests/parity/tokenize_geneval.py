"""Compare token ids with the packages' on a file of prompts (GenEval's evaluation_metadata.jsonl).

    python tests/parity/tokenize_geneval.py BUILD FILE.jsonl FOLDER...

FOLDERs are tokenizer folders; the reference class is the one that diffusers' SD3 pipelines name (CLIPTokenizer or
T5TokenizerFast), called as they call it. Then the tokenizers of the scorers: both spellings of OpenAI's, on the merges that
ship, against open_clip's (and against OpenAI's own where the package clip is there), and ImageReward's BERT on the test
vocabulary. Exits 1 at any difference. Needs transformers, sentencepiece, open_clip_torch (with ftfy)."""
import json
import pathlib
import subprocess
import sys

import transformers

MERGES = pathlib.Path("models/clip-bpe/merges.txt")
WORDS = pathlib.Path("tests/data/text/bert/vocab.txt")


def read_prompts(path):
    return [json.loads(line)["prompt"] for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]


def compare(program, prompts_file, kind, path, limit, expected):
    out = subprocess.run([program, kind, path, str(limit), prompts_file], check=True, capture_output=True, text=True).stdout
    found = [[int(x) for x in line.split()] for line in out.splitlines()]
    equal = sum(list(a) == b for a, b in zip(expected, found, strict=True))
    print(f"{kind} {path}: {equal} of {len(found)} prompts have equal ids (length {limit})")
    return equal == len(found)


def compare_folder(program, prompts_file, folder):
    config = json.loads((folder / "tokenizer_config.json").read_text())
    clip = config["tokenizer_class"].startswith("CLIP")
    reference = (transformers.CLIPTokenizer if clip else transformers.T5TokenizerFast).from_pretrained(folder)
    limit = reference.model_max_length if clip else 256
    expected = reference(read_prompts(prompts_file), padding="max_length", max_length=limit, truncation=True,
                         add_special_tokens=True).input_ids
    return compare(program, prompts_file, "folder", folder, limit, expected)


def compare_scorers(program, prompts_file):
    import open_clip
    prompts = read_prompts(prompts_file)
    open_clip_ids = open_clip.tokenize(prompts).tolist()
    try:
        import clip
        openai_ids = clip.tokenize(prompts, truncate=True).tolist()
    except ImportError:
        openai_ids = open_clip_ids  # they differ only where a prompt spells out a special token
        print("the package clip is not installed: 'openai' is compared with open_clip")
    bert = transformers.BertTokenizer(WORDS)
    bert.add_special_tokens({"bos_token": "[DEC]"})
    bert.add_special_tokens({"additional_special_tokens": ["[ENC]"]})
    bert_ids = bert(prompts, padding="max_length", truncation=True, max_length=35).input_ids
    return [compare(program, prompts_file, "openai", MERGES, 77, openai_ids),
            compare(program, prompts_file, "open_clip", MERGES, 77, open_clip_ids),
            compare(program, prompts_file, "imagereward", WORDS, 35, bert_ids)]


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    tool, file = pathlib.Path(sys.argv[1]) / "tests" / "parity" / "tokenize", pathlib.Path(sys.argv[2])
    results = [compare_folder(tool, file, pathlib.Path(folder)) for folder in sys.argv[3:]]
    results += compare_scorers(tool, file)
    sys.exit(0 if all(results) else 1)
