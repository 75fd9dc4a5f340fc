"""What the versions at hand make of saved folders: an image of each pipeline, scores of the scorer, ids of the tokenizers.

usage: python load.py SAVED OUT PROMPTS.jsonl   (OUT: an image NAME.png a pipeline, scores.json, ids.json; what cannot be
loaded is in failed.json with the reason)
"""

import json
import os
import sys
import warnings
from pathlib import Path

import numpy as np
import torch
import transformers
from diffusers import DiffusionPipeline
from PIL import Image

warnings.filterwarnings("ignore")
PROMPT, NEGATIVE, SEED, STEPS, GUIDANCE = "a red circle and a blue star", "grey", 7, 5, 4.0
IDS_LENGTH = 32


def picture(folder, name):
    variant = {"variant": "fp16"} if name.endswith("-variant") else {}
    none = {"text_encoder_3": None, "tokenizer_3": None} if name == "sd3-without-t5" else {} # diffusers wants to be told
    # The program computes in float32, whatever the files hold.
    pipe = DiffusionPipeline.from_pretrained(folder, torch_dtype=torch.float32, **variant, **none)
    pipe.set_progress_bar_config(disable=True)
    made = pipe(PROMPT, negative_prompt=NEGATIVE, num_inference_steps=STEPS, guidance_scale=GUIDANCE, output_type="np",
                generator=torch.Generator("cpu").manual_seed(SEED)).images[0]
    return Image.fromarray(np.round(made * 255).astype(np.uint8))


def score(folder, image):
    model = transformers.CLIPModel.from_pretrained(folder).eval()
    processor = transformers.CLIPProcessor.from_pretrained(folder)
    inputs = processor(text=[PROMPT], images=image, return_tensors="pt", padding="max_length", truncation=True)
    with torch.no_grad():
        out = model(**inputs)
    return float(out.logits_per_image[0, 0])  # exp(logit_scale) x cosine: PickScore's


def ids(folder, prompts):
    # As pipelines and packages of scorers load them: transformers 4 has slow classes beside the fast ones.
    kinds = {"C": transformers.CLIPTokenizer, "T": transformers.T5TokenizerFast, "B": transformers.BertTokenizer}
    name = json.loads((folder / "tokenizer_config.json").read_text())["tokenizer_class"]
    reader = kinds[name[0]].from_pretrained(folder)
    return [reader(p, padding="max_length", max_length=IDS_LENGTH, truncation=True).input_ids for p in prompts]


def main():
    saved, out = Path(sys.argv[1]), Path(sys.argv[2])
    os.makedirs(out, exist_ok=True)
    prompts = [json.loads(line)["prompt"] for line in open(sys.argv[3], encoding="utf-8")]
    scores, tokens, failed = {}, {}, {}
    for folder in sorted(saved.iterdir(), key=lambda f: (f.name == "scorer", f.name)):
        try:
            if (folder / "model_index.json").exists():
                picture(folder, folder.name).save(out / f"{folder.name}.png")
                for part in sorted(folder.glob("tokenizer*")):
                    tokens[f"{folder.name}/{part.name}"] = ids(part, prompts) if folder.name in ("sd3", "sdxl") else None
            elif folder.name == "scorer":
                scores["scorer"] = score(folder, Image.open(out / "sd1.png"))
            else:
                tokens[folder.name] = ids(folder, prompts)
        except Exception as e:  # a version that cannot read what another saved: the matrix says so
            failed[folder.name] = f"{type(e).__name__}: {str(e).splitlines()[0] if str(e) else ''}"
    for name, what in (("scores", scores), ("ids", {k: v for k, v in tokens.items() if v}), ("failed", failed)):
        (out / f"{name}.json").write_text(json.dumps(what))


if __name__ == "__main__":
    main()
