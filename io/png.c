/* PNG through libpng's row interface. libpng reports by longjmp: every function that sets a jump keeps what it must
 * free in a struct of its caller, so no local is clobbered. Must never allocate from an unchecked header. */
#include "io/png.h"

#include <png.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* Level and filter are part of the format of our files: changing either changes every byte of every image. */
enum { ZLIB_LEVEL = 6 };

typedef struct buffer {
    unsigned char *data;
    size_t size, capacity;
} buffer;

typedef struct codec {
    png_structp png;
    png_infop info;
    buffer out;              /* encoding */
    const unsigned char *in; /* decoding: what is left */
    size_t left;
    size_t raw_bytes; /* decoding: of the rows as stored */
    char message[256];
    int no_memory;
} codec;

static void on_error(png_structp png, png_const_charp message) {
    codec *c = png_get_error_ptr(png);
    snprintf(c->message, sizeof c->message, "%s", message);
    png_longjmp(png, 1);
}

/* Warnings are about what we ignore anyway (profiles, unknown chunks). */
static void on_warning(png_structp png, png_const_charp message) { (void)png, (void)message; }

static void on_write(png_structp png, png_bytep data, size_t size) {
    codec *c = png_get_io_ptr(png);
    buffer *b = &c->out;
    if (size > b->capacity - b->size) {
        size_t capacity = 2 * b->capacity + size + 4096;
        unsigned char *p = realloc(b->data, capacity);
        if (!p) {
            c->no_memory = 1;
            png_error(png, "out of memory");
        }
        b->data = p;
        b->capacity = capacity;
    }
    memcpy(b->data + b->size, data, size);
    b->size += size;
}

static void on_flush(png_structp png) { (void)png; }

static void on_read(png_structp png, png_bytep data, size_t size) {
    codec *c = png_get_io_ptr(png);
    if (size > c->left) png_error(png, "the file is truncated");
    memcpy(data, c->in, size);
    c->in += size;
    c->left -= size;
}

static int is_ascii(const char *s) {
    for (; *s; s++)
        if ((unsigned char)*s >= 0x80) return 0;
    return 1;
}

static ss_status check_notes(const png_note *notes, int n, const char *name, ss_error *err) {
    for (int i = 0; i < n; i++) {
        size_t length = strlen(notes[i].key);
        if (length < 1 || length > 79 || !is_ascii(notes[i].key))
            return error_set(err, SS_ERR_INTERNAL, name, "text chunk key '%s' is not 1..79 ASCII characters",
                             notes[i].key);
    }
    return SS_OK;
}

static void set_notes(codec *c, const png_note *notes, int n) {
    for (int i = 0; i < n; i++) {
        int plain = is_ascii(notes[i].value);
        png_text t = {.compression = plain ? PNG_TEXT_COMPRESSION_NONE : PNG_ITXT_COMPRESSION_NONE,
                      .key = (char *)(uintptr_t)notes[i].key,
                      .text = (char *)(uintptr_t)notes[i].value,
                      .text_length = plain ? strlen(notes[i].value) : 0,
                      .itxt_length = plain ? 0 : strlen(notes[i].value)};
        png_set_text(c->png, c->info, &t, 1);
    }
}

/* 1 on success; all state is in *c. */
static int encode(codec *c, const rgb_image *image, const png_note *notes, int n) {
    if (setjmp(png_jmpbuf(c->png))) return 0;
    png_set_write_fn(c->png, c, on_write, on_flush);
    png_set_compression_level(c->png, ZLIB_LEVEL);
    png_set_compression_strategy(c->png, Z_FILTERED);
    png_set_filter(c->png, PNG_FILTER_TYPE_BASE, PNG_FILTER_PAETH);
    png_set_IHDR(c->png, c->info, (png_uint_32)image->width, (png_uint_32)image->height, 8, PNG_COLOR_TYPE_RGB,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    set_notes(c, notes, n);
    png_write_info(c->png, c->info);
    for (int y = 0; y < image->height; y++) png_write_row(c->png, image->rgb + (size_t)y * (size_t)image->width * 3);
    png_write_end(c->png, NULL);
    return 1;
}

ss_status png_encode(const rgb_image *image, const png_note *notes, int n, unsigned char **out, size_t *size,
                     ss_error *err) {
    codec c = {0};
    *out = NULL;
    if (image->width < 1 || image->height < 1 || image->width > PNG_MAX_SIDE || image->height > PNG_MAX_SIDE)
        return error_set(err, SS_ERR_INTERNAL, NULL, "an image of %d x %d pixels; sides must be 1 .. %d", image->width,
                         image->height, PNG_MAX_SIDE);
    SS_TRY(check_notes(notes, n, NULL, err));
    c.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &c, on_error, on_warning);
    c.info = c.png ? png_create_info_struct(c.png) : NULL;
    int good = c.info && encode(&c, image, notes, n);
    int no_memory = !c.info || c.no_memory;
    png_destroy_write_struct(&c.png, &c.info);
    if (good) {
        *out = c.out.data;
        *size = c.out.size;
        return SS_OK;
    }
    free(c.out.data);
    if (no_memory) return error_no_memory(err, "a PNG file", c.out.capacity);
    return error_set(err, SS_ERR_INTERNAL, NULL, "libpng: %s", c.message);
}

