/* The rules of preprocess.h. Everything up to the normalisation is done in float32 in the order of the packages, so
 * that results differ from theirs in the last bits of a resize at most. */
#include "score/preprocess.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "score/resize.h"
#include "score/resize_torch.h"

/* Half of d, 0.5 to the even neighbour: Python's round(d / 2). */
static int half_even(int d) { return d / 2 + (d % 2 && d / 2 % 2); }

static ss_status preprocess_allocate(size_t n, float **out, ss_error *err) {
    *out = calloc(n, sizeof **out);
    return *out ? SS_OK : error_no_memory(err, "pixels", n * sizeof **out);
}

/* Resize and centre crop in one; [side, side, 3] of 0..1. */
static ss_status crop_square(const preprocess *p, const rgb_image *image, float *out, ss_error *err) {
    int short_side = image->width < image->height ? image->width : image->height;
    int width = (int)((int64_t)image->width * p->side / short_side),
        height = (int)((int64_t)image->height * p->side / short_side);
    int hf = p->rule == PREPROCESS_HF, dx = width - p->side, dy = height - p->side;
    const resize_window crop = {hf ? dx / 2 : half_even(dx), hf ? dy / 2 : half_even(dy), p->side, p->side};
    rgb_image square;
    SS_TRY(resize_pillow_window(image, RESIZE_BICUBIC, width, height, &crop, &square, err));
    for (size_t i = 0; i < 3 * (size_t)p->side * (size_t)p->side; i++)
        out[i] = hf ? (float)(square.rgb[i] * (1 / 255.0)) : (float)square.rgb[i] / 255;
    rgb_image_free(&square);
    return SS_OK;
}

/* [3, height, width] of values / divisor (malloc). */
static ss_status make_planes(const rgb_image *image, float divisor, float **out, ss_error *err) {
    size_t n = (size_t)image->width * (size_t)image->height;
    SS_TRY(preprocess_allocate(3 * n, out, err));
    for (size_t c = 0; c < 3; c++)
        for (size_t i = 0; i < n; i++) (*out)[c * n + i] = (float)image->rgb[3 * i + c] / divisor;
    return SS_OK;
}

/* Planes [3, height, width] into the square [side, side, 3] at (left, top). */
static void preprocess_place(const float *planes, int width, int height, int left, int top, int side, float *out) {
    for (int c = 0; c < 3; c++)
        for (int y = 0; y < height; y++)
            for (int x = 0; x < width; x++)
                out[3 * ((size_t)(top + y) * (size_t)side + (size_t)(left + x)) + (size_t)c] =
                    planes[((size_t)c * (size_t)height + (size_t)y) * (size_t)width + (size_t)x];
}

static ss_status resize_planes(const preprocess *p, const rgb_image *image, int width, int height, float *out,
                               ss_error *err) {
    float *planes = NULL;
    SS_TRY(make_planes(image, 255, &planes, err));
    int hps = p->rule == PREPROCESS_HPS;
    ss_status status = resize_torch(planes, 3, image->height, image->width, hps ? TORCH_BICUBIC : TORCH_BILINEAR,
                                    hps && p->antialias, height, width, out, err);
    free(planes);
    return status;
}

static ss_status pad_square(const preprocess *p, const rgb_image *image, float *out, ss_error *err) {
    size_t n = 3 * (size_t)p->side * (size_t)p->side;
    double scale = p->side / (double)(image->width > image->height ? image->width : image->height);
    int width = (int)nearbyint(image->width * scale), height = (int)nearbyint(image->height * scale);
    if (width < 1 || height < 1)
        return error_set(err, SS_ERR_INPUT, NULL,
                         "the image is %d x %d pixels; with its longer side resized to %d the shorter would be 0",
                         image->width, image->height, p->side);
    float *planes = NULL;
    SS_TRY(preprocess_allocate(3 * (size_t)width * (size_t)height, &planes, err));
    ss_status status = resize_planes(p, image, width, height, planes, err);
    for (size_t i = 0; i < n; i++) out[i] = 0;
    if (status == SS_OK)
        preprocess_place(planes, width, height, (p->side - width) / 2, (p->side - height) / 2, p->side, out);
    free(planes);
    return status;
}

