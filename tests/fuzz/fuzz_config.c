/* A network's config.json: what parses must bind every tensor to a shape of sensible size, and a small network must
 * also walk through its forward pass on the dry backend. */
#define _GNU_SOURCE /* memfd_create */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "model/network.h"
#include "tests/fuzz/fuzz.h"

/* Above these a dry run costs more than it can find: its example inputs are as wide as the network. */
enum { MAX_TENSORS = 400, MAX_PARAMETERS = 1 << 20 };

static void list_taps(const model *m) {
    ss_error err = {0};
    model_arrays taps = {0};
    if (model_list_taps(m, &taps, &err) != SS_OK) FUZZ_CHECK(err.message[0]);
    for (int i = 0; i < taps.n; i++) FUZZ_CHECK(taps.at[i].name[0] && model_array_elements(&taps.at[i]) > 0);
    model_arrays_free(&taps);
}

static void read_config(const char *path) {
    ss_error err = {0};
    model *m;
    int64_t parameters = 0;
    if (model_open_config(&m, NULL, path, WEIGHTS_LIST, 0, &err) != SS_OK) {
        FUZZ_CHECK(m == NULL && err.message[0]);
        return;
    }
    FUZZ_CHECK(m->set.n > 0);
    for (int i = 0; i < m->set.n; i++) {
        const weight_item *w = &m->set.item[i];
        int64_t elements = 1;
        FUZZ_CHECK(w->name[0] && w->ndim >= 1 && w->ndim <= TENSOR_MAX_DIMS);
        for (int d = 0; d < w->ndim; d++) {
            FUZZ_CHECK(w->dim[d] >= 1 && elements <= INT64_MAX / w->dim[d]);
            elements *= w->dim[d];
        }
        FUZZ_CHECK(elements <= INT64_MAX - parameters);
        parameters += elements;
    }
    FUZZ_CHECK(weights_parameter_count(&m->set) == parameters);
    if (m->set.n <= MAX_TENSORS && parameters <= MAX_PARAMETERS) list_taps(m);
    model_close(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char path[64];
    int fd = memfd_create("fuzz", MFD_CLOEXEC); /* the reader takes a file: one in memory, under its name in /proc */
    if (fd < 0) return 0;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (size == 0 || write(fd, data, size) == (ssize_t)size) read_config(path);
    close(fd);
    return 0;
}
