/* WebP through libwebp and its demuxer. Pillow asks WebPAnimDecoder for RGBA and drops the alpha; the first frame is
 * put on a zeroed canvas there too, so decoding straight to RGB gives the same pixels in a quarter of the memory. A
 * flat lossless image of any size fits in some 60 bytes, so only its sides limit what the header may announce. */
#include "io/webp.h"

#include <string.h>
#include <webp/decode.h>
#include <webp/demux.h>

static const char *explain(VP8StatusCode code) {
    switch (code) {
    case VP8_STATUS_OUT_OF_MEMORY: return "out of memory";
    case VP8_STATUS_UNSUPPORTED_FEATURE: return "it uses a feature that libwebp does not support";
    case VP8_STATUS_NOT_ENOUGH_DATA: return "the file is truncated";
    default: return "its data are damaged";
    }
}

/* The frame's pixels into `canvas`, which holds the frame (the demuxer checked). */
static ss_status decode_frame(const WebPIterator *frame, const char *name, const rgb_image *canvas, ss_error *err) {
    WebPDecoderConfig config;
    if (!WebPInitDecoderConfig(&config))
        return error_set(err, SS_ERR_INTERNAL, name, "libwebp is not the version this program was built with");
    size_t stride = 3 * (size_t)canvas->width;
    config.output.colorspace = MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = canvas->rgb + (size_t)frame->y_offset * stride + 3 * (size_t)frame->x_offset;
    config.output.u.RGBA.stride = (int)stride;
    config.output.u.RGBA.size = stride * (size_t)(frame->height - 1) + 3 * (size_t)frame->width;
    VP8StatusCode code = WebPDecode(frame->fragment.bytes, frame->fragment.size, &config);
    WebPFreeDecBuffer(&config.output);
    if (code == VP8_STATUS_OK) return SS_OK;
    return error_set(err, code == VP8_STATUS_OUT_OF_MEMORY ? SS_ERR_RESOURCE : SS_ERR_INPUT, name,
                     "is not a readable WebP: %s", explain(code));
}

static ss_status webp_decode_pixels(const WebPDemuxer *demux, const char *name, rgb_image *out, ss_error *err) {
    WebPIterator frame;
    SS_TRY(rgb_image_make(out, WebPDemuxGetI(demux, WEBP_FF_CANVAS_WIDTH), WebPDemuxGetI(demux, WEBP_FF_CANVAS_HEIGHT),
                          name, err));
    if (!WebPDemuxGetFrame(demux, 1, &frame))
        return error_set(err, SS_ERR_INPUT, name, "is not a readable WebP: it holds no image");
    if (frame.width != out->width || frame.height != out->height)
        memset(out->rgb, 0, 3 * (size_t)out->width * (size_t)out->height);
    ss_status status = decode_frame(&frame, name, out, err);
    WebPDemuxReleaseIterator(&frame);
    return status;
}

int webp_is_signature(const void *bytes, size_t size) {
    const char *p = bytes;
    return size >= 12 && memcmp(p, "RIFF", 4) == 0 && memcmp(p + 8, "WEBP", 4) == 0;
}

ss_status webp_decode(const void *bytes, size_t size, const char *name, rgb_image *out, ss_error *err) {
    *out = (rgb_image){0};
    if (!webp_is_signature(bytes, size))
        return error_set(err, SS_ERR_INPUT, name, "is not a WebP file (wrong signature)");
    const WebPData data = {bytes, size};
    WebPDemuxState state;
    WebPDemuxer *demux = WebPDemuxPartial(&data, &state);
    ss_status status = SS_OK;
    if (!demux || state != WEBP_DEMUX_DONE)
        status = error_set(err, SS_ERR_INPUT, name, "is not a readable WebP: %s",
                           state == WEBP_DEMUX_PARSE_ERROR ? "its chunks are damaged" : "the file is truncated");
    else status = webp_decode_pixels(demux, name, out, err);
    WebPDemuxDelete(demux);
    if (status != SS_OK) rgb_image_free(out);
    return status;
}
