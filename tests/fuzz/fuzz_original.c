/* Names of tensors in the original layouts: a file of the names and shapes that the input lists, a line each, and zeros
 * for values. What opens is mapped, every component of it; what is mapped has unique, sorted names and can be read. */
#define _GNU_SOURCE /* memfd_create */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/text.h"
#include "model/network.h"
#include "model/original.h"
#include "tests/fuzz/fuzz.h"

enum { MAX_LINES = 64, MAX_LINE = 200, MAX_SIDE = 1 << 15 };

static const char *const COMPONENTS[] = {"unet",         "transformer",    "vae",
                                         "text_encoder", "text_encoder_2", "text_encoder_3"};

/* "NAME 3 4": the name and up to four sides. */
static int add_tensor(text *header, const char *line, size_t n, uint64_t *at) {
    char words[MAX_LINE + 1];
    unsigned side[4] = {0};
    if (n == 0 || n > MAX_LINE || memchr(line, '\0', n)) return 0;
    memcpy(words, line, n);
    words[n] = '\0';
    char *space = strchr(words, ' ');
    int ndim = space ? sscanf(space, "%u %u %u %u", &side[0], &side[1], &side[2], &side[3]) : 0;
    if (space) *space = '\0';
    if (ndim < 0) ndim = 0;
    uint64_t count = 1;
    text_addf(header, "%s", header->len > 1 ? "," : "");
    text_add_json(header, words);
    text_add(header, ":{\"dtype\":\"F16\",\"shape\":[");
    for (int i = 0; i < ndim; i++) {
        side[i] %= i < 2 ? MAX_SIDE : 8;
        text_addf(header, "%s%u", i ? "," : "", side[i]);
        count *= side[i];
    }
    text_addf(header, "],\"data_offsets\":[%llu,%llu]}", (unsigned long long)*at,
              (unsigned long long)(*at + 2 * count));
    *at += 2 * count;
    return 1;
}

static void read_view(checkpoint *view) {
    ss_error err;
    for (size_t i = 0; i < checkpoint_count(view); i++) {
        const checkpoint_entry *e = checkpoint_at(view, i);
        FUZZ_CHECK(checkpoint_find(view, e->name) == e);
        FUZZ_CHECK(i == 0 || strcmp(checkpoint_at(view, i - 1)->name, e->name) < 0);
        int64_t count = 1;
        for (int d = 0; d < e->ndim; d++) count *= e->shape[d];
        FUZZ_CHECK(count == e->count);
        unsigned char some[64];
        int64_t n = count < 16 ? count : 16;
        if (n > 0 && count < 1 << 16) { /* a matrix that is transposed is read whole */
            FUZZ_CHECK(checkpoint_read(e, 0, n, some, &err) == SS_OK);
            FUZZ_CHECK(checkpoint_read(e, count - n, n, some, &err) == SS_OK);
        }
    }
}

static void open_file(const char *path, const char *config) {
    ss_error err = {0};
    original *o;
    if (original_open(&o, path, config, &err) != SS_OK) {
        FUZZ_CHECK(o == NULL && err.message[0]);
        return;
    }
    notices list = {0};
    FUZZ_CHECK(original_note_rest(o, &list, &err) == SS_OK);
    notices_free(&list);
    for (size_t i = 0; i < sizeof COMPONENTS / sizeof COMPONENTS[0]; i++) {
        checkpoint *view, *again;
        if (!original_config(o, COMPONENTS[i])) continue;
        if (original_weights(o, COMPONENTS[i], &view, &err) == SS_OK && view) {
            FUZZ_CHECK(original_prefix(o, COMPONENTS[i]) != NULL);
            read_view(view);
            FUZZ_CHECK(original_weights(o, COMPONENTS[i], &again, &err) == SS_OK);
            model *m; /* takes the view; hardly ever whole, always with a message */
            if (model_open_weights(&m, NULL, original_config(o, COMPONENTS[i]), "fuzz", again, &err) == SS_OK)
                model_close(m);
            else FUZZ_CHECK(err.message[0]);
            checkpoint_close(view);
        }
    }
    original_close(o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    text header = {0};
    uint64_t at = 0;
    int lines = 0;
    text_add(&header, "{");
    for (size_t i = 0, end; i < size && lines < MAX_LINES; i = end + 1) {
        const uint8_t *line_break = memchr(data + i, '\n', size - i);
        end = line_break ? (size_t)(line_break - data) : size;
        lines += add_tensor(&header, (const char *)data + i, end - i, &at);
    }
    text_add(&header, "}");
    uint64_t length = header.len;
    int fd = at < (uint64_t)1 << 40 ? memfd_create("fuzz", MFD_CLOEXEC) : -1; /* all holes: takes no memory */
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (fd >= 0 && write(fd, &length, 8) == 8 && write(fd, header.s, header.len) == (ssize_t)header.len &&
        ftruncate(fd, (off_t)(8 + header.len + at)) == 0)
        open_file(path, NULL);
    if (fd >= 0) close(fd);
    text_free(&header);
    return 0;
}
