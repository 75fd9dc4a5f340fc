/* Text chunks of a PNG, without its pixels: the chunks are walked as they lie in the file (PNG specification, 11.3.4).
 */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "io/png.h"

static uint32_t big_endian(const unsigned char *p) {
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Behind the next zero byte of [at, end); NULL = there is none. */
static const unsigned char *behind_zero(const unsigned char *at, const unsigned char *end) {
    const unsigned char *zero = at < end ? memchr(at, 0, (size_t)(end - at)) : NULL;
    return zero ? zero + 1 : NULL;
}

/* Where the text of a tEXt or iTXt chunk with this key begins; NULL = another chunk. */
static const unsigned char *text_of(const unsigned char *type, const unsigned char *data, const unsigned char *end,
                                    const char *key) {
    int international = memcmp(type, "iTXt", 4) == 0;
    if (!international && memcmp(type, "tEXt", 4) != 0) return NULL;
    const unsigned char *at = behind_zero(data, end);
    if (!at || strcmp((const char *)data, key) != 0) return NULL;
    if (!international) return at;
    if (end - at < 2 || at[0] != 0) return NULL; /* compressed: none of ours */
    at = behind_zero(at + 2, end);               /* language */
    return at ? behind_zero(at, end) : NULL;     /* translated key */
}

ss_status png_read_note(const char *path, const char *key, char **out, ss_error *err) {
    enum { SIGNATURE = 8, FRAME = 12 }; /* of a chunk: length, type, checksum */
    const size_t MOST = (size_t)1 << 31;
    char *bytes;
    size_t size;
    ss_status status = SS_OK;
    *out = NULL;
    SS_TRY(file_read(path, MOST, &bytes, &size, err));
    const unsigned char *file = (const unsigned char *)bytes;
    for (size_t at = SIGNATURE; status == SS_OK && !*out && size >= FRAME && at <= size - FRAME;) {
        size_t length = big_endian(file + at);
        if (length > size - at - FRAME) break;
        const unsigned char *data = file + at + 8, *words = text_of(file + at + 4, data, data + length, key);
        if (words) {
            size_t n = (size_t)(data + length - words);
            *out = malloc(n + 1);
            if (*out) memcpy(*out, words, n), (*out)[n] = '\0';
            else status = error_no_memory(err, "a text chunk", n);
        }
        at += length + FRAME;
    }
    free(bytes);
    return status;
}