static ss_status stretch_torch(const preprocess *p, const rgb_image *image, float *out, ss_error *err) {
    float *planes = NULL;
    SS_TRY(preprocess_allocate(3 * (size_t)p->side * (size_t)p->side, &planes, err));
    ss_status status = resize_planes(p, image, p->side, p->side, planes, err);
    if (status == SS_OK) preprocess_place(planes, p->side, p->side, 0, 0, p->side, out);
    free(planes);
    return status;
}

static ss_status stretch_pillow(const preprocess *p, const rgb_image *image, float *out, ss_error *err) {
    size_t n = (size_t)p->side * (size_t)p->side, from = (size_t)image->width * (size_t)image->height;
    float *planes = NULL, *resized = NULL;
    ss_status status = make_planes(image, 1, &planes, err);
    if (status == SS_OK) status = preprocess_allocate(3 * n, &resized, err);
    for (size_t c = 0; status == SS_OK && c < 3; c++)
        status = resize_pillow_float(planes + c * from, image->width, image->height, RESIZE_BICUBIC, p->side, p->side,
                                     resized + c * n, err);
    for (size_t i = 0; status == SS_OK && i < 3 * n; i++) resized[i] = fminf(fmaxf(resized[i], 0), 255);
    if (status == SS_OK) preprocess_place(resized, p->side, p->side, 0, 0, p->side, out);
    free(planes);
    free(resized);
    return status;
}

/* Centre crop, then resize; [side, side, 3] of 0..1. */
static ss_status square_first(const preprocess *p, const rgb_image *image, float *out, ss_error *err) {
    int side = image->width < image->height ? image->width : image->height;
    size_t row = 3 * (size_t)side, left = 3 * (size_t)((image->width - side) / 2);
    rgb_image square = {.width = side, .height = side, .rgb = malloc(row * (size_t)side)}, small;
    if (!square.rgb) return error_no_memory(err, "pixels", row * (size_t)side);
    for (int y = 0; y < side; y++)
        memcpy(square.rgb + (size_t)y * row,
               image->rgb + 3 * (size_t)(y + (image->height - side) / 2) * (size_t)image->width + left, row);
    ss_status status = resize_pillow(&square, RESIZE_BICUBIC, p->side, p->side, &small, err);
    rgb_image_free(&square);
    SS_TRY(status);
    for (size_t i = 0; i < 3 * (size_t)p->side * (size_t)p->side; i++) out[i] = (float)small.rgb[i] / 255;
    rgb_image_free(&small);
    return SS_OK;
}

ss_status preprocess_image(const preprocess *p, const rgb_image *image, float **out, ss_error *err) {
    size_t n = 3 * (size_t)p->side * (size_t)p->side;
    *out = NULL;
    float *pixels = NULL;
    SS_TRY(preprocess_allocate(n, &pixels, err));
    ss_status status = SS_OK;
    switch (p->rule) {
    case PREPROCESS_OPENAI:
    case PREPROCESS_OPEN_CLIP:
    case PREPROCESS_HF: status = crop_square(p, image, pixels, err); break;
    case PREPROCESS_HPS: status = pad_square(p, image, pixels, err); break;
    case PREPROCESS_FID: status = stretch_torch(p, image, pixels, err); break;
    case PREPROCESS_CLEAN_FID: status = stretch_pillow(p, image, pixels, err); break;
    case PREPROCESS_CMMD: status = square_first(p, image, pixels, err); break;
    }
    for (size_t i = 0; status == SS_OK && i < n; i++)
        pixels[i] = (pixels[i] - (float)p->mean[i % 3]) / (float)p->sd[i % 3];
    if (status == SS_OK) *out = pixels;
    else free(pixels);
    return status;
}