ss_status png_write(const char *path, const rgb_image *image, const png_note *notes, int n, ss_error *err) {
    unsigned char *data;
    size_t size;
    SS_TRY(png_encode(image, notes, n, &data, &size, err));
    ss_status status = file_write(path, data, size, err);
    free(data);
    return status;
}

/* Header, checks and the transformations to 8-bit RGB. 1 on success. */
static int decode_header(codec *c, rgb_image *out) {
    if (setjmp(png_jmpbuf(c->png))) return 0;
    png_set_read_fn(c->png, c, on_read);
    png_set_user_limits(c->png, PNG_MAX_SIDE, PNG_MAX_SIDE);
    png_set_chunk_malloc_max(c->png, 8 << 20);
    png_set_crc_action(c->png, PNG_CRC_ERROR_QUIT, PNG_CRC_WARN_DISCARD);
    png_read_info(c->png, c->info);
    out->width = (int)png_get_image_width(c->png, c->info);
    out->height = (int)png_get_image_height(c->png, c->info);
    c->raw_bytes = png_get_rowbytes(c->png, c->info) * (size_t)out->height;
    png_set_strip_16(c->png);
    png_set_packing(c->png);
    png_set_expand(c->png);
    png_set_gray_to_rgb(c->png);
    png_set_strip_alpha(c->png);
    png_set_interlace_handling(c->png);
    png_read_update_info(c->png, c->info);
    if (png_get_rowbytes(c->png, c->info) != (size_t)out->width * 3) png_error(c->png, "rows are not 8-bit RGB");
    return 1;
}

static int decode_rows(codec *c, const rgb_image *out, unsigned char **rows) {
    if (setjmp(png_jmpbuf(c->png))) return 0;
    for (int y = 0; y < out->height; y++) rows[y] = out->rgb + (size_t)y * (size_t)out->width * 3;
    png_read_image(c->png, rows);
    png_read_end(c->png, NULL);
    return 1;
}

static ss_status decode(codec *c, const char *name, rgb_image *out, ss_error *err) {
    if (!decode_header(c, out)) return error_set(err, SS_ERR_INPUT, name, "is not a readable PNG: %s", c->message);
    size_t bytes = (size_t)out->width * (size_t)out->height * 3;
    /* deflate shrinks at most 1032-fold: a header that promises more than the file can hold is refused before the
     * memory is taken */
    if (c->raw_bytes / 1032 > c->left)
        return error_set(err, SS_ERR_INPUT, name, "is not a readable PNG: %d x %d pixels cannot come from %zu bytes",
                         out->width, out->height, c->left);
    unsigned char **rows = malloc((size_t)out->height * sizeof *rows);
    out->rgb = malloc(bytes);
    ss_status status = SS_OK;
    if (!rows || !out->rgb) status = error_no_memory(err, name, bytes);
    else if (!decode_rows(c, out, rows))
        status = error_set(err, SS_ERR_INPUT, name, "is not a readable PNG: %s", c->message);
    free(rows);
    return status;
}

ss_status png_decode(const void *bytes, size_t size, const char *name, rgb_image *out, ss_error *err) {
    codec c = {.in = bytes, .left = size};
    *out = (rgb_image){0};
    if (size < 8 || png_sig_cmp(bytes, 0, 8) != 0)
        return error_set(err, SS_ERR_INPUT, name, "is not a PNG file (wrong signature)");
    c.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &c, on_error, on_warning);
    c.info = c.png ? png_create_info_struct(c.png) : NULL;
    ss_status status = c.info ? decode(&c, name, out, err) : error_no_memory(err, name, size);
    png_destroy_read_struct(&c.png, &c.info, NULL);
    if (status != SS_OK) rgb_image_free(out);
    return status;
}

ss_status png_read(const char *path, rgb_image *out, ss_error *err) {
    file_map m;
    *out = (rgb_image){0};
    SS_TRY(file_map_open(&m, path, err));
    ss_status status = png_decode(m.data, m.size, path, out, err);
    file_map_close(&m);
    return status;
}

void rgb_image_free(rgb_image *image) {
    free(image->rgb);
    *image = (rgb_image){0};
}

ss_status rgb_image_hash(const rgb_image *image, file_sha256 out, ss_error *err) {
    size_t n = (size_t)image->width * (size_t)image->height * 3;
    unsigned char *all = malloc(n + 8);
    if (!all) return error_no_memory(err, "the hash of an image", n + 8);
    const uint32_t sides[2] = {(uint32_t)image->width, (uint32_t)image->height};
    memcpy(all, sides, 8);
    memcpy(all + 8, image->rgb, n);
    file_hash_bytes(all, n + 8, out);
    free(all);
    return SS_OK;
}
