/* Writing safetensors: a header padded with spaces to 8 bytes, then the data without holes. A file gets its name only
 * when it is complete. Order and padding follow the reference writer (safetensors/src/tensor.rs, prepare). */
#include "io/safetensors.h"

#include <stdlib.h>
#include <string.h>

#include "base/output.h"
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
typedef struct tensor_file {
    const safetensors_output *list, **order;
    int n;
    safetensors_maker make;
    void *context, *piece; /* SAFETENSORS_PIECE elements where `make` is given */
} tensor_file;

static int64_t elements_of(const safetensors_output *t) {
    int64_t n = 1;
    for (int i = 0; i < t->ndim; i++) n *= t->shape[i];
    return n;
}

static size_t safetensors_write_bytes_of(const safetensors_output *t) {
    return checkpoint_dtype_size(t->dtype) * (size_t)elements_of(t);
}

static ss_status safetensors_write_check_names(const char *path, const tensor_file *all, ss_error *err) {
    text_set names = {0};
    int32_t number;
    ss_status status = SS_OK;
    for (int i = 0; status == SS_OK && i < all->n; i++) {
        status = text_set_add(&names, all->order[i]->name, &number, err);
        if (status == SS_OK && number != i)
            status = error_set(err, SS_ERR_INTERNAL, path, "two tensors called '%s'", all->order[i]->name);
    }
    text_set_free(&names);
    return status;
}

static ss_status make_header(const char *path, const tensor_file *all, const char *key, const char *note, text *header,
                             ss_error *err) {
    const safetensors_output **order = all->order;
    int n = all->n;
    size_t offset = 0;
    text_add(header, "{");
    if (note) {
        text_add(header, "\"__metadata__\":{");
        text_add_json(header, key);
        text_add(header, ":");
        text_add_json(header, note);
        text_add(header, n ? "}," : "}");
    }
    for (int i = 0; i < n; i++) {
        const safetensors_output *t = order[i];
        text_add(header, i ? "," : "");
        text_add_json(header, t->name);
        text_addf(header, ":{\"dtype\":\"%s\",\"shape\":[", checkpoint_dtype_name(t->dtype));
        for (int d = 0; d < t->ndim; d++) text_addf(header, "%s%lld", d ? "," : "", (long long)t->shape[d]);
        text_addf(header, "],\"data_offsets\":[%zu,%zu]}", offset, offset + safetensors_write_bytes_of(t));
        offset += safetensors_write_bytes_of(t);
    }
    text_add(header, "}");
    while (!header->failed && header->len % 8) text_add(header, " ");
    return header->failed ? error_no_memory(err, path, header->len) : SS_OK;
}

static ss_status write_tensor(output *file, const tensor_file *all, const safetensors_output *t, ss_error *err) {
    size_t size = checkpoint_dtype_size(t->dtype), bytes = safetensors_write_bytes_of(t);
    if (t->data || bytes == 0) return output_write(file, t->data, bytes, err);
    int64_t n = elements_of(t), count;
    for (int64_t at = 0; at < n; at += count) {
        count = n - at < SAFETENSORS_PIECE ? n - at : SAFETENSORS_PIECE;
        SS_TRY(all->make(all->context, (int)(t - all->list), at, count, all->piece, err));
        SS_TRY(output_write(file, all->piece, size * (size_t)count, err));
    }
    return SS_OK;
}

static ss_status write_file(const char *path, const text *header, const tensor_file *all, ss_error *err) {
    output file;
    uint64_t length = header->len;
    SS_TRY(output_open(&file, path, err));
    ss_status status = output_write(&file, &length, sizeof length, err);
    if (status == SS_OK) status = output_write(&file, header->s, header->len, err);
    for (int i = 0; status == SS_OK && i < all->n; i++) status = write_tensor(&file, all, all->order[i], err);
    if (status == SS_OK) return output_commit(&file, err);
    output_abandon(&file);
    return status;
}

ss_status safetensors_write(const char *path, const safetensors_output *tensors, int n, ss_error *err) {
    return safetensors_write_noted(path, tensors, n, NULL, NULL, NULL, NULL, err);
}

ss_status safetensors_write_noted(const char *path, const safetensors_output *list, int n, const char *key,
                                  const char *note, safetensors_maker make, void *context, ss_error *err) {
    text header = {0};
    ss_status status = SS_OK;
    tensor_file all = {.list = list, .n = n, .make = make, .context = context};
    all.order = malloc(((size_t)n + 1) * sizeof *all.order);
    all.piece = make ? malloc(SAFETENSORS_PIECE * (size_t)8) : NULL;
    if (!all.order || (make && !all.piece)) {
        status = error_no_memory(err, path, SAFETENSORS_PIECE * (size_t)8);
        goto done;
    }
    for (int i = 0; i < n; i++) all.order[i] = &list[i];
    qsort(all.order, (size_t)n, sizeof *all.order, by_size_and_name);
    SS_TRY_GOTO(safetensors_write_check_names(path, &all, err), done);
    SS_TRY_GOTO(make_header(path, &all, key, note, &header, err), done);
    status = write_file(path, &header, &all, err);
done:
    text_free(&header);
    free(all.order);
    free(all.piece);
    return status;
}
