/* WebP files through image_decode. Sides over SIDE are passed over: a few bytes may well say 16383 x 16383 flat pixels,
 * which is no finding, but nothing to do a hundred thousand times either. */
#include <webp/demux.h>

#include "io/image.h"
#include "tests/fuzz/fuzz.h"

enum { SIDE = 512 };

static int is_large(const uint8_t *data, size_t size) {
    const WebPData bytes = {data, size};
    WebPDemuxer *demux = WebPDemux(&bytes);
    int large = demux && (WebPDemuxGetI(demux, WEBP_FF_CANVAS_WIDTH) > SIDE ||
                          WebPDemuxGetI(demux, WEBP_FF_CANVAS_HEIGHT) > SIDE);
    WebPDemuxDelete(demux);
    return large;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    ss_error err = {0};
    rgb_image im;
    if (is_large(data, size)) return 0;
    if (image_decode(data, size, "x.webp", &im, &err) != SS_OK) {
        FUZZ_CHECK(im.rgb == NULL && err.message[0]);
        return 0;
    }
    int sum = 0; /* every pixel was written: a sanitizer that watches for that sees it here */
    for (size_t i = 0; i < 3 * (size_t)im.width * (size_t)im.height; i++) sum |= im.rgb[i];
    FUZZ_CHECK(sum >= 0 && sum <= 255);
    rgb_image_free(&im);
    return 0;
}
