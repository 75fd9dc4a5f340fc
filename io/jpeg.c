/* JPEG through libjpeg-turbo. The library reports by longjmp: all state lives in a struct of the caller, so no local is
 * clobbered. Memory and time are bounded before the header is trusted: sides are checked, a large image must come from
 * enough bytes, and the scans of a progressive file are counted. Source of the settings: Pillow's
 * src/libImaging/JpegDecode.c. */
#include "io/jpeg.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h> /* after it: the numbers of the messages depend on how the library was configured */

enum {
    SCANS_LIMIT = 500,        /* libjpeg-turbo's own advice against files that are all scans */
    LARGE = 1 << 22,          /* pixels from which on a file must hold PIXELS_PER_BYTE */
    PIXELS_PER_BYTE = 64 * 8, /* a block of 64 pixels takes at least one bit, be it only of its mean */
};

typedef struct decoder {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_source_mgr source;
    struct jpeg_progress_mgr progress;
    jmp_buf jump;
    char message[JMSG_LENGTH_MAX];
} decoder;

static void jpeg_on_error(j_common_ptr j) {
    decoder *d = j->client_data;
    j->err->format_message(j, d->message);
    longjmp(d->jump, 1);
}

static void jpeg_fail(decoder *d, const char *message) {
    snprintf(d->message, sizeof d->message, "%s", message);
    longjmp(d->jump, 1);
}

/* Level -1 is a warning. Those of lost pixels end the decoding; the rest are about metadata and order. */
static void on_message(j_common_ptr j, int level) {
    if (level >= 0) return;
    int code = j->err->msg_code;
    if (code == JWRN_HIT_MARKER || code == JWRN_HUFF_BAD_CODE || code == JWRN_ARITH_BAD_CODE ||
        code == JWRN_MUST_RESYNC)
        jpeg_on_error(j);
}

static void on_output(j_common_ptr j) { (void)j; }

static void on_progress(j_common_ptr j) {
    decoder *d = j->client_data;
    if (d->jpeg.input_scan_number > SCANS_LIMIT) jpeg_fail(d, "more than 500 scans");
}

static void on_source(j_decompress_ptr j) { (void)j; }

/* As Pillow does: the library suspends, and its caller finds the file truncated. */
static boolean on_fill(j_decompress_ptr j) {
    (void)j;
    return FALSE;
}

static void on_skip(j_decompress_ptr j, long n) {
    struct jpeg_source_mgr *s = j->src;
    size_t skip = n < 0 ? 0 : (size_t)n;
    if (skip > s->bytes_in_buffer) skip = s->bytes_in_buffer;
    s->next_input_byte += skip;
    s->bytes_in_buffer -= skip;
}

static void jpeg_truncated(decoder *d) { jpeg_fail(d, "the file is truncated"); }

static void choose_colors(decoder *d) {
    struct jpeg_decompress_struct *j = &d->jpeg;
    if (j->data_precision != 8) jpeg_fail(d, "more than 8 bits a sample");
    switch (j->num_components) {
    case 1: j->out_color_space = JCS_GRAYSCALE; break;
    case 3: j->out_color_space = JCS_RGB; break;
    case 4: j->out_color_space = JCS_CMYK; break;
    default: jpeg_fail(d, "expected 1, 3 or 4 components");
    }
}

/* 1 on success. */
static int read_header(decoder *d, const void *bytes, size_t size) {
    if (setjmp(d->jump)) return 0;
    jpeg_create_decompress(&d->jpeg);
    d->source = (struct jpeg_source_mgr){.next_input_byte = bytes,
                                         .bytes_in_buffer = size,
                                         .init_source = on_source,
                                         .fill_input_buffer = on_fill,
                                         .skip_input_data = on_skip,
                                         .resync_to_restart = jpeg_resync_to_restart,
                                         .term_source = on_source};
    d->progress.progress_monitor = on_progress;
    d->jpeg.src = &d->source;
    d->jpeg.progress = &d->progress;
    int found = jpeg_read_header(&d->jpeg, FALSE);
    while (found == JPEG_HEADER_TABLES_ONLY) found = jpeg_read_header(&d->jpeg, FALSE);
    if (found == JPEG_SUSPENDED) jpeg_truncated(d);
    choose_colors(d);
    return 1;
}

