/* Multiplies a float32 tensor of a safetensors file by a number: a model whose edits, and nothing else, overflow.
 * Usage: scale_tensor FILE TENSOR FACTOR */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "io/safetensors.h"

static ss_status scale(const char *path, const char *name, double factor, ss_error *err) {
    checkpoint *s;
    SS_TRY(checkpoint_open(&s, path, err));
    int n = (int)checkpoint_count(s), found = 0;
    safetensors_output *out = calloc((size_t)n + 1, sizeof *out);
    float *scaled = NULL;
    if (!out) return error_no_memory(err, "tensors", (unsigned long long)n);
    for (int i = 0; i < n; i++) {
        const checkpoint_entry *e = checkpoint_at(s, (size_t)i);
        out[i] = (safetensors_output){.name = e->name, .dtype = e->dtype, .ndim = e->ndim, .data = e->data};
        memcpy(out[i].shape, e->shape, sizeof out[i].shape);
        if (strcmp(e->name, name) != 0 || e->dtype != CHECKPOINT_F32) continue;
        out[i].data = scaled = malloc((size_t)e->count * sizeof *scaled);
        for (int64_t j = 0; scaled && j < e->count; j++)
            scaled[j] = (float)(factor * (double)((const float *)e->data)[j]);
        found = scaled != NULL;
    }
    ss_status status = found ? safetensors_write(path, out, n, err)
                             : error_set(err, SS_ERR_INPUT, path, "has no float32 tensor '%s'", name);
    free(scaled);
    free(out);
    checkpoint_close(s);
    return status;
}

int main(int argc, char **argv) {
    ss_error err = {0};
    if (argc != 4) {
        fprintf(stderr, "usage: scale_tensor FILE TENSOR FACTOR\n");
        return SS_ERR_USAGE;
    }
    if (scale(argv[1], argv[2], atof(argv[3]), &err) == SS_OK) return 0;
    fprintf(stderr, "%s: %s\n", err.where, err.message);
    return (int)err.code;
}
