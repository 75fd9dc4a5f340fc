/* Images of every kind are read as Pillow reads them, by content; damage, truncation and size are errors that name the
 * file and what is wrong. Vectors: tests/generators/io_images.py. Every pixel must be equal, lossy kinds too: Debian
 * 12's libjpeg-turbo 2.1 and libwebp 1.2 decode to the same bytes as the 3.2 and 1.6 of Pillow's wheel. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "io/image.h"

enum { KINDS = 251 };

static char *binary; /* images.bin */
static size_t binary_size;

typedef struct row {
    char name[64];
    size_t offset, size;
    int width, height;
    sha256_hex hash;
} row;

static int read_row(FILE *f, row *r) {
    return fscanf(f, "%63s %zu %zu %d %d %64s", r->name, &r->offset, &r->size, &r->width, &r->height, r->hash) == 6;
}

/* A copy of file `name` of images.txt, exactly its size, so that a sanitizer sees a read past its end. */
static unsigned char *copy(const char *name, size_t *size) {
    row r = {0};
    FILE *f = fopen(DATA "/images.txt", "r");
    assert_non_null(f);
    while (read_row(f, &r) && strcmp(r.name, name) != 0) continue;
    assert_string_equal(r.name, name);
    fclose(f);
    unsigned char *bytes = malloc(r.size);
    assert_non_null(bytes);
    memcpy(bytes, binary + r.offset, r.size);
    *size = r.size;
    return bytes;
}

static void test_kinds(void **state) {
    (void)state;
    FILE *f = fopen(DATA "/images.txt", "r");
    row r;
    int n = 0;
    assert_non_null(f);
    for (; read_row(f, &r); n++) {
        ss_error err = {0};
        rgb_image image;
        sha256_hex hash;
        if (image_decode(binary + r.offset, r.size, r.name, &image, &err) != SS_OK)
            fail_msg("%s: %s", r.name, err.message);
        assert_int_equal(image.width, r.width);
        assert_int_equal(image.height, r.height);
        sha256_of(image.rgb, 3 * (size_t)image.width * (size_t)image.height, hash);
        if (strcmp(hash, r.hash) != 0) fail_msg("%s: pixels differ from Pillow's", r.name);
        rgb_image_free(&image);
    }
    fclose(f);
    assert_int_equal(n, KINDS);
}

/* The content decides, not the name. */
static void test_read(void **state) {
    (void)state;
    ss_error err = {0};
    char path[] = "/tmp/sinkscope-image-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    const char *const names[] = {"420.jpg", "lossy.webp", "plain.gif", "rgb8-0.png", "bits24.bmp", "tiles.tif"};
    const int width[] = {61, 61, 61, 13, 13, 37};
    for (int i = 0; i < 6; i++) {
        size_t size;
        unsigned char *bytes = copy(names[i], &size);
        rgb_image image;
        assert_int_equal(file_write(path, bytes, size, &err), SS_OK);
        assert_int_equal(image_read(path, &image, &err), SS_OK);
        assert_int_equal(image.width, width[i]);
        rgb_image_free(&image);
        free(bytes);
    }
    assert_int_equal(file_write(path,
                                "\0\0\0\x1c"
                                "ftypavif\0\0\0\0",
                                16, &err),
                     SS_OK);
    rgb_image image;
    assert_int_equal(image_read(path, &image, &err), SS_ERR_INPUT);
    assert_string_equal(err.where, path);
    assert_string_equal(err.message,
                        "is an AVIF or HEIF image; expected a PNG, JPEG, WebP, GIF, BMP or TIFF image. Convert it to "
                        "PNG: heif-convert FILE FILE.png (Debian's libheif-examples; AVIF, too)");
    assert_int_equal(file_write(path, "\1\2\3", 3, &err), SS_OK);
    assert_int_equal(image_read(path, &image, &err), SS_ERR_INPUT);
    assert_string_equal(err.message, "is not a PNG, JPEG, WebP, GIF, BMP or TIFF image (it begins with 01 02 03 00)");
    assert_int_equal(file_write(path, "", 0, &err), SS_OK);
    assert_int_equal(image_read(path, &image, &err), SS_ERR_INPUT);
    assert_string_equal(err.message, "is empty; expected a PNG, JPEG, WebP, GIF, BMP or TIFF image");
    unlink(path);
    assert_int_equal(image_read(path, &image, &err), SS_ERR_INPUT);
    assert_non_null(strstr(err.message, "cannot open"));
    assert_null(image.rgb);
}

