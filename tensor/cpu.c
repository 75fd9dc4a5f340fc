/* The cpu backend: choice of the instruction set and the table of operations. */
#include "tensor/cpu.h"

#include <stdio.h>
#include <stdlib.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif
#include "tensor/activations.h"
#include "tensor/attention.h"
#include "tensor/backend.h"

static const cpu_isa ISAS[] = {
    {{"baseline", "x86-64 without extensions, or another processor", NULL},
     &kernel_baseline,
     &attention_kernel_baseline},
#if defined(__x86_64__)
    {{"avx2", "AVX2, FMA and F16C", NULL}, &kernel_avx2, &attention_kernel_avx2},
    {{"avx512", "AVX-512 F, DQ, VL and BW", NULL}, &kernel_avx512, &attention_kernel_avx512},
    {{"avx512-bf16", "AVX-512 with BF16, which weights in bfloat16 make use of", NULL},
     &kernel_avx512_bf16,
     &attention_kernel_avx512_bf16},
#endif
};
enum { ISA_COUNT = sizeof ISAS / sizeof ISAS[0] };

#if defined(__x86_64__)
static int has_f16c(void) { /* a name that clang 14's __builtin_cpu_supports does not know */
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
}
#endif

int cpu_isa_list(const cpu_isa *out[CPU_ISA_MAX]) {
    int n = 1;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c()) n = 2;
    if (n == 2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw"))
        n = 3;
    if (n == 3 && __builtin_cpu_supports("avx512bf16")) n = 4;
#endif
    for (int i = 0; i < n; i++) out[i] = &ISAS[i];
    return n;
}

ss_status cpu_isa_choose(compute *c) {
    const cpu_isa *here[CPU_ISA_MAX], *chosen;
    int n = cpu_isa_list(here);
    const char *name = getenv("SS_ISA");
    chosen = here[n - 1];
    if (name && *name) {
        const entry *e = entry_find(ISAS, sizeof ISAS[0], ISA_COUNT, "instruction set", name, "SS_ISA", &c->error);
        if (!e) return c->error.code = SS_ERR_USAGE; /* of the command, not of a file */
        chosen = (const cpu_isa *)(const void *)e;   /* its first member */
        if (chosen > here[n - 1])
            return error_set(&c->error, SS_ERR_USAGE, "SS_ISA", "this processor has no %s; the highest it has is %s",
                             chosen->about.name, here[n - 1]->about.name);
    }
    c->state = (void *)(uintptr_t)chosen;
    return SS_OK;
}

static void cpu_numeric_class(const compute *c, char *out, size_t size) {
    snprintf(out, size, "cpu %s, compiler %s", cpu_isa_of(c)->about.name, __VERSION__);
}

const backend backend_cpu = {
    .about = {"cpu", "this machine's processor: packed weights, SIMD, threads", NULL},
    .create = cpu_isa_choose,
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
