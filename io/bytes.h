/* Numbers and names in the bytes of a foreign file: little-endian numbers at any alignment (the build asserts a
 * little-endian machine), and bytes made fit for a message. Bounds are not checked here; the caller checks them. */
#ifndef IO_BYTES_H
#define IO_BYTES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint16_t bytes_u16(const unsigned char *p) {
    uint16_t x;
    memcpy(&x, p, sizeof x);
    return x;
}

static inline uint32_t bytes_u32(const unsigned char *p) {
    uint32_t x;
    memcpy(&x, p, sizeof x);
    return x;
}

static inline uint64_t bytes_u64(const unsigned char *p) {
    uint64_t x;
    memcpy(&x, p, sizeof x);
    return x;
}

/* A name out of a file, for a message: printable ASCII, '?' for any other byte, "..." where it is cut. */
typedef struct bytes_name {
    char s[128];
} bytes_name;

static inline bytes_name bytes_printable(const void *bytes, size_t n) {
    bytes_name out;
    const unsigned char *p = bytes;
    const size_t room = sizeof out.s - 4, shown = n < room ? n : room;
    for (size_t i = 0; i < shown; i++) out.s[i] = p[i] >= 0x20 && p[i] < 0x7f ? (char)p[i] : '?';
    memcpy(out.s + shown, shown < n ? "..." : "", shown < n ? 4 : 1);
    return out;
}

#endif
