/* WebP files through image_decode. Sides over SIDE are passed over: a few bytes may well say 16383 x 16383 flat pixels,
 * which is no finding, but nothing to do a hundred thousand times either. */
#include <webp/demux.h>

#include "tests/fuzz/picture.h"

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
    return is_large(data, size) ? 0 : fuzz_picture(data, size, "x.webp");
}
