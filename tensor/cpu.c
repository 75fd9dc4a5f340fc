/* The cpu backend's table. */
#include "tensor/backend.h"

#include <stdio.h>
#ifndef TENSOR_NO_ATTENTION
#include "tensor/attention.h"
#endif
#include "tensor/reference.h"

static void cpu_numeric_class(const compute *c, char *out, size_t size) {
    (void)c;
    snprintf(out, size, "cpu");
}

static void cpu_weight_pack(compute *c, weight *w) { backend_reference.weight_pack(c, w); }
static void cpu_weight_free(compute *c, weight *w) { backend_reference.weight_free(c, w); }
static size_t cpu_weight_packed_bytes(const compute *c, const weight *w) {
    return backend_reference.weight_packed_bytes(c, w);
}

const backend backend_cpu = {
    .about = {"cpu", "this machine's processor: packed weights, SIMD, threads", NULL},
    .numeric_class = cpu_numeric_class,
    .weight_pack = cpu_weight_pack,
    .weight_free = cpu_weight_free,
    .weight_packed_bytes = cpu_weight_packed_bytes,
    .upload = reference_upload,
    .download = reference_download,
    .linear = reference_linear,
    .conv2d = reference_conv2d,
    .embed = reference_embed,
    .copy = reference_copy,
    .fill = reference_fill,
    .add = reference_add,
    .mul = reference_mul,
    .axpby = reference_axpby,
    .activation = reference_activation,
    .layer_norm = reference_layer_norm,
    .norm_modulate = reference_norm_modulate,
    .rms_norm = reference_rms_norm,
    .gate_add = reference_gate_add,
    .group_norm = reference_group_norm,
    .upsample2 = reference_upsample2,
    .patchify = reference_patchify,
    .unpatchify = reference_unpatchify,
#ifndef TENSOR_NO_ATTENTION
    .attention = attention_cpu,
    .attention_edit = attention_edit_cpu,
#endif
};
