/* What the parts of LoRA share: names (lora_names.c), files (lora.c), arithmetic (lora_merge.c). Internal to model/. */
#ifndef MODEL_LORA_INTERNAL_H
#define MODEL_LORA_INTERNAL_H

#include "base/text.h"
#include "io/checkpoint_view.h"
#include "model/lora.h"

typedef enum lora_kind { LORA_DOWN, LORA_UP, LORA_ALPHA, LORA_REFUSED, LORA_UNKNOWN } lora_kind;

/* A tensor's name taken apart. */
typedef struct lora_name {
    lora_kind kind;
    const char *component; /* "unet", ...; "denoiser": unet or transformer, whichever exists; static */
    int flat;              /* '_' stands for '.', as kohya's scripts write it */
    text module;           /* the module's name in the component */
    const char *what;      /* LORA_REFUSED: what it is */
} lora_name;

/* Without memory the module's text has failed. Free the module with text_free. */
void lora_read_name(const char *name, lora_name *out);

/* The name of a component's weight as modules are compared: without ".weight" at its end and "text_model." at its
 * beginning, every '.' as '_'. Old names of an autoencoder's attention do not matter. 0: no weight. */
int lora_flat_name(const char *weight, text *out);

/* What a module of a file is added to: its targets, one or (qkv in one) more. Target i takes the rows of `up` that its
 * view says. Names are flat. `component`: that which is looked at. *list is filled with views of `up`. */
ss_status lora_targets(const lora_name *module, const char *component, const checkpoint_entry *up, int layers,
                       int blocks, view_tensors *list, ss_error *err);

/* A term of a sum. */
typedef struct lora_term {
    struct lora_term *next; /* of the same weight */
    const checkpoint_entry *up, *down;
    view_tensor rows; /* which rows of up, in which order: a view's tensor */
    float factor;     /* scale alpha / rank */
    int64_t rank;
} lora_term;

/* Reads an entry of a view whose part's context is the first lora_term. */
ss_status lora_read_merged(const checkpoint_entry *e, int64_t first, int64_t n, void *out, ss_error *err);

/* The values as float32, malloc'd; NULL after a failure. */
float *lora_floats(const checkpoint_entry *e, int64_t first, int64_t n, ss_error *err);

#endif
