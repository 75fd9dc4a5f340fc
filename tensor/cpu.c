/* The cpu backend: choice of the instruction set and the table of operations. */
#define _DEFAULT_SOURCE /* syscall */
#include "tensor/cpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif
#include "tensor/backend.h"

enum { BASELINE, AVX2, AVX512, AVX512_BF16, AMX };

#define AMX_ABOUT                                                                                                      \
    { "amx", "AMX-BF16 for weights in bfloat16, and AVX-512, which has its bits too, slowly", NULL }

static const cpu_isa ISAS[] = {
    {{"baseline", "x86-64 without extensions, or another processor", NULL},
     &kernel_baseline,
     &attention_kernel_baseline,
     NULL,
     NULL},
#if defined(__x86_64__)
    {{"avx2", "AVX2, FMA and F16C", NULL}, &kernel_avx2, &attention_kernel_avx2, NULL, NULL},
    {{"avx512", "AVX-512 F, DQ, VL and BW", NULL}, &kernel_avx512, &attention_kernel_avx512, NULL, NULL},
    {{"avx512-bf16", "AVX-512 with BF16, which weights in bfloat16 make use of", NULL},
     &kernel_avx512_bf16,
     &attention_kernel_avx512_bf16,
     NULL,
     NULL},
    {AMX_ABOUT, &kernel_avx512, &attention_kernel_avx512, &kernel_tiles_amx, &attention_tiles_amx},
#endif
};
enum { ISA_COUNT = sizeof ISAS / sizeof ISAS[0] };

#if defined(__x86_64__)
/* The last row on a processor without AMX, so that images made with it can be made again. */
static const cpu_isa AMX_BY_AVX512 = {AMX_ABOUT, &kernel_avx512, &attention_kernel_avx512, &kernel_tiles_avx512,
                                      &attention_tiles_avx512};

static int has_f16c(void) { /* a name that clang 14's __builtin_cpu_supports does not know */
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
}

static int has_avx2(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c(); }

static int has_avx512(void) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
}

/* The processor has tiles and their products of bfloat16, and Linux (5.16 on) lets this process use them: their 8 kB
 * of registers belong to a thread's state only after it was asked. Asking twice is no error. */
static int has_amx(void) {
    enum { TILE_DATA = 18, REQUEST_PERMISSION = 0x1023, AMX_BF16_BIT = 1 << 22, AMX_TILE_BIT = 1 << 24 };
    unsigned a, b, c, d;
    return __builtin_cpu_supports("avx512bf16") && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d & AMX_BF16_BIT) &&
           (d & AMX_TILE_BIT) && syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
}
#endif

int cpu_isa_list(const cpu_isa *out[CPU_ISA_MAX]) {
    int n = 0;
    out[n++] = &ISAS[BASELINE];
#if defined(__x86_64__)
    int avx2 = has_avx2(), avx512 = avx2 && has_avx512(), amx = avx512 && has_amx();
    if (avx2) out[n++] = &ISAS[AVX2];
    if (avx512 && !amx) out[n++] = &AMX_BY_AVX512;
    if (avx512) out[n++] = &ISAS[AVX512];
    if (avx512 && __builtin_cpu_supports("avx512bf16")) out[n++] = &ISAS[AVX512_BF16];
    if (amx) out[n++] = &ISAS[AMX];
#endif
    return n;
}

ss_status cpu_isa_choose(compute *c) {
    const cpu_isa *here[CPU_ISA_MAX];
    int n = cpu_isa_list(here);
    const cpu_isa *chosen = here[n - 1];
    const char *name = getenv("SS_ISA");
    if (name && *name) {
        if (!entry_find(ISAS, sizeof ISAS[0], ISA_COUNT, "instruction set", name, "SS_ISA", &c->error))
            return c->error.code = SS_ERR_USAGE; /* of the command, not of a file */
        int i = n - 1;
        while (i >= 0 && strcmp(here[i]->about.name, name) != 0) i--;
        if (i < 0)
            return error_set(&c->error, SS_ERR_USAGE, "SS_ISA", "this processor has no %s; the best it has is %s", name,
                             chosen->about.name);
        chosen = here[i];
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
    .input_type = cpu_input_type,
#define OP(name, row, bytes) BACKEND_OPERATION(cpu, name)
#include "tensor/ops.def"
};
