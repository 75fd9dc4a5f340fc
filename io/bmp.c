/* BMP by hand: the format is a header, a palette and rows. Everything is read through `at`, which checks the end of the
 * file. Source of what is accepted: Pillow's BmpImagePlugin.py, whose order of bytes and rounding are followed. */
#include "io/bmp.h"

#include <stdlib.h>
#include <string.h>

enum { FILE_HEADER = 14, RAW = 0, RLE8 = 1, RLE4 = 2, BITFIELDS = 3 };

typedef struct bmp {
    const unsigned char *bytes;
    size_t size, pixels; /* where the pixels begin */
    const char *name;
    int64_t width, height;
    int down; /* rows from the top */
    int bits, compression;
    unsigned char palette[256][3];
    int at[3];  /* of 32 bits: which byte red, green and blue are */
    int is_565; /* of 16 bits */
} bmp;

static uint32_t u16(const unsigned char *p) { return (uint32_t)p[0] | (uint32_t)p[1] << 8; }
static uint32_t u32(const unsigned char *p) { return u16(p) | u16(p + 2) << 16; }

static ss_status bmp_fail(const bmp *b, const char *what, ss_error *err) {
    return error_set(err, SS_ERR_INPUT, b->name, "is not a readable BMP: %s", what);
}

static ss_status bmp_truncated(const bmp *b, ss_error *err) { return bmp_fail(b, "the file is truncated", err); }

/* ---- header ---- */

/* The masks of red, green and blue, as Pillow takes them. */
static ss_status read_masks(bmp *b, const unsigned char *p, ss_error *err) {
    static const struct {
        uint32_t mask[3];
        int at[3];
    } known[] = {{{0xff0000, 0xff00, 0xff}, {2, 1, 0}},
                 {{0xff000000, 0xff0000, 0xff00}, {3, 2, 1}},
                 {{0xff000000, 0xff00, 0xff}, {3, 1, 0}},
                 {{0xff, 0xff00, 0xff0000}, {0, 1, 2}},
                 {{0, 0, 0}, {2, 1, 0}}};
    const uint32_t mask[3] = {u32(p), u32(p + 4), u32(p + 8)};
    if (b->bits == 16 && mask[0] == 0xf800 && mask[1] == 0x7e0 && mask[2] == 0x1f) return b->is_565 = 1, SS_OK;
    if (b->bits == 16 && mask[0] == 0x7c00 && mask[1] == 0x3e0 && mask[2] == 0x1f) return SS_OK;
    if (b->bits == 24 && memcmp(mask, known[0].mask, sizeof mask) == 0) return SS_OK;
    for (size_t i = 0; b->bits == 32 && i < sizeof known / sizeof known[0]; i++)
        if (memcmp(mask, known[i].mask, sizeof mask) == 0) {
            memcpy(b->at, known[i].at, sizeof b->at);
            return SS_OK;
        }
    return bmp_fail(b, "its masks are not those of 8, 5 or 6 bits a colour", err);
}

static ss_status bmp_read_palette(bmp *b, size_t at, size_t colors, size_t entry, ss_error *err) {
    if (colors == 0 || colors > 65536) return bmp_fail(b, "its palette has no or too many colours", err);
    if (at > b->size || b->size - at < colors * entry) return bmp_truncated(b, err);
    for (size_t i = 0; i < colors && i < 256; i++)
        for (int j = 0; j < 3; j++) b->palette[i][j] = b->bytes[at + i * entry + 2 - (size_t)j];
    /* a palette of greys in order is none to Pillow: an index beyond it is a grey, too */
    size_t greys = 0;
    while (greys < colors && greys < 256 && b->palette[greys][0] == greys && b->palette[greys][1] == greys &&
           b->palette[greys][2] == greys)
        greys++;
    for (size_t i = colors; colors > 2 && b->bits == 8 && greys == colors && i < 256; i++)
        memset(b->palette[i], (int)i, 3);
    return SS_OK;
}

