/* gzip through zlib. The output never exceeds the limit, so a small file cannot unpack to any size. */
#include "io/gzip.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/file.h"
#include "base/text.h"
#include "io/content.h"

enum { GZIP_FORMAT = 16 + MAX_WBITS, CHUNK = 1 << 16 };

/* All members; what follows the last one is an error. */
static ss_status inflate_all(z_stream *z, text *out, size_t limit, const char *path, ss_error *err) {
    char chunk[CHUNK];
    for (;;) {
        z->next_out = (unsigned char *)chunk;
        z->avail_out = CHUNK;
        int code = inflate(z, Z_NO_FLUSH);
        if (code == Z_MEM_ERROR) return error_no_memory(err, path, CHUNK);
        if (code == Z_BUF_ERROR || (code == Z_OK && z->avail_in == 0 && z->avail_out > 0))
            return error_set(err, SS_ERR_INPUT, path, "ends within its compressed data");
        if (code != Z_OK && code != Z_STREAM_END)
            return error_set(err, SS_ERR_INPUT, path, "is not a sound gzip file: %s", z->msg ? z->msg : "damaged data");
        text_add_n(out, chunk, CHUNK - z->avail_out);
        if (out->failed) return error_no_memory(err, path, out->len);
        if (out->len > limit)
            return error_set(err, SS_ERR_INPUT, path, "unpacks to more than the %zu bytes expected of such a file",
                             limit);
        if (code == Z_OK) continue;
        if (z->avail_in == 0) return SS_OK;
        if (inflateReset(z) != Z_OK) return error_set(err, SS_ERR_INTERNAL, path, "zlib cannot begin again");
    }
}

ss_status gzip_read(const char *path, size_t limit, char **out, size_t *size, ss_error *err) {
    char *packed = NULL;
    size_t n;
    SS_TRY(file_read(path, limit, &packed, &n, err));
    if (n < 2 || (unsigned char)packed[0] != 0x1F || (unsigned char)packed[1] != 0x8B) {
        ss_status plain_text =
            content_check(packed, n, CONTENT_JSON | CONTENT_EMPTY, "text, or text packed with gzip", path, err);
        if (plain_text != SS_OK) free(packed);
        else *out = packed, *size = n;
        return plain_text;
    }
    text plain = {0};
    z_stream z = {.next_in = (unsigned char *)packed, .avail_in = (unsigned)n};
    ss_status status = n > UINT32_MAX ? error_set(err, SS_ERR_INPUT, path, "has %zu bytes; too many for a gzip file", n)
                       : inflateInit2(&z, GZIP_FORMAT) == Z_OK ? inflate_all(&z, &plain, limit, path, err)
                                                               : error_no_memory(err, path, CHUNK);
    inflateEnd(&z);
    free(packed);
    text_add_n(&plain, "", 0); /* an empty result is a string too */
    if (status == SS_OK && plain.failed) status = error_no_memory(err, path, 1);
    if (status != SS_OK) {
        text_free(&plain);
        return status;
    }
    *out = plain.s;
    *size = plain.len;
    return SS_OK;
}
