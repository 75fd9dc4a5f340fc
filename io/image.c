/* Which reader an image is for, by its first bytes. */
#include "io/image.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "io/bmp.h"
#include "io/content.h"
#include "io/gif.h"
#include "io/jpeg.h"
#include "io/png.h"
#include "io/tiff.h"
#include "io/webp.h"

static const char EXPECTED[] = "a PNG, JPEG, WebP, GIF, BMP or TIFF image";

ss_status image_decode(const void *bytes, size_t size, const char *name, rgb_image *out, ss_error *err) {
    const unsigned char *p = bytes;
    *out = (rgb_image){0};
    if (jpeg_is_signature(bytes, size)) return jpeg_decode(bytes, size, name, out, err);
    if (webp_is_signature(bytes, size)) return webp_decode(bytes, size, name, out, err);
    if (size >= 4 && memcmp(bytes, "\x89PNG", 4) == 0) return png_decode(bytes, size, name, out, err);
    if (gif_is_signature(bytes, size)) return gif_decode(bytes, size, name, out, err);
    if (tiff_is_signature(bytes, size)) return tiff_decode(bytes, size, name, out, err);
    if (bmp_is_signature(bytes, size)) return bmp_decode(bytes, size, name, out, err);
    SS_TRY(content_check(bytes, size, 0, EXPECTED, name, err));
    return error_set(err, SS_ERR_INPUT, name, "is not %s (it begins with %02x %02x %02x %02x)", EXPECTED, p[0],
                     size > 1 ? p[1] : 0, size > 2 ? p[2] : 0, size > 3 ? p[3] : 0);
}

ss_status image_read(const char *path, rgb_image *out, ss_error *err) {
    char *bytes;
    size_t size;
    *out = (rgb_image){0};
    SS_TRY(file_read(path, IMAGE_FILE_LIMIT, &bytes, &size, err));
    ss_status status = image_decode(bytes, size, path, out, err);
    free(bytes);
    return status;
}
