/* The cpu backend: choice of the instruction set and the table of operations. */
#include "tensor/cpu.h"

#include <stdio.h>
#include "tensor/activations.h"
#include "tensor/attention.h"
#include "tensor/backend.h"

static const kernel *best_kernel(void) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512bw"))
        return &kernel_avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c"))
        return &kernel_avx2;
#endif
    return &kernel_baseline;
}

static ss_status cpu_create(compute *c) {
    c->state = (void *)(uintptr_t)best_kernel();
    return SS_OK;
}

static void cpu_numeric_class(const compute *c, char *out, size_t size) {
    snprintf(out, size, "cpu %s, attention %s, compiler %s", cpu_kernel(c)->isa, attention_cpu_isa(), __VERSION__);
}

const backend backend_cpu = {
    .about = {"cpu", "this machine's processor: packed weights, SIMD, threads", NULL},
    .create = cpu_create,
    .numeric_class = cpu_numeric_class,
    .weight_pack = cpu_weight_pack,
    .weight_free = cpu_weight_free,
    .weight_packed_bytes = cpu_weight_packed_bytes,
    .upload = cpu_upload,
    .download = cpu_download,
    .linears = cpu_linears,
    .conv2d = cpu_conv2d,
    .embed = cpu_embed,
    .copy = cpu_copy,
    .fill = cpu_fill,
    .add = cpu_add,
    .mul = cpu_mul,
    .axpby = cpu_axpby,
    .activation = cpu_activation,
    .geglu = cpu_geglu,
    .layer_norm = cpu_layer_norm,
    .norm_modulate = cpu_norm_modulate,
    .rms_norm = cpu_rms_norm,
    .gate_add = cpu_gate_add,
    .group_moments = cpu_group_moments,
    .group_apply = cpu_group_apply,
    .batch_norm = cpu_batch_norm,
    .pool2d = cpu_pool2d,
    .upsample2 = cpu_upsample2,
    .upsample = cpu_upsample,
    .patchify = cpu_patchify,
    .unpatchify = cpu_unpatchify,
    .attention = attention_cpu,
    .attention_edit = attention_edit_cpu,
    .attention_output = attention_output_rows,
    .normals = cpu_normals,
    .attention_part = attention_part_rows,
    .head_gram = activations_head_gram,
    .head_norms = activations_head_norms,
    .sizes = activations_sizes,
};
