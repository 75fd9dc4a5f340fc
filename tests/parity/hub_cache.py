"""Names on the hub: what huggingface_hub finds in a cache (try_to_load_from_cache) and what the program finds there.

usage: python hub_cache.py SINKSCOPE   (any huggingface_hub; nothing is downloaded)

Each case is an environment, a cache and a name. The program tells in its error which file it opened: the snapshots
here hold no model. One difference is meant: without refs/main the program takes the only snapshot.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

PROGRAM = str(pathlib.Path(sys.argv[1]).resolve())
FIND = """
import json, sys
from huggingface_hub import try_to_load_from_cache
found = try_to_load_from_cache(sys.argv[1], "config.json", revision=sys.argv[2] or None)
print(json.dumps(found if isinstance(found, str) else None))
"""
# variables over HOME, in which W stands for the work folder; where the cache is below it
PLACES = [({}, "home/.cache/huggingface/hub"), ({"XDG_CACHE_HOME": "W/xdg"}, "xdg/huggingface/hub"),
          ({"HF_HOME": "~/hf"}, "home/hf/hub"), ({"HF_HOME": "$HOME/a", "XDG_CACHE_HOME": "W/xdg"}, "home/a/hub"),
          ({"HUGGINGFACE_HUB_CACHE": "~/old", "HF_HOME": "W/hf"}, "home/old"),
          ({"HF_HUB_CACHE": "${HOME}/new", "HUGGINGFACE_HUB_CACHE": "W/old"}, "home/new")]
COMMIT, OTHER = "a" * 40, "b" * 40
REFS = {"main": COMMIT, "v1": OTHER, "refs/pr/3": OTHER, "gone": "c" * 40}
REVISIONS = ["", "main", "v1", "refs/pr/3", "gone", "nothing", COMMIT, OTHER]


def make(cache):
    repository = cache / "models--me--tiny"
    for commit in (COMMIT, OTHER):
        (repository / "snapshots" / commit).mkdir(parents=True)
        (repository / "blobs").mkdir(exist_ok=True)
        (repository / "blobs" / commit).write_text("{}")
        (repository / "snapshots" / commit / "config.json").symlink_to(f"../../blobs/{commit}")
    for name, commit in REFS.items():
        path = repository / "refs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(commit)


def ours(environment, name, cwd):
    run = subprocess.run([PROGRAM, "inspect", name], env=environment, cwd=cwd, capture_output=True, text=True)
    line = (run.stdout + run.stderr).splitlines()[0]
    return line.removeprefix("sinkscope: ").split(": has no ")[0] if "hf download" not in run.stderr else None


differ = cases = 0
for variables, place in PLACES:
    with tempfile.TemporaryDirectory() as work:
        base = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGINGFACE_", "XDG_"))}
        environment = base | {"HOME": f"{work}/home"} | {k: v.replace("W/", f"{work}/") for k, v in variables.items()}
        make(pathlib.Path(work) / place)
        for revision in REVISIONS:
            theirs = json.loads(subprocess.run([sys.executable, "-c", FIND, "me/tiny", revision], env=environment, text=True,
                                               capture_output=True, check=True).stdout)
            found = ours(environment, "me/tiny" + (f"@{revision}" if revision else "") + "/config.json", work)
            cases += 1
            if theirs != found:
                differ += 1
                print(variables, revision, "\n  huggingface_hub:", theirs, "\n  sinkscope:      ", found)
print(f"{cases} cases, {differ} differ")
sys.exit(differ > 0)
