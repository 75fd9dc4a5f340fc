/* The cpu backend's parts: cpu.c (choice of the instruction set), cpu_product.c (weights, linear, conv2d) and
 * cpu_rows.c (everything else but attention). */
#ifndef TENSOR_CPU_H
#define TENSOR_CPU_H

#include "base/option.h"
#include "tensor/attention_kernel.h"
#include "tensor/kernel.h"

/* The kernels of an instruction set. Each is a numeric class of its own: attention's bits differ between them. */
typedef struct cpu_isa {
    entry about;
    const kernel *rows;
    const attention_kernel *attention;
    const kernel_tiles *tiles; /* of products of bfloat16; NULL: `rows` has them */
} cpu_isa;

enum { CPU_ISA_MAX = 5 };

/* Those that this machine can compute with, the best last; returns their number. */
int cpu_isa_list(const cpu_isa *out[CPU_ISA_MAX]);

/* Puts into c->state what SS_ISA names in the environment, without it the best that the machine has. Every backend
 * on the host has one: the reference for what both share, the dry one for the cpu's account. An unknown name, and one
 * that the machine has not, are SS_ERR_USAGE. */
ss_status cpu_isa_choose(compute *c);

static inline const cpu_isa *cpu_isa_of(const compute *c) { return c->state; }
static inline const kernel *cpu_kernel(const compute *c) { return cpu_isa_of(c)->rows; }
static inline const attention_kernel *cpu_attention_kernel(const compute *c) { return cpu_isa_of(c)->attention; }

/* Threads for an operation that takes one thread about `nanoseconds`: a team costs some microseconds to start. Never
 * decides a bit of the result. */
static inline int cpu_threads(const compute *c, int64_t nanoseconds) { return nanoseconds < 15000 ? 1 : c->threads; }

void cpu_weight_pack(compute *c, weight *w);
void cpu_weight_free(compute *c, weight *w);
size_t cpu_weight_packed_bytes(const compute *c, const weight *w);

void cpu_linears(compute *c, const linear_call *call, int n);
void cpu_conv2d(compute *c, tensor out, tensor x, const weight *w, const weight *bias, int stride, const int pad[4],
                activation act);
void cpu_embed(compute *c, tensor out, const weight *table, const int32_t *ids);
void cpu_upload(compute *c, tensor out, const float *host);
void cpu_download(compute *c, float *host, tensor x);
void cpu_copy(compute *c, tensor out, tensor x);
void cpu_fill(compute *c, tensor out, float value);
void cpu_add(compute *c, tensor out, tensor a, tensor b);
void cpu_mul(compute *c, tensor out, tensor a, tensor b);
void cpu_axpby(compute *c, tensor out, float alpha, tensor a, float beta, tensor b);
void cpu_activation(compute *c, tensor out, tensor x, activation act);
void cpu_geglu(compute *c, tensor out, tensor x, tensor gate);
void cpu_layer_norm(compute *c, tensor out, tensor x, const weight *gamma, const weight *beta, float eps);
void cpu_norm_modulate(compute *c, tensor out, tensor x, tensor scale, tensor shift, float eps);
void cpu_rms_norm(compute *c, tensor out, tensor x, const weight *gamma, float eps);
void cpu_normals(compute *c, const normal_run *run, int64_t n);
void cpu_gate_add(compute *c, tensor x, tensor gate, tensor y);
void cpu_group_moments(compute *c, tensor moments, tensor x, int groups, float eps);
void cpu_group_apply(compute *c, tensor out, tensor x, tensor moments, const weight *gamma, const weight *beta,
                     activation act);
void cpu_batch_norm(compute *c, tensor out, tensor x, const batch_norm *w, float eps, activation act);
void cpu_pool2d(compute *c, tensor out, tensor x, pool_kind kind, int size, int stride, int pad);
void cpu_upsample2(compute *c, tensor out, tensor x);
void cpu_upsample(compute *c, tensor out, tensor x);
void cpu_patchify(compute *c, tensor out, tensor x, int p);
void cpu_unpatchify(compute *c, tensor out, tensor x, int p);

/* Scratch bytes that cpu_linears and cpu_conv2d (those of rounded inputs apart, 0 where there are none), the two parts
 * of a group norm, and cpu_batch_norm take while they run. */
size_t cpu_product_scratch(const compute *c, const weight *w);
size_t cpu_linears_scratch(const compute *c, const linear_call *call, int n);
size_t cpu_linears_inputs(const compute *c, const linear_call *call, int n);
size_t cpu_conv2d_input(const compute *c, tensor x, const weight *w);
size_t cpu_group_moments_scratch(tensor x);
size_t cpu_group_apply_scratch(tensor x);
size_t cpu_batch_norm_scratch(tensor x);

#endif
