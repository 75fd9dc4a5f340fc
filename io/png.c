/* PNG through libpng's row interface. libpng reports by longjmp: every function that sets a jump keeps what it must
 * free in a struct of its caller, so no local is clobbered. The header is checked before memory is allocated. */
#include "io/png.h"

#include <png.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/array.h"
#include "base/file.h"

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
    int grey16;       /* decoding: rows come as 16-bit grey */
    char message[256];
    int no_memory; /* libpng itself takes some of it for a warning and goes on with less */
} codec;

static void png_on_error(png_structp png, png_const_charp message) {
    codec *c = png_get_error_ptr(png);
    snprintf(c->message, sizeof c->message, "%s", message);
    png_longjmp(png, 1);
}

static png_voidp on_malloc(png_structp png, png_alloc_size_t size) {
    codec *c = png_get_mem_ptr(png);
    void *p = malloc(size);
    if (!p) c->no_memory = 1;
    return p;
}

static void on_free(png_structp png, png_voidp p) {
    (void)png;
    free(p);
}

/* Warnings are about what we ignore anyway (profiles, unknown chunks). */
static void png_on_warning(png_structp png, png_const_charp message) { (void)png, (void)message; }

static void png_on_write(png_structp png, png_bytep data, size_t size) {
    codec *c = png_get_io_ptr(png);
    buffer *b = &c->out;
    ss_error ignored; /* of libpng's caller, by no_memory */
    if (ARRAY_ROOM(b->data, b->capacity, b->size + size, "a PNG", &ignored) != SS_OK) {
        c->no_memory = 1;
        png_error(png, "out of memory");
    }
    memcpy(b->data + b->size, data, size);
    b->size += size;
}

static void on_flush(png_structp png) { (void)png; }

static void png_on_read(png_structp png, png_bytep data, size_t size) {
    codec *c = png_get_io_ptr(png);
    if (size > c->left) png_error(png, "the file is truncated");
    memcpy(data, c->in, size);
    c->in += size;
    c->left -= size;
}

static int png_is_ascii(const char *s) {
    for (; *s; s++)
        if ((unsigned char)*s >= 0x80) return 0;
    return 1;
}

static ss_status check_notes(const png_note *notes, int n, const char *name, ss_error *err) {
    for (int i = 0; i < n; i++) {
        size_t length = strlen(notes[i].key);
        if (length < 1 || length > 79 || !png_is_ascii(notes[i].key))
            return error_set(err, SS_ERR_INTERNAL, name, "text chunk key '%s' is not 1..79 ASCII characters",
                             notes[i].key);
    }
    return SS_OK;
}

