/* PNG images: written as 8-bit RGB with text chunks, in bytes that depend on pixels and texts alone (fixed zlib
 * settings; the same zlib gives the same file); read from any PNG to 8-bit RGB as Pillow 13's open().convert("RGB")
 * does: alpha is dropped, 16-bit colour and grey with alpha keep the high byte, 16-bit grey without alpha is clipped to
 * 255 (Pillow's 'I;16'), an index beyond the palette is black; gamma, colour profiles and orientation are ignored. Of
 * an animation the default image is read. Stricter than Pillow in one thing: every checksum and the end must be there.
 */
#ifndef IO_PNG_H
#define IO_PNG_H

#include <stddef.h>
#include "io/rgb_image.h"

/* A text chunk: tEXt where `value` is ASCII, else iTXt (UTF-8). Keys are 1..79 ASCII characters. */
typedef struct png_note {
    const char *key, *value;
} png_note;

/* Encode to memory (malloc; the caller frees) or write the file whole or not at all. */
ss_status png_encode(const rgb_image *image, const png_note *notes, int n, unsigned char **out, size_t *size,
                     ss_error *err);
ss_status png_write(const char *path, const rgb_image *image, const png_note *notes, int n, ss_error *err);

/* The text chunk `key` of a file (malloc); NULL where it has none, or is no PNG. Compressed chunks are not read. */
ss_status png_read_note(const char *path, const char *key, char **out, ss_error *err);

/* Decode to RGB. `name` stands for the file in errors. Damaged, truncated and oversized images are input errors. */
ss_status png_decode(const void *bytes, size_t size, const char *name, rgb_image *out, ss_error *err);
ss_status png_read(const char *path, rgb_image *out, ss_error *err);

#endif