static void spread_grey(unsigned char *row, int width) {
    for (size_t x = (size_t)width; x-- > 0;) row[3 * x] = row[3 * x + 1] = row[3 * x + 2] = row[x];
}

/* Pillow's cmyk2rgb after its inversion of all four. */
static void from_cmyk(const unsigned char *in, unsigned char *out, int width) {
    for (int x = 0; x < width; x++, in += 4, out += 3)
        for (int i = 0; i < 3; i++) {
            int light = in[3], product = (255 - in[i]) * light + 128, v = light - ((product + (product >> 8)) >> 8);
            out[i] = (unsigned char)(v < 0 ? 0 : v);
        }
}

/* Rows into `out`, through `cmyk` (a row of four) where there are four components. 1 on success. */
static int jpeg_read_rows(decoder *d, const rgb_image *out, unsigned char *cmyk) {
    if (setjmp(d->jump)) return 0;
    if (!jpeg_start_decompress(&d->jpeg)) jpeg_truncated(d);
    while (d->jpeg.output_scanline < d->jpeg.output_height) {
        unsigned char *row = out->rgb + 3 * (size_t)d->jpeg.output_scanline * (size_t)out->width;
        JSAMPROW into = cmyk ? cmyk : row;
        if (jpeg_read_scanlines(&d->jpeg, &into, 1) != 1) jpeg_truncated(d);
        if (cmyk) from_cmyk(cmyk, row, out->width);
        else if (d->jpeg.num_components == 1) spread_grey(row, out->width);
    }
    jpeg_finish_decompress(&d->jpeg); /* a missing end after the last row is no loss, to Pillow neither */
    return 1;
}

static ss_status jpeg_decode_pixels(decoder *d, const void *bytes, size_t size, const char *name, rgb_image *out,
                                    ss_error *err) {
    if (!read_header(d, bytes, size))
        return error_set(err, SS_ERR_INPUT, name, "is not a readable JPEG: %s", d->message);
    int64_t width = d->jpeg.image_width, height = d->jpeg.image_height;
    SS_TRY(rgb_image_check_sides(width, height, name, err));
    if (width * height > LARGE && (size_t)(width * height / PIXELS_PER_BYTE) > size)
        return error_set(err, SS_ERR_INPUT, name, "is not a readable JPEG: %d x %d pixels cannot come from %zu bytes",
                         (int)width, (int)height, size);
    SS_TRY(rgb_image_make(out, width, height, name, err));
    unsigned char *cmyk = NULL;
    if (d->jpeg.num_components == 4) {
        cmyk = malloc(4 * (size_t)width);
        if (!cmyk) return error_no_memory(err, name, 4 * (size_t)width);
    }
    ss_status status = SS_OK;
    if (!jpeg_read_rows(d, out, cmyk))
        status = error_set(err, SS_ERR_INPUT, name, "is not a readable JPEG: %s", d->message);
    free(cmyk);
    return status;
}

int jpeg_is_signature(const void *bytes, size_t size) { return size >= 3 && memcmp(bytes, "\xFF\xD8\xFF", 3) == 0; }

ss_status jpeg_decode(const void *bytes, size_t size, const char *name, rgb_image *out, ss_error *err) {
    *out = (rgb_image){0};
    if (!jpeg_is_signature(bytes, size))
        return error_set(err, SS_ERR_INPUT, name, "is not a JPEG file (wrong signature)");
    decoder *d = calloc(1, sizeof *d);
    if (!d) return error_no_memory(err, name, sizeof *d);
    d->jpeg.err = jpeg_std_error(&d->errors);
    d->jpeg.client_data = d;
    d->errors.error_exit = jpeg_on_error;
    d->errors.emit_message = on_message;
    d->errors.output_message = on_output;
    ss_status status = jpeg_decode_pixels(d, bytes, size, name, out, err);
    jpeg_destroy_decompress(&d->jpeg);
    free(d);
    if (status != SS_OK) rgb_image_free(out);
    return status;
}