static void set_notes(codec *c, const png_note *notes, int n) {
    for (int i = 0; i < n; i++) {
        int plain = png_is_ascii(notes[i].value);
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
    png_set_write_fn(c->png, c, png_on_write, on_flush);
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
    if (image->width < 1 || image->height < 1 || image->width > RGB_IMAGE_MAX_SIDE ||
        image->height > RGB_IMAGE_MAX_SIDE)
        return error_set(err, SS_ERR_INTERNAL, NULL, "an image of %d x %d pixels; sides must be 1 .. %d", image->width,
                         image->height, RGB_IMAGE_MAX_SIDE);
    SS_TRY(check_notes(notes, n, NULL, err));
    c.png = png_create_write_struct_2(PNG_LIBPNG_VER_STRING, &c, png_on_error, png_on_warning, &c, on_malloc, on_free);
    c.info = c.png ? png_create_info_struct(c.png) : NULL;
    int good = c.info && encode(&c, image, notes, n) && !c.no_memory;
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

/* What the header says. 1 on success. */
static int decode_header(codec *c, int64_t *width, int64_t *height) {
    if (setjmp(png_jmpbuf(c->png))) return 0;
    png_set_read_fn(c->png, c, png_on_read);
    png_set_user_limits(c->png, PNG_UINT_31_MAX, PNG_UINT_31_MAX); /* rgb_image_check_sides says what is wrong */
    png_set_chunk_malloc_max(c->png, 8 << 20);
    png_set_crc_action(c->png, PNG_CRC_ERROR_QUIT, PNG_CRC_WARN_DISCARD);
    png_read_info(c->png, c->info);
    *width = png_get_image_width(c->png, c->info);
    *height = png_get_image_height(c->png, c->info);
    c->raw_bytes = png_get_rowbytes(c->png, c->info);
    c->grey16 = png_get_color_type(c->png, c->info) == PNG_COLOR_TYPE_GRAY && png_get_bit_depth(c->png, c->info) == 16;
    return 1;
}

/* To 8-bit RGB, 16-bit grey apart. */
static void set_transformations(codec *c) {
    if (!c->grey16) {
        png_set_strip_16(c->png);
        png_set_packing(c->png);
        png_set_expand(c->png);
        png_set_gray_to_rgb(c->png);
        png_set_strip_alpha(c->png);
    }
    png_set_interlace_handling(c->png);
}

/* Big-endian 16-bit grey at the front of a row of RGB to RGB in place: from the end, as pixels grow. */
static void clip_grey16(unsigned char *row, int width) {
    for (size_t x = (size_t)width; x-- > 0;) {
        unsigned char v = row[2 * x] == 0 ? row[2 * x + 1] : 255;
        row[3 * x] = row[3 * x + 1] = row[3 * x + 2] = v;
    }
}

static int decode_rows(codec *c, const rgb_image *out, unsigned char **rows) {
    if (setjmp(png_jmpbuf(c->png))) return 0;
    set_transformations(c);
    png_read_update_info(c->png, c->info);
    if (png_get_rowbytes(c->png, c->info) != (size_t)out->width * (c->grey16 ? 2 : 3))
        png_error(c->png, "rows are not 8-bit RGB");
    for (int y = 0; y < out->height; y++) rows[y] = out->rgb + (size_t)y * (size_t)out->width * 3;
    png_read_image(c->png, rows);
    png_read_end(c->png, NULL);
    for (int y = 0; c->grey16 && y < out->height; y++) clip_grey16(rows[y], out->width);
    return 1;
}

static ss_status png_decode_pixels(codec *c, const char *name, rgb_image *out, ss_error *err) {
    int64_t width, height;
    if (!decode_header(c, &width, &height))
        return error_set(err, SS_ERR_INPUT, name, "is not a readable PNG: %s", c->message);
    SS_TRY(rgb_image_check_sides(width, height, name, err));
    /* deflate shrinks at most 1032-fold: a header that promises more than the file can hold is refused before the
     * memory is taken */
    if (c->raw_bytes * (size_t)height / 1032 > c->left)
        return error_set(err, SS_ERR_INPUT, name, "is not a readable PNG: %d x %d pixels cannot come from %zu bytes",
                         (int)width, (int)height, c->left);
    SS_TRY(rgb_image_make(out, width, height, name, err));
    unsigned char **rows = malloc((size_t)height * sizeof *rows);
    if (!rows) return error_no_memory(err, name, (size_t)height * sizeof *rows);
    ss_status status = SS_OK;
    if (!decode_rows(c, out, rows))
        status = error_set(err, SS_ERR_INPUT, name, "is not a readable PNG: %s", c->message);
    free(rows);
    return status;
}

ss_status png_decode(const void *bytes, size_t size, const char *name, rgb_image *out, ss_error *err) {
    codec c = {.in = bytes, .left = size};
    *out = (rgb_image){0};
    if (size < 8 || png_sig_cmp(bytes, 0, 8) != 0)
        return error_set(err, SS_ERR_INPUT, name, "is not a PNG file (wrong signature)");
    c.png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, &c, png_on_error, png_on_warning, &c, on_malloc, on_free);
    c.info = c.png ? png_create_info_struct(c.png) : NULL;
    ss_status status = c.info ? png_decode_pixels(&c, name, out, err) : SS_OK;
    if (!c.info || c.no_memory) status = error_no_memory(err, name, size);
    png_destroy_read_struct(&c.png, &c.info, NULL);
    if (status != SS_OK) rgb_image_free(out);
    return status;
}

ss_status png_read(const char *path, rgb_image *out, ss_error *err) {
    char *bytes;
    size_t size;
    *out = (rgb_image){0};
    SS_TRY(file_read(path, IMAGE_FILE_LIMIT, &bytes, &size, err));
    ss_status status = png_decode(bytes, size, path, out, err);
    free(bytes);
    return status;
}
