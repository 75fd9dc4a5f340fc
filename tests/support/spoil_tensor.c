/* Spoil a tensor of a .safetensors file in place, for tests of what is said of broken weights.
 * Usage: spoil_tensor FILE TENSOR nan|inf|-inf|all-ones|xFACTOR [INDEX]
 * One value (INDEX, 0 by default) becomes what the word says; "all-ones" is a NaN whose bits are all set. xFACTOR
 * multiplies every value. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "io/json.h"
#include "tensor/half.h"

enum { LENGTH_BYTES = 8, LIMIT = 1 << 30 };

static int refuse(const char *what, const char *which) {
    fprintf(stderr, "%s: %s\n", which, what);
    return SS_ERR_USAGE;
}

static float read_value(const char *at, tensor_type type) {
    float x;
    half_convert(&x, at, type, 1);
    return x;
}

/* `first`: the tensor's first byte, `n` its values. */
static int spoil(char *first, tensor_type type, int64_t n, const char *word, int64_t index) {
    size_t size = tensor_type_size(type);
    if (index < 0 || index >= n) return refuse("is not in the tensor", word);
    char *at = first + (size_t)index * size;
    if (*word == 'x') {
        float factor = strtof(word + 1, NULL);
        for (int64_t i = 0; i < n; i++) {
            float x = read_value(first + (size_t)i * size, type) * factor;
            half_round(first + (size_t)i * size, &x, type, 1);
        }
    } else if (strcmp(word, "all-ones") == 0) {
        memset(at, 0xFF, size);
    } else {
        float x = strtof(word, NULL);
        half_round(at, &x, type, 1);
    }
    return 0;
}

static int spoil_named(char *data, const json_t *header, size_t values, const char *name, const char *word,
                       int64_t index) {
    static const char *const types[] = {[TENSOR_F32] = "F32", [TENSOR_F16] = "F16", [TENSOR_BF16] = "BF16"};
    const json_t *t = json_object_get(header, name), *offsets = json_object_get(t, "data_offsets");
    const char *dtype = json_string_value(json_object_get(t, "dtype"));
    if (!t || !dtype) return refuse("no such tensor", name);
    for (int i = 0; i < (int)(sizeof types / sizeof types[0]); i++) {
        if (strcmp(types[i], dtype) != 0) continue;
        size_t begin = (size_t)json_integer_value(json_array_get(offsets, 0)),
               end = (size_t)json_integer_value(json_array_get(offsets, 1));
        int64_t n = (int64_t)((end - begin) / tensor_type_size((tensor_type)i));
        return spoil(data + values + begin, (tensor_type)i, n, word, index);
    }
    return refuse("expected F32, F16 or BF16", name);
}

int main(int argc, char **argv) {
    ss_error err = {0};
    char *data;
    size_t size;
    if (argc != 4 && argc != 5) return refuse("FILE TENSOR nan|inf|-inf|all-ones|xFACTOR [INDEX]", "usage");
    if (file_read(argv[1], LIMIT, &data, &size, &err) != SS_OK) return refuse(err.message, argv[1]);
    uint64_t length = 0;
    if (size > LENGTH_BYTES) memcpy(&length, data, LENGTH_BYTES);
    json_t *header = length < size ? json_loadb(data + LENGTH_BYTES, (size_t)length, 0, NULL) : NULL;
    int code = header ? spoil_named(data, header, LENGTH_BYTES + (size_t)length, argv[2], argv[3],
                                    argc == 5 ? strtoll(argv[4], NULL, 10) : 0)
                      : refuse("is no safetensors file", argv[1]);
    if (code == 0 && file_write(argv[1], data, size, &err) != SS_OK) code = refuse(err.message, argv[1]);
    json_decref(header);
    free(data);
    return code;
}
