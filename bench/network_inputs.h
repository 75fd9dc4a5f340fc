/* Inputs of a network at sizes of a benchmark's choice. */
#ifndef BENCH_NETWORK_INPUTS_H
#define BENCH_NETWORK_INPUTS_H

#include "base/philox.h"
#include "bench/common.h"
#include "model/network.h"

enum { MAX_SIDES = 8 };

/* Times in the middle of an image's way, image sizes that the network is conditioned on, Gaussian noise for the rest.
 */
static inline void input_fill(model_array *x, int64_t side) {
    const float pixels = (float)(8 * side), told[] = {pixels, pixels, 0, 0, pixels, pixels};
    philox r;
    uint64_t name = philox_hash_text(x->name);
    philox_init(&r, 1, &name, 1);
    for (int64_t i = 0; i < model_array_elements(x); i++)
        x->f32[i] = strcmp(x->name, "timestep") == 0   ? 500
                    : strcmp(x->name, "time_ids") == 0 ? told[i % 6]
                                                       : (float)philox_normal(&r);
}

/* The network's example, `batch` times, with images ([batch, C, side, side]) and texts ([batch, tokens, width]) as
 * large as asked for. Of an autoencoder, whose example does both, what decodes. */
static inline void inputs_make(model_arrays *out, const model *m, int64_t side, int64_t batch, int64_t tokens) {
    ss_error err;
    model_arrays example = {0};
    must(m->net->example(m->config, &example, &err), &err);
    for (int k = 0; k < example.n; k++) {
        model_array *x = &example.at[k];
        if (k > 0 && strcmp(example.at[0].name, "latents") == 0) continue;
        x->dim[0] *= batch;
        if (x->ndim == 4) x->dim[2] = x->dim[3] = side;
        if (x->ndim == 3) x->dim[1] = tokens;
        model_array *made = model_arrays_add(out, x->name, 0, x->ndim, x->dim, &err);
        if (!made) must(SS_ERR_RESOURCE, &err);
        input_fill(made, side);
    }
    model_arrays_free(&example);
}

/* Sides of square latents, "64,128", to side[0 .. MAX_SIDES); how many, 0 where `s` is no such list. */
static inline int sides_read(const char *s, int64_t *side) {
    int n = 0;
    for (char *end; *s; s = *end ? end + 1 : end) {
        long one = strtol(s, &end, 10);
        if (one < 1 || one > 4096 || n == MAX_SIDES || (*end && *end != ',')) return 0;
        side[n++] = one;
    }
    return n;
}

#endif
