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
#include "base/text_set.h"

/* Larger elements first, so that every tensor lies on a multiple of its element's size. */
static int by_size_and_name(const void *a, const void *b) {
    const safetensors_output *x = *(const safetensors_output *const *)a, *y = *(const safetensors_output *const *)b;
    size_t p = checkpoint_dtype_size(x->dtype), q = checkpoint_dtype_size(y->dtype);
    if (p != q) return p > q ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* The tensors in the file's order, and who makes those without data. */
typedef struct output {
    const safetensors_output *list, **order;
    int n;
    safetensors_maker make;
    void *context, *piece; /* SAFETENSORS_PIECE elements where `make` is given */
} output;

static int64_t elements_of(const safetensors_output *t) {
    int64_t n = 1;
    for (int i = 0; i < t->ndim; i++) n *= t->shape[i];
    return n;
}

static size_t bytes_of(const safetensors_output *t) { return checkpoint_dtype_size(t->dtype) * (size_t)elements_of(t); }

static ss_status check_names(const char *path, const output *out, ss_error *err) {
    text_set names = {0};
    int64_t number;
    ss_status status = SS_OK;
    for (int i = 0; status == SS_OK && i < out->n; i++) {
        status = text_set_add(&names, out->order[i]->name, &number, err);
        if (status == SS_OK && number != i)
            status = error_set(err, SS_ERR_INTERNAL, path, "two tensors called '%s'", out->order[i]->name);
    }
    text_set_free(&names);
    return status;
}

static ss_status make_header(const char *path, const output *out, const char *note, text *header, ss_error *err) {
    const safetensors_output **order = out->order;
    int n = out->n;
    size_t offset = 0;
    text_add(header, "{");
    if (note) {
        text_add(header, "\"__metadata__\":{\"sinkscope\":");
        text_add_json(header, note);
        text_add(header, n ? "}," : "}");
    }
    for (int i = 0; i < n; i++) {
        const safetensors_output *t = order[i];
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

static int write_tensor(FILE *f, const output *out, const safetensors_output *t) {
    size_t size = checkpoint_dtype_size(t->dtype), bytes = bytes_of(t);
    if (t->data || bytes == 0) return bytes == 0 || fwrite(t->data, bytes, 1, f) == 1;
    int64_t n = elements_of(t), count;
    for (int64_t at = 0; at < n; at += count) {
        count = n - at < SAFETENSORS_PIECE ? n - at : SAFETENSORS_PIECE;
        out->make(out->context, (int)(t - out->list), at, count, out->piece);
        if (fwrite(out->piece, size, (size_t)count, f) != (size_t)count) return 0;
    }
    return 1;
}

static ss_status write_stream(const char *temporary, const text *header, const output *out, ss_error *err) {
    FILE *f = fopen(temporary, "wb");
    if (!f) return error_set_errno(err, SS_ERR_RESOURCE, temporary, "cannot create");
    uint64_t length = header->len;
    int good = fwrite(&length, 8, 1, f) == 1 && fwrite(header->s, header->len, 1, f) == 1;
    for (int i = 0; good && i < out->n; i++) good = write_tensor(f, out, out->order[i]);
    ss_status status = good ? SS_OK : error_set_errno(err, SS_ERR_RESOURCE, temporary, "cannot write");
    if (fclose(f) != 0 && good) status = error_set_errno(err, SS_ERR_RESOURCE, temporary, "cannot write");
    return status;
}

ss_status safetensors_write(const char *path, const safetensors_output *tensors, int n, ss_error *err) {
    return safetensors_write_noted(path, tensors, n, NULL, NULL, NULL, err);
}

ss_status safetensors_write_noted(const char *path, const safetensors_output *tensors, int n, const char *note,
                                  safetensors_maker make, void *context, ss_error *err) {
    text header = {0};
    ss_status status = SS_OK;
    char *temporary = file_temporary_name(path);
    output out = {.list = tensors, .n = n, .make = make, .context = context};
    out.order = malloc(((size_t)n + 1) * sizeof *out.order);
    out.piece = make ? malloc(SAFETENSORS_PIECE * (size_t)8) : NULL;
    if (!temporary || !out.order || (make && !out.piece)) {
        status = error_no_memory(err, path, SAFETENSORS_PIECE * (size_t)8);
        goto done;
    }
    for (int i = 0; i < n; i++) out.order[i] = &tensors[i];
    qsort(out.order, (size_t)n, sizeof *out.order, by_size_and_name);
    SS_TRY_GOTO(check_names(path, &out, err), done);
    SS_TRY_GOTO(make_header(path, &out, note, &header, err), done);
    status = write_stream(temporary, &header, &out, err);
    if (status == SS_OK) status = file_commit(temporary, path, err);
    else unlink(temporary);
done:
    text_free(&header);
    free(out.order);
    free(out.piece);
    free(temporary);
    return status;
}
