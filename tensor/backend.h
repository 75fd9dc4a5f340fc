/* The table that a backend fills. Every slot's contract is that of the op_ function of the same name in compute.h,
 * which has checked shapes, the stop flag and the sticky error before it calls the slot. Backends:
 *   reference  plain loops, float64 accumulation where it helps; the oracle of the tests
 *   cpu        weights packed once, one blocked product for linear layers and convolutions, SIMD chosen at run time,
 *              OpenMP over rows
 *   dry        computes nothing and touches no memory; a forward pass on it gives scratch peak and operation count */
#ifndef TENSOR_BACKEND_H
#define TENSOR_BACKEND_H

#include "base/option.h"
#include "tensor/compute.h"

struct backend {
    entry about;
    int counts;                      /* scratch is counted, not there */
    ss_status (*create)(compute *c); /* fills c->state; errors into c->error; NULL = the backend keeps nothing */
    void (*destroy)(compute *c);     /* NULL = nothing to free */
    /* One line for the manifest: what decides bits here (ISA in use, library versions). */
    void (*numeric_class)(const compute *c, char *out, size_t size);

    void (*weight_pack)(compute *c, weight *w);
    void (*weight_free)(compute *c, weight *w);
    size_t (*weight_packed_bytes)(const compute *c, const weight *w);

    void (*upload)(compute *c, tensor out, const float *host);
    void (*download)(compute *c, float *host, tensor x);
    void (*linears)(compute *c, const linear_call *call, int n);
    void (*conv2d)(compute *c, tensor out, tensor x, const weight *w, const weight *bias, int stride, const int pad[4],
                   activation act);
    void (*embed)(compute *c, tensor out, const weight *table, const int32_t *ids);
    void (*copy)(compute *c, tensor out, tensor x);
    void (*fill)(compute *c, tensor out, float value);
    void (*add)(compute *c, tensor out, tensor a, tensor b);
    void (*mul)(compute *c, tensor out, tensor a, tensor b);
    void (*axpby)(compute *c, tensor out, float alpha, tensor a, float beta, tensor b);
    void (*activation)(compute *c, tensor out, tensor x, activation act);
    void (*geglu)(compute *c, tensor out, tensor x, tensor gate);
    void (*layer_norm)(compute *c, tensor out, tensor x, const weight *gamma, const weight *beta, float eps);
    void (*norm_modulate)(compute *c, tensor out, tensor x, tensor scale, tensor shift, float eps);
    void (*rms_norm)(compute *c, tensor out, tensor x, const weight *gamma, float eps);
    void (*gate_add)(compute *c, tensor x, tensor gate, tensor y);
    void (*group_moments)(compute *c, tensor moments, tensor x, int groups, float eps);
    void (*group_apply)(compute *c, tensor out, tensor x, tensor moments, const weight *gamma, const weight *beta,
                        activation act);
    void (*batch_norm)(compute *c, tensor out, tensor x, const batch_norm *w, float eps, activation act);
    void (*pool2d)(compute *c, tensor out, tensor x, pool_kind kind, int size, int stride, int pad);
    void (*upsample2)(compute *c, tensor out, tensor x);
    void (*upsample)(compute *c, tensor out, tensor x);
    void (*patchify)(compute *c, tensor out, tensor x, int p);
    void (*unpatchify)(compute *c, tensor out, tensor x, int p);
    void (*attention)(compute *c, const attention_args *a, const attention_stats *stats);
    void (*attention_edit)(compute *c, const attention_args *a, const attention_edit *e);
    void (*attention_output)(compute *c, const attention_args *a, const attention_output *e);
    void (*normals)(compute *c, const normal_run *run, int64_t n);
    void (*attention_part)(compute *c, const attention_args *a, const double *lse, attention_part part,
                           const int32_t *index, int n, double *out);
    int (*head_gram)(const weight *w, int64_t heads, float *gram); /* 0: no memory */
    void (*head_norms)(compute *c, tensor x, const float *gram, float *norm, float *projected);
    void (*sizes)(compute *c, tensor x, float *largest, float *p95);
};

extern const backend backend_reference, backend_cpu, backend_dry;

#endif
