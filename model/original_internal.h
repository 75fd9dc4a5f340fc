/* Tables of the original layouts. Internal to model/. */
#ifndef MODEL_ORIGINAL_INTERNAL_H
#define MODEL_ORIGINAL_INTERNAL_H

#include "model/name_map.h"

/* ---- original_maps.c ---- */

extern const name_map ORIGINAL_UNET, ORIGINAL_VAE, ORIGINAL_MMDIT, ORIGINAL_OPEN_CLIP, ORIGINAL_OPEN_CLIP_23,
    ORIGINAL_CLIP, ORIGINAL_CLIP_BARE, ORIGINAL_T5;

/* ---- original_configs.c ---- */

typedef struct original_config_row {
    const char *name; /* a component, "scheduler", a tokenizer, or "model_index" */
    const char *json; /* as the repository has it, without what equals the class's default */
} original_config_row;

/* A tensor that distinguishes families: it is there, and where `size` is not 0, dimension `dim` (-1: the last) has that
 * size. Tensors of denoisers may stand under "model.diffusion_model." or alone. */
typedef struct original_sign {
    const char *name;
    int dim;
    int64_t size;
} original_sign;

enum { ORIGINAL_SIGNS = 2, ORIGINAL_CONFIGS = 12 };

typedef struct original_family_row {
    const char *name;
    original_sign sign[ORIGINAL_SIGNS]; /* all of them */
    const original_config_row *config;  /* [ORIGINAL_CONFIGS], ended by a NULL name; NULL: the family is not read */
} original_family_row;

extern const original_family_row ORIGINAL_FAMILIES[]; /* in the order in which they are tried */
extern const int ORIGINAL_FAMILY_COUNT;

#endif
