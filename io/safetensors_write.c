/* Writing safetensors: a header padded with spaces to 8 bytes, then the data without holes. Must never leave a
 * half-written file under its name. Order and padding follow the reference writer (safetensors/src/tensor.rs, prepare).
 */
#include "io/safetensors.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"

/* Larger elements first, so that every tensor lies on a multiple of its element's size. */
static int by_size_and_name(const void *a, const void *b) {
    const safetensors_output *x = *(const safetensors_output *const *)a, *y = *(const safetensors_output *const *)b;
    size_t p = checkpoint_dtype_size(x->dtype), q = checkpoint_dtype_size(y->dtype);
    if (p != q) return p > q ? -1 : 1;
    return strcmp(x->name, y->name);
}

static size_t bytes_of(const safetensors_output *t) {
    size_t bytes = checkpoint_dtype_size(t->dtype);
    for (int i = 0; i < t->ndim; i++) bytes *= (size_t)t->shape[i];
    return bytes;
}

static ss_status make_header(const char *path, const safetensors_output **order, int n, const char *note, text *header,
                             ss_error *err) {
    size_t offset = 0;
    text_add(header, "{");
    if (note) {
        text_add(header, "\"__metadata__\":{\"sinkscope\":");
        text_add_json(header, note);
        text_add(header, n ? "}," : "}");
    }
    for (int i = 0; i < n; i++) {
        const safetensors_output *t = order[i];
        for (int j = 0; j < i; j++) /* few tensors are ever written at once */
            if (strcmp(order[j]->name, t->name) == 0)
                return error_set(err, SS_ERR_INTERNAL, path, "two tensors called '%s'", t->name);
        text_add(header, i ? "," : "");
        text_add_json(header, t->name);
        text_addf(header, ":{\"dtype\":\"%s\",\"shape\":[", checkpoint_dtype_name(t->dtype));
        for (int d = 0; d < t->ndim; d++) text_addf(header, "%s%lld", d ? "," : "", (long long)t->shape[d]);
        text_addf(header, "],\"data_offsets\":[%zu,%zu]}", offset, offset + bytes_of(t));
        offset += bytes_of(t);
    }
    text_add(header, "}");
    while (!header->failed && header->len % 8) text_add(header, " ");
    return header->failed ? error_no_memory(err, path, header->len) : SS_OK;
}

static ss_status write_stream(const char *temporary, const text *header, const safetensors_output **order, int n,
                              ss_error *err) {
    FILE *f = fopen(temporary, "wb");
    if (!f) return error_set_errno(err, SS_ERR_RESOURCE, temporary, "cannot create");
    uint64_t length = header->len;
    int good = fwrite(&length, 8, 1, f) == 1 && fwrite(header->s, header->len, 1, f) == 1;
    for (int i = 0; good && i < n; i++) {
        size_t bytes = bytes_of(order[i]);
        good = bytes == 0 || fwrite(order[i]->data, bytes, 1, f) == 1;
    }
    ss_status status = good ? SS_OK : error_set_errno(err, SS_ERR_RESOURCE, temporary, "cannot write");
    if (fclose(f) != 0 && good) status = error_set_errno(err, SS_ERR_RESOURCE, temporary, "cannot write");
    return status;
}

ss_status safetensors_write(const char *path, const safetensors_output *tensors, int n, ss_error *err) {
    return safetensors_write_noted(path, tensors, n, NULL, err);
}

ss_status safetensors_write_noted(const char *path, const safetensors_output *tensors, int n, const char *note,
                                  ss_error *err) {
    text header = {0};
    ss_status status = SS_OK;
    char *temporary = file_temporary_name(path);
    const safetensors_output **order = malloc(((size_t)n + 1) * sizeof *order);
    if (!temporary || !order) {
        status = error_no_memory(err, path, (size_t)n * sizeof *order);
        goto done;
    }
    for (int i = 0; i < n; i++) order[i] = &tensors[i];
    qsort(order, (size_t)n, sizeof *order, by_size_and_name);
    SS_TRY_GOTO(make_header(path, order, n, note, &header, err), done);
    status = write_stream(temporary, &header, order, n, err);
    if (status == SS_OK) status = file_commit(temporary, path, err);
    else unlink(temporary);
done:
    text_free(&header);
    free(order);
    free(temporary);
    return status;
}
