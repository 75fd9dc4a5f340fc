"""Two environments, the oldest versions supported and the newest, each save every pipeline, scorer and tokenizer that the
program reads; each loads what it can of what either saved; the program loads the same and is compared.

usage: python matrix.py BUILD [--work FOLDER] [--oldest PYTHON] [--newest PYTHON]

The environments are made in FOLDER (default BUILD/parity) by pip from oldest.txt and newest.txt beside this file, unless
interpreters are named. Images: every channel value within one level. Ids: equal, on prompts of text_prompts.py, by the
rules of the transformers that loaded (transformers-4 or today's). Scores: within 1e-4 of the metric's range. Prints the
table of docs/FORMATS.md; exits 1 at any difference.
"""

import argparse
import csv
import io
import json
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

import numpy as np
from PIL import Image

import load

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
PROMPTS = 500
RULES_4 = ["--tokenizer", "transformers-4", "--t5-zeros", "clip"] # of the oldest versions


def interpreter(work, name):
    folder = work / name
    python = folder / "bin" / "python"
    if not (folder / "whole").exists():
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "-r", HERE / f"{name}.txt"], check=True)
        (folder / "whole").touch()
    return python


def versions(python):
    say = "import torch, diffusers, transformers as t; print(diffusers.__version__, t.__version__, torch.__version__.split('+')[0])"
    return subprocess.run([python, "-c", say], check=True, capture_output=True, text=True).stdout.split()


def quiet(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stderr[-2000:]}")


class Program:
    """The program, by the rules of the transformers that is compared with."""

    def __init__(self, build, major):
        self.build, self.old = build, major < 5

    def picture(self, folder):
        flags = ["--variant", "fp16"] if folder.name.endswith("-variant") else []
        if self.old:
            flags += RULES_4
        with tempfile.TemporaryDirectory() as out:
            done = subprocess.run(
                [self.build / "sinkscope", "generate", folder, "--prompt", load.PROMPT, "--negative", load.NEGATIVE, "--seed",
                 str(load.SEED), "--steps", str(load.STEPS), "--guidance", str(load.GUIDANCE), "-o", out, "--quiet", *flags],
                capture_output=True, text=True)
            found = sorted(Path(out).glob("*.png"))
            return (np.array(Image.open(found[0])), "") if found else (None, done.stderr.strip().splitlines()[-1])

    def ids(self, folder, prompts):
        done = subprocess.run([self.build / "tests/parity/tokenize", "folder-4" if self.old else "folder", folder,
                               str(load.IDS_LENGTH), prompts], capture_output=True, text=True)
        return [[int(i) for i in line.split()] for line in done.stdout.splitlines()], done.stderr.strip()

    def score(self, folder, picture):
        metric = f"{{pickscore: {{model: {folder}, tokenizer: {folder}}}}}"
        with tempfile.TemporaryDirectory() as work:
            table = Path(work) / "list.csv"
            table.write_text(f'image,prompt\n{picture.resolve()},"{load.PROMPT}"\n')
            done = subprocess.run([self.build / "sinkscope", "score", table, "--metric", metric, "--quiet"], capture_output=True,
                                  text=True)
        rows = [row["value"] for row in csv.DictReader(io.StringIO(done.stdout))]
        return (float(rows[0]), "") if rows else (None, done.stderr.strip())


def compare(program, saved, made, prompts):
    """[(name, what was found)], "" = equal."""
    failed, found = json.loads((made / "failed.json").read_text()), []
    for folder in sorted(saved.iterdir()):
        if folder.name in failed:
            found.append((folder.name, f"not read by the package: {failed[folder.name]}"))
        elif (folder / "model_index.json").exists():
            ours, why = program.picture(folder)
            theirs = np.array(Image.open(made / f"{folder.name}.png")).astype(int)
            if ours is not None:
                far = np.abs(ours - theirs).max()
                why = "" if far <= 1 else f"differs by {far} levels"
            found.append((folder.name, why))
    for name, theirs in json.loads((made / "ids.json").read_text()).items():
        ours, why = program.ids(saved / name, prompts)
        differ = [i for i, (a, b) in enumerate(zip(ours, theirs)) if a != b]
        if len(ours) != len(theirs):
            why = f"{len(ours)} of {len(theirs)} prompts: {why}"
        elif differ:
            why = f"{len(differ)} of {len(theirs)} prompts have other ids, the first: {differ[0]}"
        found.append((f"ids {name}", why))
    for name, theirs in json.loads((made / "scores.json").read_text()).items():
        ours, why = program.score(saved / name, made / "sd1.png")
        if ours is not None:
            why = "" if abs(ours - theirs) < 1e-4 * max(1, abs(theirs)) else f"{ours} for {theirs}"
        found.append((name, why))
    return found


def main():
    p = argparse.ArgumentParser()
    p.add_argument("build", type=Path)
    p.add_argument("--work", type=Path)
    p.add_argument("--oldest", type=Path)
    p.add_argument("--newest", type=Path)
    a = p.parse_args()
    build, work = a.build.resolve(), (a.work or a.build / "parity").resolve()
    work.mkdir(parents=True, exist_ok=True)
    python = {"oldest": a.oldest or interpreter(work, "oldest"), "newest": a.newest or interpreter(work, "newest")}
    have = {name: versions(p) for name, p in python.items()}
    prompts = work / "prompts.jsonl"
    prompts.write_bytes(subprocess.run([sys.executable, ROOT / "tests/generators/text_prompts.py", str(PROMPTS)], check=True,
                                       capture_output=True).stdout)
    for name, p in python.items():
        quiet(p, HERE / "save.py", work / f"saved-{name}", ROOT / "models")
    table, wrong = {}, 0
    for saver in python:
        for loader, p in python.items():
            made = work / f"{saver}-by-{loader}"
            quiet(p, HERE / "load.py", work / f"saved-{saver}", made, prompts)
            program = Program(build, int(have[loader][1].split(".")[0]))
            for name, why in compare(program, work / f"saved-{saver}", made, prompts):
                table.setdefault(name, {})[saver, loader] = why
    print("oldest: diffusers {} transformers {} torch {}; newest: diffusers {} transformers {} torch {}\n".format(
        *have["oldest"], *have["newest"]))
    pairs = [(s, l) for s in python for l in python]
    print("| | " + " | ".join(f"{s} by {l}" for s, l in pairs) + " |\n|---|" + "---|" * len(pairs))
    notes = []
    for name, row in table.items():
        cells = []
        for pair in pairs:
            why = row.get(pair)
            unread = why is not None and why.startswith("not read")
            wrong += bool(why) and not unread
            cells.append("" if why is None else "same" if not why else "–" if unread else "DIFFERS")
            if why:
                notes.append(f"{name}, {pair[0]} by {pair[1]}: {why}")
        print(f"| {name} | " + " | ".join(cells) + " |")
    print("\n" + "\n".join(notes))
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