static ss_status bmp_read_header(bmp *b, ss_error *err) {
    const unsigned char *p = b->bytes + FILE_HEADER;
    if (b->size < FILE_HEADER + 12) return bmp_truncated(b, err);
    size_t header = u32(p), entry = 4, colors = 0, after = FILE_HEADER + header;
    int old = header == 12;
    if (!old && header != 40 && header != 52 && header != 56 && header != 64 && header != 108 && header != 124)
        return bmp_fail(b, "its header is of an unknown kind", err);
    if (b->size < after) return bmp_truncated(b, err);
    if (old) {
        b->width = u16(p + 4);
        b->height = u16(p + 6);
        b->bits = (int)u16(p + 10);
        entry = 3;
    } else {
        b->width = u32(p + 4);
        b->down = p[11] == 0xff;
        b->height = b->down ? (int64_t)1 << 32 : 0;
        b->height = b->down ? b->height - u32(p + 8) : u32(p + 8);
        b->bits = (int)u16(p + 14);
        b->compression = (int)(u32(p + 16) & 0xff) | (u32(p + 16) > 0xff ? 0x100 : 0);
        colors = u32(p + 32);
    }
    if (b->bits != 1 && b->bits != 4 && b->bits != 8 && b->bits != 16 && b->bits != 24 && b->bits != 32)
        return bmp_fail(b, "expected 1, 4, 8, 16, 24 or 32 bits a pixel", err);
    if (b->compression == BITFIELDS) {
        size_t masks = header >= 52 ? FILE_HEADER + 40 : after;
        if (b->size < masks + 12) return bmp_truncated(b, err);
        SS_TRY(read_masks(b, b->bytes + masks, err));
        if (masks == after) after += 12;
    } else if (b->compression == RLE8 || b->compression == RLE4) {
        if (b->bits != (b->compression == RLE8 ? 8 : 4))
            return bmp_fail(b, "its runs do not fit its bits a pixel", err);
    } else if (b->compression != RAW) {
        return bmp_fail(b, "its compression is not supported (JPEG or PNG inside?); convert it to PNG", err);
    }
    b->pixels = u32(b->bytes + 10);
    if (b->bits <= 8) {
        if (!colors) colors = (size_t)1 << b->bits;
        SS_TRY(bmp_read_palette(b, after, colors, entry, err));
        if (b->pixels == 0 || b->pixels == FILE_HEADER + header) b->pixels = after + colors * entry;
    }
    if (b->pixels == 0) b->pixels = after;
    return SS_OK;
}

/* ---- rows ---- */

static void put_index(const bmp *b, unsigned char *out, unsigned index) { memcpy(out, b->palette[index & 255], 3); }

static void bmp_read_row(const bmp *b, const unsigned char *row, unsigned char *out) {
    for (int64_t x = 0; x < b->width; x++, out += 3) {
        if (b->bits <= 8) {
            int per_byte = 8 / b->bits, shift = 8 - b->bits * (int)(x % per_byte + 1);
            put_index(b, out, (unsigned)row[x / per_byte] >> shift & ((1u << b->bits) - 1));
        } else if (b->bits == 16) {
            uint32_t v = u16(row + 2 * x), green = b->is_565 ? (v >> 5 & 63) * 255 / 63 : (v >> 5 & 31) * 255 / 31;
            out[0] = (unsigned char)((v >> (b->is_565 ? 11 : 10) & 31) * 255 / 31);
            out[1] = (unsigned char)green;
            out[2] = (unsigned char)((v & 31) * 255 / 31);
        } else {
            const unsigned char *pixel = row + x * (b->bits / 8);
            for (int i = 0; i < 3; i++) out[i] = pixel[b->at[i]];
        }
    }
}

static ss_status bmp_read_rows(const bmp *b, rgb_image *image, ss_error *err) {
    uint64_t stride = ((uint64_t)b->width * (uint64_t)b->bits + 31) / 32 * 4;
    if (b->pixels > b->size || b->size - b->pixels < stride * (uint64_t)b->height) return bmp_truncated(b, err);
    for (int64_t y = 0; y < b->height; y++) {
        int64_t to = b->down ? y : b->height - 1 - y;
        bmp_read_row(b, b->bytes + b->pixels + (uint64_t)y * stride, image->rgb + 3 * to * b->width);
    }
    return SS_OK;
}

/* ---- runs ---- */

/* What is left of the file, and of the indices to be made. */
typedef struct runs {
    const unsigned char *p, *end;
    unsigned char *out;
    size_t made, all, width;
    size_t x; /* of the current run, which is cut at the end of the row */
    int half; /* RLE4 */
} runs;