static void refuse(const unsigned char *bytes, size_t size, const char *message) {
    ss_error err = {0};
    rgb_image image;
    assert_int_equal(image_decode(bytes, size, "x", &image, &err), SS_ERR_INPUT);
    assert_string_equal(err.where, "x");
    assert_string_equal(err.message, message);
    assert_null(image.rgb);
}

/* Everything up to the last byte of pixels is needed. What Pillow's ends a JPEG with, two bytes, may be missing. */
static void test_truncated(void **state) {
    (void)state;
    static const struct {
        const char *name, *message;
        size_t spare;
    } FILES[] = {{"420.jpg", "is not a readable JPEG: the file is truncated", 2},
                 {"progressive.jpg", "is not a readable JPEG: the file is truncated", 0},
                 {"cmyk.jpg", "is not a readable JPEG: the file is truncated", 2},
                 {"lossy.webp", "is not a readable WebP: the file is truncated", 0},
                 {"lossless.webp", "is not a readable WebP: the file is truncated", 0},
                 {"animated.webp", "is not a readable WebP: the file is truncated", 0},
                 {"plain.gif", "is not a readable GIF: the file is truncated", 1},
                 {"bits24.bmp", "is not a readable BMP: the file is truncated", 0},
                 {"os2.bmp", "is not a readable BMP: the file is truncated", 0},
                 {"runs4.bmp", "is not a readable BMP: the file is truncated", 4},
                 {"rgb8-0.png", "is not a readable PNG: the file is truncated", 0}};
    for (size_t i = 0; i < sizeof FILES / sizeof FILES[0]; i++) {
        size_t size;
        unsigned char *bytes = copy(FILES[i].name, &size);
        for (size_t cut = 12; cut + FILES[i].spare < size; cut++) {
            unsigned char *part = malloc(cut);
            assert_non_null(part);
            memcpy(part, bytes, cut);
            refuse(part, cut, FILES[i].message);
            free(part);
        }
        free(bytes);
    }
}

/* A TIFF's tags may come last, so that what fails first differs; that something fails does not. */
static void test_truncated_tiff(void **state) {
    (void)state;
    static const char *const names[] = {"tiff_lzw.tif", "tiles.tif", "palette4.tif", "apart.tif", "turned6.tif"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        size_t size;
        unsigned char *bytes = copy(names[i], &size);
        for (size_t cut = 4; cut < size; cut++) {
            ss_error err = {0};
            rgb_image image;
            unsigned char *part = malloc(cut);
            assert_non_null(part);
            memcpy(part, bytes, cut);
            /* the end may hold what Pillow and we do not need: a resolution, a description */
            if (image_decode(part, cut, "x", &image, &err) == SS_OK) assert_true(cut > size / 2);
            else {
                assert_int_equal(err.code, SS_ERR_INPUT);
                assert_memory_equal(err.message, "is ", 3);
            }
            rgb_image_free(&image);
            free(part);
        }
        free(bytes);
    }
}

