/* base64 with padding (RFC 4648, section 4). */
#include "base/base64.h"

static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_add(text *out, const void *bytes, size_t n) {
    const unsigned char *p = bytes;
    for (size_t i = 0; i < n; i += 3) {
        size_t left = n - i;
        unsigned word = (unsigned)p[i] << 16;
        if (left > 1) word |= (unsigned)p[i + 1] << 8;
        if (left > 2) word |= p[i + 2];
        const char four[] = {DIGITS[word >> 18], DIGITS[word >> 12 & 63], left > 1 ? DIGITS[word >> 6 & 63] : '=',
                             left > 2 ? DIGITS[word & 63] : '='};
        text_add_n(out, four, 4);
    }
}

static int digit_value(char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int base64_read(const char *s, size_t n, unsigned char *out, size_t *size) {
    *size = 0;
    if (n % 4) return -1;
    size_t padding = n == 0 || s[n - 1] != '=' ? 0 : s[n - 2] != '=' ? 1 : 2;
    for (size_t i = 0; i < n; i += 4) {
        size_t digits = i + 4 < n ? 4 : 4 - padding;
        unsigned word = 0;
        for (size_t j = 0; j < 4; j++) {
            int value = j < digits ? digit_value(s[i + j]) : 0;
            if (value < 0) return -1;
            word = word << 6 | (unsigned)value;
        }
        if (word & (0xFFFFFFu >> 8 * (digits - 1))) return -1;
        for (size_t j = 0; j + 1 < digits; j++) out[(*size)++] = (unsigned char)(word >> (16 - 8 * j));
    }
    return 0;
}
