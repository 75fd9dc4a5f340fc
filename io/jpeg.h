/* JPEG images read to 8-bit RGB as Pillow 13's open().convert("RGB") does: libjpeg's defaults (accurate integer DCT,
 * smooth upsampling of chroma), grey, YCbCr and RGB by what the file says, CMYK and YCCK taken as inverted (Adobe's
 * way) and converted to RGB by Pillow's formula; profiles and EXIF orientation are ignored. Pillow's wheels carry their
 * own libjpeg-turbo (3.x): tests/unit/io/test_image.c says how near Debian's comes. Stricter than Pillow in one thing:
 * where libjpeg warns that it made up pixels for damaged data, that is an error. */
#ifndef IO_JPEG_H
#define IO_JPEG_H

#include "io/rgb_image.h"

/* The bytes begin as a JPEG does (a start of image and a further marker). */
int jpeg_is_signature(const void *bytes, size_t size);

/* `name` stands for the file in errors. Damaged, truncated and oversized images, more than 8 bits a sample, and other
 * than 1, 3 or 4 components are input errors. */
ss_status jpeg_decode(const void *bytes, size_t size, const char *name, rgb_image *out, ss_error *err);

#endif