/* What is not read is named. */
static void test_unsupported(void **state) {
    (void)state;
    size_t size;
    unsigned char *bytes = copy("bits24.bmp", &size);
    bytes[30] = 4; /* compression */
    refuse(bytes, size,
           "is not a readable BMP: its compression is not supported (JPEG or PNG inside?); convert it to PNG");
    bytes[30] = 3;
    refuse(bytes, size, "is not a readable BMP: its masks are not those of 8, 5 or 6 bits a colour");
    bytes[14] = 41;
    refuse(bytes, size, "is not a readable BMP: its header is of an unknown kind");
    free(bytes);
    bytes = copy("bits24.bmp", &size);
    bytes[28] = 2;
    refuse(bytes, size, "is not a readable BMP: expected 1, 4, 8, 16, 24 or 32 bits a pixel");
    bytes[28] = 24;
    bytes[20] = 1; /* width */
    refuse(bytes, size, "is an image of 65549 x 7 pixels; sides must be 1 .. 16384");
    free(bytes);
    bytes = copy("black8.tif", &size);
    for (size_t i = 0; i + 12 < size; i++) /* PhotometricInterpretation, SHORT, 1: 8 is CIELab */
        if (memcmp(bytes + i, "\x06\x01\x03\0\1\0\0\0\1", 9) == 0) bytes[i + 8] = 8;
    refuse(bytes, size,
           "is a TIFF of 1 samples of 8 bits (photometric 8, sample format 1, planes together), which is not "
           "supported; convert it to PNG");
    free(bytes);
    refuse((const unsigned char *)"GIF89a\1\0\1\0\0\0\0;", 14, "is not a readable GIF: No Image Descriptor detected");
}

static void test_damage(void **state) {
    (void)state;
    size_t size;
    unsigned char *bytes = copy("420.jpg", &size);
    memset(bytes + size - 200, 0xFF, 100); /* markers where pixels should be */
    refuse(bytes, size, "is not a readable JPEG: Corrupt JPEG data: premature end of data segment");
    free(bytes);
    bytes = copy("lossy.webp", &size);
    bytes[23] ^= 1; /* the start code of the frame */
    refuse(bytes, size, "is not a readable WebP: its chunks are damaged");
    free(bytes);
    bytes = copy("lossless.webp", &size);
    memset(bytes + 30, 0xA5, size - 30);
    refuse(bytes, size, "is not a readable WebP: its data are damaged");
    free(bytes);
}

/* Where the two bytes of 16 bits `from` stand in the frame header of a JPEG, write `to`. */
static void patch_jpeg(unsigned char *bytes, size_t size, size_t field, int to) {
    for (size_t i = 0; i + 10 < size; i++)
        if (bytes[i] == 0xFF && bytes[i + 1] == 0xC0) {
            bytes[i + field] = (unsigned char)(to >> 8);
            bytes[i + field + 1] = (unsigned char)to;
            return;
        }
    fail_msg("no frame header");
}

/* Promises are refused before memory is taken for them. */
static void test_size(void **state) {
    (void)state;
    size_t size;
    char message[128];
    unsigned char *bytes = copy("420.jpg", &size);
    patch_jpeg(bytes, size, 7, 20000);
    refuse(bytes, size, "is an image of 20000 x 43 pixels; sides must be 1 .. 16384");
    patch_jpeg(bytes, size, 7, 16384);
    patch_jpeg(bytes, size, 5, 16384);
    snprintf(message, sizeof message, "is not a readable JPEG: 16384 x 16384 pixels cannot come from %zu bytes", size);
    refuse(bytes, size, message);
    patch_jpeg(bytes, size, 5, 0);
    refuse(bytes, size, "is not a readable JPEG: Empty JPEG image (DNL not supported)");
    free(bytes);
    bytes = copy("420.jpg", &size);
    patch_jpeg(bytes, size, 3, 17 << 8 | 12); /* the length's low byte as it is, then the bits of a sample */
    refuse(bytes, size, "is not a readable JPEG: Unsupported JPEG data precision 12");
    free(bytes);
    static const unsigned char WIDE[] = "\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\x40\1\0\0\0\1\x08\2\0\0\0\x46\x3f\x4a\x31"
                                        "\0\0\0\0IDAT\x35\xaf\x06\x1e";
    refuse(WIDE, sizeof WIDE - 1, "is an image of 16385 x 1 pixels; sides must be 1 .. 16384");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),       cmocka_unit_test(test_read), cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_damage),      cmocka_unit_test(test_size), cmocka_unit_test(test_truncated_tiff),
        cmocka_unit_test(test_unsupported),
    };
    ss_error err;
    if (file_read(DATA "/images.bin", 1 << 20, &binary, &binary_size, &err) != SS_OK) return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(binary);
    return failed;
}
