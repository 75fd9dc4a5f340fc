/* Memory of images, the check of their sides, the checksum of their pixels. */
#include <stdlib.h>

#include "io/rgb_image.h"

ss_status rgb_image_check_sides(int64_t width, int64_t height, const char *name, ss_error *err) {
    if (width >= 1 && height >= 1 && width <= RGB_IMAGE_MAX_SIDE && height <= RGB_IMAGE_MAX_SIDE) return SS_OK;
    return error_set(err, SS_ERR_INPUT, name, "is an image of %lld x %lld pixels; sides must be 1 .. %d",
                     (long long)width, (long long)height, RGB_IMAGE_MAX_SIDE);
}

ss_status rgb_image_make(rgb_image *image, int64_t width, int64_t height, const char *name, ss_error *err) {
    *image = (rgb_image){0};
    SS_TRY(rgb_image_check_sides(width, height, name, err));
    size_t bytes = 3 * (size_t)width * (size_t)height;
    *image = (rgb_image){(int)width, (int)height, malloc(bytes)};
    return image->rgb ? SS_OK : error_no_memory(err, name, bytes);
}

void rgb_image_free(rgb_image *image) {
    free(image->rgb);
    *image = (rgb_image){0};
}

void rgb_image_hash(const rgb_image *image, sha256_hex out) {
    const uint32_t sides[2] = {(uint32_t)image->width, (uint32_t)image->height};
    sha256 sum;
    sha256_begin(&sum);
    sha256_add(&sum, sides, sizeof sides);
    sha256_add(&sum, image->rgb, (size_t)image->width * (size_t)image->height * 3);
    sha256_end(&sum, out);
}