static void bmp_put(runs *r, unsigned value) {
    if (r->made < r->all) r->out[r->made++] = (unsigned char)value;
}

static void put_run(runs *r, size_t n, unsigned byte) {
    if (r->x + n > r->width) n = r->x < r->width ? r->width - r->x : 0;
    for (size_t i = 0; i < n; i++) bmp_put(r, r->half ? (i % 2 ? byte & 15 : byte >> 4) : byte);
    r->x += n;
}

/* Indices as they are; 0 where they end, which is the end of everything. */
static int put_plain(runs *r, size_t n, const unsigned char *start) {
    size_t some = n < r->all - r->made ? n : r->all - r->made, bytes = r->half ? (some + 1) / 2 : some;
    int enough = (size_t)(r->end - r->p) >= bytes;
    if (!enough) bytes = (size_t)(r->end - r->p);
    for (size_t i = 0; i < bytes; i++) {
        bmp_put(r, r->half ? r->p[i] >> 4 : r->p[i]);
        if (r->half && 2 * i + 1 < some) bmp_put(r, r->p[i] & 15);
    }
    r->p += bytes;
    if (!enough || r->made == r->all) return 0;
    r->x += n;
    if ((r->p - start) % 2) r->p++; /* pieces begin at even bytes of the file */
    return r->p <= r->end;
}

static void bmp_expand(runs *r, const unsigned char *start) {
    while (r->made < r->all && r->end - r->p >= 2) {
        unsigned count = r->p[0], byte = r->p[1];
        r->p += 2;
        if (count) {
            put_run(r, count, byte);
        } else if (byte == 0) {
            while (r->made % r->width) bmp_put(r, 0);
            r->x = 0;
        } else if (byte == 1) {
            return;
        } else if (byte == 2) {
            if (r->end - r->p < 2) return;
            for (size_t skip = r->p[0] + r->p[1] * r->width; skip > 0 && r->made < r->all; skip--) bmp_put(r, 0);
            r->p += 2;
            r->x = r->made % r->width;
        } else if (!put_plain(r, byte, start)) {
            return;
        }
    }
}

static ss_status read_runs(const bmp *b, rgb_image *image, ss_error *err) {
    size_t all = (size_t)b->width * (size_t)b->height;
    if (b->pixels > b->size) return bmp_truncated(b, err);
    unsigned char *index = malloc(all);
    if (!index) return error_no_memory(err, "picture", all);
    runs r = {.p = b->bytes + b->pixels,
              .end = b->bytes + b->size,
              .out = index,
              .all = all,
              .width = (size_t)b->width,
              .half = b->compression == RLE4};
    bmp_expand(&r, b->bytes);
    for (size_t i = 0; i < r.made; i++) {
        size_t y = i / r.width, to = b->down ? y : (size_t)b->height - 1 - y;
        put_index(b, image->rgb + 3 * (to * r.width + i % r.width), index[i]);
    }
    free(index);
    return r.made == all ? SS_OK : bmp_truncated(b, err);
}

int bmp_is_signature(const void *bytes, size_t size) { return size >= 2 && memcmp(bytes, "BM", 2) == 0; }

ss_status bmp_decode(const void *bytes, size_t size, const char *name, rgb_image *out, ss_error *err) {
    bmp b = {.bytes = bytes, .size = size, .name = name, .at = {2, 1, 0}};
    *out = (rgb_image){0};
    if (!bmp_is_signature(bytes, size))
        return error_set(err, SS_ERR_INPUT, name, "is not a BMP file (wrong signature)");
    SS_TRY(bmp_read_header(&b, err));
    SS_TRY(rgb_image_check_sides(b.width, b.height, name, err));
    /* before memory is taken: a run is two bytes for at most 255 pixels, or a skip of at most 255 rows */
    int packed = b.compression == RLE8 || b.compression == RLE4;
    if (!packed && ((uint64_t)b.width * (uint64_t)b.bits + 31) / 32 * 4 * (uint64_t)b.height > size)
        return bmp_truncated(&b, err);
    SS_TRY(rgb_image_make(out, b.width, b.height, name, err));
    ss_status status = packed ? read_runs(&b, out, err) : bmp_read_rows(&b, out, err);
    if (status != SS_OK) rgb_image_free(out);
    return status;
}
