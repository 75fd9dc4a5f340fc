/* Noise for cuda_noise.py: draw_noise DEVICE SEED LENGTH... writes float32 numbers, drawn one length after another. */
#include <stdio.h>
#include <stdlib.h>

#include "sampler/torch_noise.h"

int main(int argc, char **argv) {
    ss_error err;
    torch_device device;
    torch_generator r;
    if (argc < 4 || torch_device_read(&device, argv[1], NULL, &err) != SS_OK) return 2;
    torch_generator_begin(&r, device, strtoull(argv[2], NULL, 10));
    for (int i = 3; i < argc; i++) {
        size_t n = strtoul(argv[i], NULL, 10);
        float *x = calloc(n ? n : 1, sizeof *x);
        if (!x) return 4;
        torch_generator_randn(&r, x, (int64_t)n);
        if (fwrite(x, sizeof *x, n, stdout) != n) return 1;
        free(x);
    }
    return 0;
}
