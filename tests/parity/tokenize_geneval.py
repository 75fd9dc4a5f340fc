"""Compare token ids with transformers' on a file of prompts (GenEval's evaluation_metadata.jsonl).

    python tests/parity/tokenize_geneval.py BUILD FILE.jsonl FOLDER...

FOLDERs are tokenizer folders; the reference class is the one that diffusers' SD3 pipelines name (CLIPTokenizer or
T5TokenizerFast), called as they call it. Exits 1 at any difference. Needs transformers and sentencepiece."""
import json
import pathlib
import subprocess
import sys

import transformers


def compare(program, prompts_file, folder):
    config = json.loads((folder / "tokenizer_config.json").read_text())
    clip = config["tokenizer_class"].startswith("CLIP")
    reference = (transformers.CLIPTokenizer if clip else transformers.T5TokenizerFast).from_pretrained(folder)
    limit = reference.model_max_length if clip else 256
    prompts = [json.loads(line)["prompt"] for line in prompts_file.read_text(encoding="utf-8").split("\n") if line.strip()]
    expected = reference(prompts, padding="max_length", max_length=limit, truncation=True, add_special_tokens=True).input_ids
    out = subprocess.run([program, folder, str(limit), prompts_file], check=True, capture_output=True, text=True).stdout
    found = [[int(x) for x in line.split()] for line in out.splitlines()]
    equal = sum(a == b for a, b in zip(expected, found, strict=True))
    print(f"{folder}: {equal} of {len(prompts)} prompts have equal ids (length {limit})")
    return equal == len(prompts)


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    tool = pathlib.Path(sys.argv[1]) / "tests" / "parity" / "tokenize"
    results = [compare(tool, pathlib.Path(sys.argv[2]), pathlib.Path(folder)) for folder in sys.argv[3:]]
    sys.exit(0 if all(results) else 1)
