/* LoRA: matrices of low rank that are added to a model's weights as they are read. W becomes W + scale (alpha / rank)
 * up down, in float32, as PEFT's merge computes it. Files have the names of diffusers, PEFT or kohya's scripts.
 * Reference: diffusers 0.42.1 (load_lora_weights, fuse_lora), peft 0.21.2 (tuners/lora/layer.py, get_delta_weight). */
#ifndef MODEL_LORA_H
#define MODEL_LORA_H

#include "base/notices.h"
#include "io/checkpoint.h"

enum { LORA_MAX_FILES = 16 };

/* A file, or a folder with pytorch_lora_weights.safetensors or adapter_model.safetensors, and how much of it. */
typedef struct lora_use {
    const char *path;
    double scale;
} lora_use;

typedef struct lora_set lora_set;

/* Open files and sort their tensors. What is no LoRA of this kind (DoRA, LoHa, LoKr, biases) is an error that names the
 * tensor. */
ss_status lora_open(lora_set **out, const lora_use *use, int n, ss_error *err);
void lora_close(lora_set *s); /* after all that was changed by it; NULL is allowed */

/* Make *files a view in which weights of the component have the matrices added: in float32, all others as they were.
 * Nothing is done where no file has any for it. */
ss_status lora_apply(lora_set *s, const char *component, checkpoint **files, ss_error *err);

/* After all components: a file of which nothing was used is an error, and what was not used of others a notice. */
ss_status lora_finish(const lora_set *s, notices *list, ss_error *err);

/* The weights' file of a LoRA given as file or folder; malloc, NULL without memory. */
char *lora_file(const char *path);

/* Split "FILE:0.8": malloc'd path, and the scale, 1 where there is none. `where` as in error_set. */
ss_status lora_parse(const char *s, const char *where, char **path, double *scale, ss_error *err);

#endif
