/* The cpu backend's parts: cpu.c (choice of the instruction set), cpu_product.c (weights, linear, conv2d), cpu_rows.c
 * (what goes row by row), attention_*.c and activations.c. */
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
    const kernel_tiles *tiles;        /* of products of bfloat16; NULL: `rows` has them */
    const attention_kernel *rounding; /* attention in bfloat16; NULL: it stays in float32 */
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

/* Whether a call is computed in bfloat16, and by which kernel. */
static inline int attention_rounds(const compute *c, const attention_args *a) {
    return compute_attention_rounds(c, a->form);
}
static inline const attention_kernel *attention_kernel_for(const compute *c, const attention_args *a) {
    return attention_rounds(c, a) ? cpu_isa_of(c)->rounding : cpu_attention_kernel(c);
}

/* Threads for an operation that takes one thread about `nanoseconds`: a team costs some microseconds to start. Never
 * decides a bit of the result. */
static inline int cpu_threads(const compute *c, int64_t nanoseconds) { return nanoseconds < 15000 ? 1 : c->threads; }

void cpu_weight_pack(compute *c, weight *w);
void cpu_weight_free(compute *c, weight *w);
size_t cpu_weight_packed_bytes(const compute *c, const weight *w);
tensor_type cpu_input_type(const compute *c, const weight *w);
enum { CPU_ROUNDED_ROW = 16384 /* longest row of an activation in bfloat16: it is rounded from the stack */ };

/* Every operation (ops.def). */
#define OP(name, row, bytes) void cpu_##name OP_PARAMETERS(name);
#include "tensor/ops.def"

/* Scratch bytes that cpu_linears and cpu_conv2d (those of rounded inputs apart, 0 where there are none), the two parts
 * of a group norm, and cpu_batch_norm take while they run. */
size_t cpu_product_scratch(const compute *c, const weight *w);
size_t cpu_linears_scratch(const compute *c, const linear_call *call, int n);
size_t cpu_linears_inputs(const compute *c, const linear_call *call, int n);
size_t cpu_conv2d_input(const compute *c, tensor x, const weight *w);
size_t cpu_group_moments_scratch(tensor x);
size_t cpu_group_apply_scratch(tensor x);
size_t cpu_batch_norm_scratch(tensor x);

/* Take from the arena, and give back, what cpu_attention takes; the most that cpu_attention_edit takes while no set
 * holds more than half of the keys; what cpu_head_norms takes. */
void cpu_attention_reserve(compute *c, const attention_args *a);
void cpu_attention_edit_reserve(compute *c, const attention_args *a);
void cpu_head_norms_reserve(compute *c, tensor x);

#endif
