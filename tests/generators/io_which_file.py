"""Which file of a component folder counts: what diffusers' and transformers' own loaders take, on folders that hold every
combination of candidates, and which components diffusers takes a variant of. Each file holds another number, so that the
loaded parameter says which one was read.

    python io_which_file.py           writes tests/data/io/which-file.txt  (diffusers 0.42.1, transformers 5.24.0)
    python io_which_file.py --check   compares with that file              (also with older versions)

Lines: `LIBRARY VARIANT FILES TAKEN`. LIBRARY: diffusers or transformers. VARIANT: - or fp16. FILES: names, separated by
commas, @ standing for nothing or .fp16; `!` after an index: its shard is missing. TAKEN: one of them, or `error`.
Lines `variant NAME yes|no`: whether a component folder with this file is read with variant fp16.
"""

import itertools
import json
import logging
import pathlib
import shutil
import sys
import tempfile
import warnings

import diffusers
import torch
import transformers
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.pipelines.pipeline_loading_utils import _identify_model_variants
from safetensors.torch import save_file

warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)
OUT = pathlib.Path(__file__).resolve().parent.parent / "data" / "io" / "which-file.txt"


class Component(diffusers.ModelMixin, ConfigMixin):
    config_name = "config.json"

    @register_to_config
    def __init__(self):
        super().__init__()
        self.w = torch.nn.Parameter(torch.zeros(1))


class OneConfig(transformers.PretrainedConfig):
    model_type = "one"


class One(transformers.PreTrainedModel):
    config_class = OneConfig

    def __init__(self, config):
        super().__init__(config)
        self.w = torch.nn.Parameter(torch.zeros(1))
        self.post_init()

    def _init_weights(self, module):
        pass


# single file, index, single .bin, index of .bin
NAMES = {"diffusers": ("diffusion_pytorch_model@.safetensors", "diffusion_pytorch_model.safetensors.index@.json",
                       "diffusion_pytorch_model@.bin", "diffusion_pytorch_model.bin.index@.json"),
         "transformers": ("model@.safetensors", "model.safetensors.index@.json", "pytorch_model@.bin",
                          "pytorch_model.bin.index@.json")}
LEGACY = {"diffusers": ("diffusion_pytorch_model.safetensors@.index.json",), "transformers": ()}
CLASSES = {"diffusers": Component, "transformers": One}


def write(path, value):
    tensors = {"w": torch.full((1,), float(value))}
    torch.save(tensors, path) if path.suffix == ".bin" else save_file(tensors, path, {"format": "pt"})


def make(folder, library, files, variant):
    """-> {number: file}"""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    config = {"_class_name": "Component"} if library == "diffusers" else {"architectures": ["One"], "model_type": "one"}
    (folder / "config.json").write_text(json.dumps(config))
    numbers = {}
    for number, file in enumerate(files, 1):
        numbers[number] = file
        name = file.rstrip("!").replace("@", f".{variant}" if variant else "")
        if not name.endswith(".json"):
            write(folder / name, number)
            continue
        stem = name.split(".")[0]
        shard = f"{stem}{'.' + variant if variant else ''}-00001-of-00001{'.bin' if '.bin.' in name else '.safetensors'}"
        index = {"metadata": {"total_size": 4}, "weight_map": {"w": shard}}
        (folder / name).write_text(json.dumps(index))
        if not file.endswith("!"):
            write(folder / shard, number)
    return numbers


def taken(folder, library, files, variant):
    # an index whose shard another index brings does not occur: shards of .bin and .safetensors have other names
    numbers = make(folder, library, files, variant)
    try:
        model = CLASSES[library].from_pretrained(folder, **({"variant": variant} if variant else {}))
        return numbers.get(int(model.w.item()), "error")
    except Exception:
        return "error"


def combinations(library):
    st, sti, bin_, bini = NAMES[library]
    for names in itertools.product(("", st), ("", sti, sti + "!"), ("", bin_), ("", bini, bini + "!")):
        yield [n for n in names if n]
    for legacy in LEGACY[library]:
        for names in itertools.product(("", st), ("", sti), ("", bin_)):
            yield [legacy] + [n for n in names if n]


VARIANT_NAMES = ["model.fp16.safetensors", "diffusion_pytorch_model.fp16.bin", "model.fp16-00001-of-00002.safetensors",
                 "model-00001-of-00002.fp16.safetensors", "model.safetensors.index.fp16.json", "model.safetensors",
                 "model.fp16x.safetensors", "model.bf16.safetensors", "config.fp16.json", "fp16.safetensors", "a.b.fp16",
                 "model.safetensors.fp16.index.json", "x.fp16"]


def lines():
    with tempfile.TemporaryDirectory() as work:
        folder = pathlib.Path(work) / "component"
        for library in NAMES:
            for variant in (None, "fp16"):
                for files in combinations(library):
                    if not variant and any(n in LEGACY[library] for n in files):
                        continue
                    if files:
                        yield f"{library} {variant or '-'} {','.join(files)} {taken(folder, library, files, variant)}"
        for name in VARIANT_NAMES:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            (folder / name).write_text("")
            found = _identify_model_variants(work, "fp16", {"component": ["a", "B"]})
            yield f"variant {name} {'yes' if found else 'no'}"


made = list(lines())
if "--check" in sys.argv:
    kept = OUT.read_text().splitlines()
    for a, b in zip(made, kept):
        if a != b:
            print("here:", a, "| file:", b)
    print(diffusers.__version__, transformers.__version__, "same" if made == kept else "DIFFERENT")
    sys.exit(made != kept)
OUT.write_text("\n".join(made) + "\n")
print(len(made), "lines, diffusers", diffusers.__version__, "transformers", transformers.__version__)
