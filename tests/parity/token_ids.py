"""Compare the ids of 10,000 prompts of mixed scripts with those of the transformers that is installed.

    python tests/parity/token_ids.py BUILD [N]

Under transformers 5: every form of tokenizer folder by today's rules - older files, what save_pretrained writes from them, a
tokenizer.json of each type - and as many prompts again with code points that Python does not know. Under transformers 4: the
folders by its rules (`folder-4`), and the folders that it saves. Each form's length cuts some prompts and fills up others.
Prints a line a form; a difference is shown with its prompt. Exits 1 at any difference."""
import json
import pathlib
import subprocess
import sys
import tempfile
import warnings

warnings.filterwarnings("ignore")
import transformers  # noqa: E402

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "generators"))
from text_prompts import newer, prompts  # noqa: E402

DATA = pathlib.Path("tests/data/text")
TODAY = int(transformers.__version__.split(".")[0]) >= 5
OLDER_FILES = {"clip": ("CLIPTokenizer", 77), "clip-bang": ("CLIPTokenizer", 77), "t5": ("T5TokenizerFast", 77), "t5-plain": ("T5TokenizerFast", 48),
               "t5-old": ("T5TokenizerFast", 32), "t5-first": ("T5TokenizerFast", 32), "t5-made": ("T5TokenizerFast", 32), "bert": ("BertTokenizer", 35)}


def compare(program, kind, folder, name, limit, texts, prompts_file):
    tokenizer = getattr(transformers, name).from_pretrained(folder)
    expected = tokenizer(texts, padding="max_length", max_length=limit, truncation=True).input_ids
    run = subprocess.run([program, kind, str(folder), str(limit), str(prompts_file)], capture_output=True, text=True)
    if run.returncode:
        print(f"{kind} {folder}: {run.stderr.strip()}")
        return False
    found = [[int(x) for x in line.split()] for line in run.stdout.splitlines()]
    bad = [i for i, (a, b) in enumerate(zip(expected, found, strict=True)) if list(a) != b]
    print(f"{kind} {folder}: {len(found) - len(bad)} of {len(found)} prompts have equal ids (length {limit})", flush=True)
    for i in bad[:3]:
        print("   ", ascii(texts[i])[:300], "\n    expected", expected[i], "\n    found   ", found[i])
    return not bad


def saved(folder, name, where):
    """What this transformers writes for a folder."""
    to = pathlib.Path(where) / folder.name
    getattr(transformers, name).from_pretrained(folder).save_pretrained(to)
    return to


def main(build, n):
    program = pathlib.Path(build) / "tests" / "parity" / "tokenize"
    texts = prompts(n)
    if TODAY:
        texts += newer(max(n // 10, 1))
    kind, results = ("folder" if TODAY else "folder-4"), []
    print(f"transformers {transformers.__version__}")
    with tempfile.TemporaryDirectory() as where:
        file = pathlib.Path(where) / "prompts.jsonl"
        file.write_text("".join(json.dumps({"prompt": t}, ensure_ascii=False) + "\n" for t in texts), encoding="utf-8")
        for folder, (name, limit) in OLDER_FILES.items():
            results.append(compare(program, kind, DATA / folder, name, limit, texts, file))
            results.append(compare(program, kind, saved(DATA / folder, name, where), name, limit, texts, file))
        for folder in sorted((DATA / "json").iterdir()) if TODAY else ():
            results.append(compare(program, kind, folder, "PreTrainedTokenizerFast", 64, texts, file))
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 10000)
