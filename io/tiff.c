/* TIFF through libtiff, from memory. The library is loaded when a TIFF is read: it brings seven others along, which
 * would make every start of the program 2 ms longer. Rows are read as the file has them and converted to RGB here,
 * since libtiff's own RGBA differs from Pillow's pixels. Source: Pillow's TiffImagePlugin.py (OPEN_INFO) and
 * src/libImaging/Unpack.c. */
#include "io/tiff.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dlfcn.h>
#include <tiffio.h>

enum { MAX_SAMPLES = 8 };
static const tmsize_t MOST_MEMORY = (tmsize_t)1 << 30; /* that libtiff takes at once */

#define LIBRARY "libtiff.so.6"
#define LIBRARY_FUNCTIONS(X)                                                                                           \
    X(ClientOpenExt)                                                                                                   \
    X(Close)                                                                                                           \
    X(GetField)                                                                                                        \
    X(GetFieldDefaulted)                                                                                               \
    X(IsTiled)                                                                                                         \
    X(OpenOptionsAlloc)                                                                                                \
    X(OpenOptionsFree)                                                                                                 \
    X(OpenOptionsSetErrorHandlerExtR)                                                                                  \
    X(OpenOptionsSetMaxSingleMemAlloc)                                                                                 \
    X(OpenOptionsSetWarningHandlerExtR)                                                                                \
    X(ReadScanline)                                                                                                    \
    X(ReadTile)                                                                                                        \
    X(ScanlineSize)                                                                                                    \
    X(SetField)                                                                                                        \
    X(TileRowSize)                                                                                                     \
    X(TileSize)

/* An open file, and the library's functions without their TIFF. */
typedef struct reader {
    void *library;
    TIFF *tif;
#define MEMBER(name) __typeof__(&TIFF##name) name;
    LIBRARY_FUNCTIONS(MEMBER)
#undef MEMBER
} reader;

typedef struct source {
    const unsigned char *bytes;
    uint64_t size, at;
    char message[200];
} source;

/* ---- the file, in memory ---- */

static tmsize_t tiff_on_read(thandle_t h, void *to, tmsize_t n) {
    source *s = h;
    uint64_t left = s->at < s->size ? s->size - s->at : 0, some = n < 0 ? 0 : (uint64_t)n < left ? (uint64_t)n : left;
    if (some) memcpy(to, s->bytes + s->at, some);
    s->at += some;
    return (tmsize_t)some;
}

static tmsize_t tiff_on_write(thandle_t h, void *from, tmsize_t n) {
    (void)h;
    (void)from;
    (void)n;
    return 0;
}

static toff_t on_seek(thandle_t h, toff_t offset, int whence) {
    source *s = h;
    s->at = whence == SEEK_CUR ? s->at + offset : whence == SEEK_END ? s->size + offset : offset;
    return s->at;
}

static int on_close(thandle_t h) {
    (void)h;
    return 0;
}

static toff_t on_size(thandle_t h) { return ((source *)h)->size; }

/* The first message is the cause. */
static int tiff_on_error(TIFF *tif, void *user, const char *module, const char *format, va_list list) {
    source *s = user;
    (void)tif;
    (void)module;
    if (!*s->message) vsnprintf(s->message, sizeof s->message, format, list);
    return 1;
}

static int tiff_on_warning(TIFF *tif, void *user, const char *module, const char *format, va_list list) {
    (void)tif;
    (void)user;
    (void)module;
    (void)format;
    (void)list;
    return 1;
}

/* `function` points to a pointer to a function, to which ISO C converts no pointer to an object. */
static int tiff_find_function(void *library, const char *name, void *function) {
    union {
        void *symbol;
        unsigned char bytes[sizeof(void *)];
    } found = {.symbol = dlsym(library, name)};
    if (found.symbol) memcpy(function, found.bytes, sizeof found.bytes);
    return found.symbol != NULL;
}

