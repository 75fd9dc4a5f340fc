/* The operations of the reference backend, one function a slot (backend.h): the oracle of the tests, and what another
 * backend may put into a slot of its own. Single-threaded, no scratch memory. */
#ifndef TENSOR_REFERENCE_H
#define TENSOR_REFERENCE_H

#include "tensor/compute.h"

void reference_upload(compute *c, tensor out, const float *host);
void reference_download(compute *c, float *host, tensor x);
void reference_linears(compute *c, const linear_call *call, int n);
void reference_conv2d(compute *c, tensor out, tensor x, const weight *w, const weight *bias, int stride,
                      const int pad[4], activation act);
void reference_embed(compute *c, tensor out, const weight *table, const int32_t *ids);
void reference_copy(compute *c, tensor out, tensor x);
void reference_fill(compute *c, tensor out, float value);
void reference_add(compute *c, tensor out, tensor a, tensor b);
void reference_mul(compute *c, tensor out, tensor a, tensor b);
void reference_axpby(compute *c, tensor out, float alpha, tensor a, float beta, tensor b);
void reference_activation(compute *c, tensor out, tensor x, activation act);
void reference_geglu(compute *c, tensor out, tensor x, tensor gate);
void reference_layer_norm(compute *c, tensor out, tensor x, const weight *gamma, const weight *beta, float eps);
void reference_norm_modulate(compute *c, tensor out, tensor x, tensor scale, tensor shift, float eps);
void reference_rms_norm(compute *c, tensor out, tensor x, const weight *gamma, float eps);
void reference_gate_add(compute *c, tensor x, tensor gate, tensor y);
void reference_group_moments(compute *c, tensor moments, tensor x, int groups, float eps);
void reference_group_apply(compute *c, tensor out, tensor x, tensor moments, const weight *gamma, const weight *beta,
                           activation act);
void reference_batch_norm(compute *c, tensor out, tensor x, const batch_norm *w, float eps, activation act);
void reference_pool2d(compute *c, tensor out, tensor x, pool_kind kind, int size, int stride, int pad);
void reference_upsample2(compute *c, tensor out, tensor x);
void reference_upsample(compute *c, tensor out, tensor x);
void reference_patchify(compute *c, tensor out, tensor x, int p);
void reference_unpatchify(compute *c, tensor out, tensor x, int p);

#endif
