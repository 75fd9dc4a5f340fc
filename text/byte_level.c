/* See byte_level.h. */
#include "text/byte_level.h"

#include "text/unicode.h"

/* Bytes that print stand for themselves, the others, in order, for U+0100 and what follows: 0 - 32, 127 - 160, 173. */
static int32_t sign_of(unsigned char b) {
    if (b <= ' ') return 0x100 + b;
    if (b >= 0x7F && b <= 0xA0) return 0x100 + 33 + (b - 0x7F);
    return b == 0xAD ? 0x100 + 67 : b;
}

static int byte_level_byte_of(int32_t sign) {
    if (sign >= 0x100 && sign <= 0x100 + ' ') return sign - 0x100;
    if (sign > 0x100 + ' ' && sign < 0x100 + 67) return sign - 0x100 - 33 + 0x7F;
    if (sign == 0x100 + 67) return 0xAD;
    return sign < 0x100 && sign_of((unsigned char)sign) == sign ? sign : -1;
}

void byte_level_add(text *out, const char *s, size_t n) {
    for (size_t i = 0; i < n; i++) unicode_append(out, sign_of((unsigned char)s[i]));
}

int byte_level_add_bytes(text *out, const char *s, size_t n) {
    int32_t cp;
    for (size_t i = 0; i < n; i += unicode_next(s + i, n - i, &cp)) {
        unicode_next(s + i, n - i, &cp);
        int byte = byte_level_byte_of(cp);
        if (byte < 0) return 0;
        const char c = (char)byte;
        text_add_n(out, &c, 1);
    }
    return 1;
}