/* The library stays loaded for the next file. */
static ss_status load_library(reader *r, ss_error *err) {
    const char *missing = NULL;
    if (!(r->library = dlopen(LIBRARY, RTLD_LAZY | RTLD_LOCAL | RTLD_NODELETE)))
        return error_set(err, SS_ERR_RESOURCE, NULL,
                         "a TIFF needs " LIBRARY " (Debian: libtiff6), which does not load: %s", dlerror());
#define LOAD(name)                                                                                                     \
    if (!tiff_find_function(r->library, "TIFF" #name, &r->name)) missing = "TIFF" #name;
    LIBRARY_FUNCTIONS(LOAD)
#undef LOAD
    return missing ? error_set(err, SS_ERR_RESOURCE, NULL, LIBRARY " has no %s; expected libtiff 4.5 or newer", missing)
                   : SS_OK;
}

static void reader_close(reader *r) {
    if (r->tif) r->Close(r->tif);
    if (r->library) dlclose(r->library);
}

static void tiff_open_source(reader *r, source *s, const char *name) {
    TIFFOpenOptions *options = r->OpenOptionsAlloc();
    if (!options) {
        snprintf(s->message, sizeof s->message, "no memory");
        return;
    }
    r->OpenOptionsSetErrorHandlerExtR(options, tiff_on_error, s);
    r->OpenOptionsSetWarningHandlerExtR(options, tiff_on_warning, s);
    r->OpenOptionsSetMaxSingleMemAlloc(options, MOST_MEMORY);
    r->tif =
        r->ClientOpenExt(name, "rm", s, tiff_on_read, tiff_on_write, on_seek, on_close, on_size, NULL, NULL, options);
    r->OpenOptionsFree(options);
}

/* ---- what kind it is ---- */

typedef struct kind {
    uint32_t width, height;
    uint16_t bits, samples, photometric, planar, orientation, format, compression;
    uint16_t extra; /* samples beside the colours */
    int multiplied; /* colours by alpha */
    int colors;     /* samples that are colours: 1, 3 or 4 */
    unsigned char palette[256][3];
} kind;

static ss_status unsupported(const kind *k, const char *name, ss_error *err) {
    return error_set(err, SS_ERR_INPUT, name,
                     "is a TIFF of %u samples of %u bits (photometric %u, sample format %u, planes %s), which is not "
                     "supported; convert it to PNG",
                     k->samples, k->bits, k->photometric, k->format,
                     k->planar == PLANARCONFIG_SEPARATE ? "apart" : "together");
}

static int is_supported(const kind *k) {
    if (k->format != SAMPLEFORMAT_UINT || k->samples > MAX_SAMPLES || k->samples < k->colors + k->multiplied) return 0;
    if (k->multiplied && (k->colors != 3 || k->bits != 8 || k->planar == PLANARCONFIG_SEPARATE)) return 0;
    switch (k->photometric) {
    case PHOTOMETRIC_MINISWHITE: return k->samples == 1 && k->bits <= 8;
    case PHOTOMETRIC_MINISBLACK:
        return (k->samples == 1 && (k->bits <= 8 || k->bits == 16)) || (k->samples == 2 && k->bits == 8);
    case PHOTOMETRIC_PALETTE: return k->samples == 1 && k->bits <= 8;
    case PHOTOMETRIC_RGB: return k->bits == 8 || k->bits == 16;
    case PHOTOMETRIC_SEPARATED: return k->bits == 8;
    default: return 0;
    }
}

static ss_status tiff_read_palette(const reader *r, kind *k, const char *name, ss_error *err) {
    uint16_t *part[3];
    if (!r->GetField(r->tif, TIFFTAG_COLORMAP, &part[0], &part[1], &part[2]))
        return error_set(err, SS_ERR_INPUT, name, "is not a readable TIFF: it has no palette");
    for (int i = 0; i < 1 << k->bits; i++)
        for (int j = 0; j < 3; j++) k->palette[i][j] = (unsigned char)(part[j][i] >> 8);
    return SS_OK;
}

static ss_status tiff_read_kind(const reader *r, kind *k, const char *name, ss_error *err) {
    uint16_t *extra = NULL;
    *k = (kind){0};
    if (!r->GetField(r->tif, TIFFTAG_IMAGEWIDTH, &k->width) || !r->GetField(r->tif, TIFFTAG_IMAGELENGTH, &k->height) ||
        !r->GetField(r->tif, TIFFTAG_PHOTOMETRIC, &k->photometric))
        return error_set(err, SS_ERR_INPUT, name, "is not a readable TIFF: its size or kind is missing");
    r->GetFieldDefaulted(r->tif, TIFFTAG_BITSPERSAMPLE, &k->bits);
    r->GetFieldDefaulted(r->tif, TIFFTAG_SAMPLESPERPIXEL, &k->samples);
    r->GetFieldDefaulted(r->tif, TIFFTAG_PLANARCONFIG, &k->planar);
    r->GetFieldDefaulted(r->tif, TIFFTAG_ORIENTATION, &k->orientation);
    r->GetFieldDefaulted(r->tif, TIFFTAG_SAMPLEFORMAT, &k->format);
    r->GetFieldDefaulted(r->tif, TIFFTAG_COMPRESSION, &k->compression);
    r->GetFieldDefaulted(r->tif, TIFFTAG_EXTRASAMPLES, &k->extra, &extra);
    k->multiplied = k->extra > 0 && extra && extra[0] == EXTRASAMPLE_ASSOCALPHA;
    if (k->photometric == PHOTOMETRIC_YCBCR && k->compression == COMPRESSION_JPEG && k->planar == PLANARCONFIG_CONTIG &&
        r->SetField(r->tif, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB))
        k->photometric = PHOTOMETRIC_RGB; /* libjpeg converts it */
    k->colors = k->photometric == PHOTOMETRIC_RGB ? 3 : k->photometric == PHOTOMETRIC_SEPARATED ? 4 : 1;
    if (k->bits != 1 && k->bits != 2 && k->bits != 4 && k->bits != 8 && k->bits != 16) return unsupported(k, name, err);
    if (!is_supported(k)) return unsupported(k, name, err);
    return k->photometric == PHOTOMETRIC_PALETTE ? tiff_read_palette(r, k, name, err) : SS_OK;
}

/* ---- pixels ---- */

/* The x-th sample of a row of so many bits a sample; 16 bits are in the machine's order. */
static unsigned sample(const unsigned char *row, size_t x, int bits) {
    if (bits == 8) return row[x];
    if (bits == 16) return (unsigned)row[2 * x] | (unsigned)row[2 * x + 1] << 8;
    size_t per_byte = 8 / (size_t)bits;
    return (unsigned)row[x / per_byte] >> (8 - bits * (int)(x % per_byte + 1)) & ((1u << bits) - 1);
}

static void put_grey(const kind *k, unsigned v, unsigned char *out) {
    if (k->bits == 16) v = v > 255 ? 255 : v;
    else v *= 255 / ((1u << k->bits) - 1);
    memset(out, (int)(k->photometric == PHOTOMETRIC_MINISWHITE ? 255 - v : v), 3);
}

/* Pillow's cmyk2rgb. */
static void put_cmyk(const unsigned *v, unsigned char *out) {
    for (int i = 0; i < 3; i++) {
        int light = 255 - (int)v[3], product = (int)v[i] * light + 128,
            left = light - ((product + (product >> 8)) >> 8);
        out[i] = (unsigned char)(left < 0 ? 0 : left);
    }
}

static void put_rgb(const kind *k, const unsigned *v, unsigned char *out) {
    for (int i = 0; i < 3; i++) {
        unsigned c = k->bits == 16 ? v[i] >> 8 : v[i];
        if (k->multiplied && v[3] != 255) c = v[3] ? c * 255 / v[3] : 0;
        out[i] = (unsigned char)(c > 255 ? 255 : c);
    }
}

/* A pixel's samples: together in one row, or one row each. */
static void put_pixel(const kind *k, const unsigned char *const *row, size_t x, unsigned char *out) {
    unsigned v[MAX_SAMPLES];
    int apart = k->planar == PLANARCONFIG_SEPARATE;
    for (int i = 0; i < k->samples; i++)
        v[i] = apart ? sample(row[i], x, k->bits) : sample(row[0], x * k->samples + (size_t)i, k->bits);
    if (k->photometric == PHOTOMETRIC_PALETTE) memcpy(out, k->palette[v[0]], 3);
    else if (k->colors == 1) put_grey(k, v[0], out);
    else if (k->colors == 4) put_cmyk(v, out);
    else put_rgb(k, v, out);
}

/* Rows or tiles of all planes, [planes, bytes of one]. */
typedef struct piece {
    unsigned char *memory;
    const unsigned char *row[MAX_SAMPLES];
    size_t room;
    int planes;
} piece;

static ss_status piece_make(piece *p, const kind *k, tmsize_t size, ss_error *err) {
    p->planes = k->planar == PLANARCONFIG_SEPARATE ? k->samples : 1;
    p->room = size > 0 ? (size_t)size : 0;
    p->memory = p->room ? calloc((size_t)p->planes, p->room) : NULL;
    return p->memory ? SS_OK : error_no_memory(err, "picture", p->room * (size_t)p->planes);
}

static int read_strips(const reader *r, const kind *k, piece *p, rgb_image *out) {
    /* planes apart come one after the other: a plane's rows are read in their order, whole */
    for (int plane = 0; plane < p->planes; plane++)
        for (uint32_t y = 0; y < k->height; y++) {
            unsigned char *to = p->memory + (p->planes > 1 ? ((size_t)plane * k->height + y) * p->room : 0);
            if (r->ReadScanline(r->tif, to, y, (uint16_t)plane) < 0) return 0;
            p->row[0] = to;
            for (uint32_t x = 0; p->planes == 1 && x < k->width; x++)
                put_pixel(k, p->row, x, out->rgb + 3 * ((size_t)y * k->width + x));
        }
    for (uint32_t y = 0; p->planes > 1 && y < k->height; y++) {
        for (int plane = 0; plane < p->planes; plane++)
            p->row[plane] = p->memory + ((size_t)plane * k->height + y) * p->room;
        for (uint32_t x = 0; x < k->width; x++) put_pixel(k, p->row, x, out->rgb + 3 * ((size_t)y * k->width + x));
    }
    return 1;
}

static int read_tiles(const reader *r, const kind *k, piece *p, rgb_image *out) {
    uint32_t width = 0, height = 0;
    r->GetField(r->tif, TIFFTAG_TILEWIDTH, &width);
    r->GetField(r->tif, TIFFTAG_TILELENGTH, &height);
    size_t row_bytes = (size_t)r->TileRowSize(r->tif);
    if (!width || !height || row_bytes * height > p->room) return 0;
    for (uint32_t top = 0; top < k->height; top += height)
        for (uint32_t left = 0; left < k->width; left += width) {
            for (int plane = 0; plane < p->planes; plane++)
                if (r->ReadTile(r->tif, p->memory + (size_t)plane * p->room, left, top, 0, (uint16_t)plane) < 0)
                    return 0;
            for (uint32_t y = top; y < k->height && y - top < height; y++) {
                for (int plane = 0; plane < p->planes; plane++)
                    p->row[plane] = p->memory + (size_t)plane * p->room + (y - top) * row_bytes;
                for (uint32_t x = left; x < k->width && x - left < width; x++)
                    put_pixel(k, p->row, x - left, out->rgb + 3 * ((size_t)y * k->width + x));
            }
        }
    return 1;
}

/* ---- orientation ---- */

/* Pillow's exif_transpose: the source of the pixel at (x, y) of the rotated image. */
static size_t turned_from(int orientation, size_t x, size_t y, size_t w, size_t h) {
    switch (orientation) {
    case 2: return y * w + (w - 1 - x);
    case 3: return (h - 1 - y) * w + (w - 1 - x);
    case 4: return (h - 1 - y) * w + x;
    case 5: return x * w + y;
    case 6: return (h - 1 - x) * w + y;
    case 7: return (h - 1 - x) * w + (w - 1 - y);
    case 8: return x * w + (w - 1 - y);
    default: return y * w + x;
    }
}

static ss_status tiff_turn(int orientation, rgb_image *image, const char *name, ss_error *err) {
    rgb_image out = {0};
    size_t w = (size_t)image->width, h = (size_t)image->height;
    if (orientation < 2 || orientation > 8) return SS_OK;
    int swapped = orientation >= 5;
    SS_TRY(rgb_image_make(&out, swapped ? image->height : image->width, swapped ? image->width : image->height, name,
                          err));
    for (size_t y = 0, i = 0; y < (size_t)out.height; y++)
        for (size_t x = 0; x < (size_t)out.width; x++, i++)
            memcpy(out.rgb + 3 * i, image->rgb + 3 * turned_from(orientation, x, y, w, h), 3);
    rgb_image_free(image);
    *image = out;
    return SS_OK;
}

/* ---- all of it ---- */

/* libtiff reports exhausted memory only in its message; a file that needs more than MOST_MEMORY is an input error. */
static int is_memory(const char *message) {
    static const char *const words[] = {"emory", "No space", "allocat"};
    if (strstr(message, "beyond the")) return 0;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strstr(message, words[i])) return 1;
    return 0;
}

static ss_status unreadable(const source *s, const char *name, ss_error *err) {
    if (is_memory(s->message)) return error_no_memory(err, "picture", s->size);
    return error_set(err, SS_ERR_INPUT, name, "is not a readable TIFF: %s",
                     *s->message ? s->message : "the file is truncated or damaged");
}

static ss_status tiff_decode_pixels(const reader *r, const source *s, const char *name, rgb_image *out, ss_error *err) {
    /* a byte of LZW or Deflate is of a thousand at most, one of a fax's of far more: but those are of one bit */
    enum { PIXELS_PER_BYTE = 1 << 14, LARGE = 1 << 22 };
    kind k;
    piece p = {0};
    SS_TRY(tiff_read_kind(r, &k, name, err));
    SS_TRY(rgb_image_check_sides(k.width, k.height, name, err));
    if ((uint64_t)k.width * k.height > LARGE && (uint64_t)k.width * k.height / PIXELS_PER_BYTE > s->size)
        return error_set(err, SS_ERR_INPUT, name, "is not a readable TIFF: %u x %u pixels cannot come from %llu bytes",
                         k.width, k.height, (unsigned long long)s->size);
    int tiled = r->IsTiled(r->tif);
    tmsize_t size = tiled ? r->TileSize(r->tif) : r->ScanlineSize(r->tif);
    if (size <= 0 || size > MOST_MEMORY) return unreadable(s, name, err);
    SS_TRY(rgb_image_make(out, k.width, k.height, name, err));
    ss_status status =
        piece_make(&p, &k, !tiled && k.planar == PLANARCONFIG_SEPARATE ? size * (tmsize_t)k.height : size, err);
    if (status == SS_OK && !tiled && p.planes > 1) p.room = (size_t)size;
    if (status == SS_OK && !(tiled ? read_tiles : read_strips)(r, &k, &p, out)) status = unreadable(s, name, err);
    if (status == SS_OK) status = tiff_turn(k.orientation, out, name, err);
    free(p.memory);
    return status;
}

int tiff_is_signature(const void *bytes, size_t size) {
    return size >= 4 && (memcmp(bytes, "II*\0", 4) == 0 || memcmp(bytes, "MM\0*", 4) == 0 ||
                         memcmp(bytes, "II+\0", 4) == 0 || memcmp(bytes, "MM\0+", 4) == 0);
}

ss_status tiff_decode(const void *bytes, size_t size, const char *name, rgb_image *out, ss_error *err) {
    source s = {.bytes = bytes, .size = size};
    *out = (rgb_image){0};
    if (!tiff_is_signature(bytes, size))
        return error_set(err, SS_ERR_INPUT, name, "is not a TIFF file (wrong signature)");
    reader r = {0};
    ss_status status = load_library(&r, err);
    if (status == SS_OK) tiff_open_source(&r, &s, name);
    if (status == SS_OK) status = r.tif ? tiff_decode_pixels(&r, &s, name, out, err) : unreadable(&s, name, err);
    reader_close(&r);
    if (status != SS_OK) rgb_image_free(out);
    return status;
}
