/* Names of tensors in one layout as names in another, by a table: what a name begins with, and what takes its place.
 * Numbers of blocks and layers are counted anew on the way. */
#ifndef MODEL_NAME_MAP_H
#define MODEL_NAME_MAP_H

#include "io/checkpoint_view.h"

/* What is done with the values. */
typedef enum map_change {
    MAP_SAME,
    MAP_SWAP,      /* halves of the rows change places: (shift, scale) becomes (scale, shift) */
    MAP_SWAP_LAST, /* the same, in the last block alone */
    MAP_TURN,      /* [I, O] becomes [O, I] */
    MAP_FLAT,      /* a convolution of 1 x 1 becomes a linear layer */
    MAP_DROP,      /* it is unused */
} map_change;

/* `from`: what a name begins with, if it ends in '.', else all of the name; '#' stands for a number, at most three.
 * `to`: what takes its place; several, separated by '|', take equal parts of the rows in that order. In it stand
 *   {0} {1}    the first, second number
 *   {0-}       less 1
 *   {0^}       counted from the last block
 *   {0<} {0,}  of input_blocks: block, layer       {0>} {0;}  of output_blocks: block, layer */
typedef struct map_row {
    const char *from, *to;
    map_change change;
} map_row;

/* What counting needs. */
typedef struct map_numbers {
    int layers; /* in a block of input_blocks and output_blocks, resampling counted */
    int blocks; /* of all */
} map_numbers;

typedef struct name_map {
    const map_row *row;
    int rows;
} name_map;

/* The row for a name, the first that fits, with the numbers in it and how much of the name it covers; NULL: none. */
enum { MAP_MAX_NUMBERS = 3 };
const map_row *name_map_find(const name_map *m, const char *name, int64_t number[MAP_MAX_NUMBERS], size_t *covered);

/* Add the tensor to a list under its new names, in its new forms; *known = 0 where no row fits. `name`: that of `e`
 * without what all names begin with. */
ss_status name_map_apply(const name_map *m, const map_numbers *n, const char *name, const checkpoint_entry *e,
                         view_tensors *list, int *known, ss_error *err);

/* The same of a name that may have '_' for every '.', and whose ending is ignored. */
ss_status name_map_apply_flat(const name_map *m, const map_numbers *n, const char *name, const checkpoint_entry *e,
                              view_tensors *list, int *known, ss_error *err);

#endif
