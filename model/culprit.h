/* Where a network's first value appears that is not finite. A pass that gave such a value is made again while a culprit
 * listens to its taps; then the network's weights are read, and an error says all that is known. Only failures pay. */
#ifndef MODEL_CULPRIT_H
#define MODEL_CULPRIT_H

#include "model/network.h"

enum { CULPRIT_NAME_SIZE = 256, CULPRIT_MAX_ROWS = 32 };

typedef struct culprit {
    compute *c;
    const model
        *network; /* whose tap it is; where none is found, of the last tap that the context says, else as given */
    char tap[CULPRIT_NAME_SIZE]; /* the first that holds such a value; "" = none does */
    int rows;                    /* of the tap's batch */
    uint32_t bad_rows;           /* bit i: row i (of the first CULPRIT_MAX_ROWS) holds such a value */
    tap_sink sink;
    const tap_sink *before;
} culprit;

/* Listen to what `c` computes until culprit_stop. `m`: its network, or NULL where the context says (compute.tap_of).
 */
void culprit_listen(culprit *k, compute *c, const model *m);
void culprit_stop(culprit *k);

/* What the pass was and what it gave, in words, for the message. */
typedef struct culprit_case {
    const char *what;    /* "the latents after step 2 of 20" */
    const char *rows[2]; /* names of the batch's rows ("cond"); NULL = not worth a word */
    /* Parts of the network that the pass used, as prefixes of names (model_pack); NULL = all. */
    const char *const *prefixes;
    int n_prefixes;
    const char *hint; /* what to do where no weight is to blame; or NULL */
} culprit_case;

/* Read the weights and fill *err: SS_ERR_INPUT at the file of the first tensor that holds such a value, else at the
 * network's folder. Returns the error's code. */
ss_status culprit_report(const culprit *k, const culprit_case *about, ss_error *err);

/* "transformer" of the network in ".../transformer". */
const char *culprit_network_name(const model *m);

#endif
