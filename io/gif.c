/* GIF through giflib, a record at a time: nothing after the first frame is read. */
#include "io/gif.h"

#include <stdlib.h>
#include <string.h>

#include <gif_lib.h>

typedef struct source {
    const unsigned char *p, *end;
} source;

static int gif_read_bytes(GifFileType *gif, GifByteType *to, int n) {
    source *s = gif->UserData;
    size_t left = (size_t)(s->end - s->p), some = n < 0 ? 0 : (size_t)n < left ? (size_t)n : left;
    memcpy(to, s->p, some);
    s->p += some;
    return (int)some;
}

static ss_status gif_fail(int code, const source *s, const char *name, ss_error *err) {
    const char *what = GifErrorString(code);
    if (code == D_GIF_ERR_NOT_ENOUGH_MEM) return error_no_memory(err, "picture", 1);
    if (s->p == s->end && code != D_GIF_ERR_NO_IMAG_DSCR) what = "the file is truncated"; /* whatever giflib says */
    return error_set(err, SS_ERR_INPUT, name, "is not a readable GIF: %s", what ? what : "its data are damaged");
}

/* Up to the first frame; *transparent: the index that its extension says, or -1. */
static int find_frame(GifFileType *gif, int *transparent) {
    enum { GRAPHICS = 0xF9, HAS_TRANSPARENT = 1 };
    GifRecordType kind;
    *transparent = -1;
    for (;;) {
        if (DGifGetRecordType(gif, &kind) == GIF_ERROR) return 0;
        if (kind == IMAGE_DESC_RECORD_TYPE) return DGifGetImageDesc(gif) != GIF_ERROR;
        if (kind != EXTENSION_RECORD_TYPE) {
            gif->Error = D_GIF_ERR_NO_IMAG_DSCR;
            return 0;
        }
        int code;
        GifByteType *block;
        if (DGifGetExtension(gif, &code, &block) == GIF_ERROR) return 0;
        if (code == GRAPHICS && block && block[0] >= 4 && block[1] & HAS_TRANSPARENT) *transparent = block[4];
        while (block)
            if (DGifGetExtensionNext(gif, &block) == GIF_ERROR) return 0;
    }
}

/* Without a palette indices are greys. */
static void fill_palette(const ColorMapObject *map, unsigned char palette[256][3]) {
    memset(palette, 0, 256 * 3);
    for (int i = 0; i < 256; i++) {
        if (!map) memset(palette[i], i, 3);
        else if (i < map->ColorCount) memcpy(palette[i], &map->Colors[i], 3);
    }
}
_Static_assert(sizeof(GifColorType) == 3, "red, green and blue side by side");

/* The frame's rows in their order, interlaced or not. */
static int gif_read_rows(GifFileType *gif, const rgb_image *canvas, unsigned char palette[256][3], GifByteType *row) {
    static const int START[] = {0, 4, 2, 1}, STRIDE[] = {8, 8, 4, 2};
    const GifImageDesc *f = &gif->Image;
    for (int pass = 0; pass < (f->Interlace ? 4 : 1); pass++)
        for (int y = f->Interlace ? START[pass] : 0; y < f->Height; y += f->Interlace ? STRIDE[pass] : 1) {
            if (DGifGetLine(gif, row, f->Width) == GIF_ERROR) return 0;
            unsigned char *out = canvas->rgb + 3 * ((size_t)(f->Top + y) * (size_t)canvas->width + (size_t)f->Left);
            for (int x = 0; x < f->Width; x++) memcpy(out + 3 * x, palette[row[x]], 3);
        }
    return 1;
}

static ss_status read_frame(GifFileType *gif, int transparent, const char *name, rgb_image *out, ss_error *err) {
    const GifImageDesc *f = &gif->Image;
    const ColorMapObject *map = f->ColorMap ? f->ColorMap : gif->SColorMap;
    unsigned char palette[256][3];
    int64_t width = (int64_t)f->Left + f->Width, height = (int64_t)f->Top + f->Height;
    SS_TRY(rgb_image_make(out, width > gif->SWidth ? width : gif->SWidth, height > gif->SHeight ? height : gif->SHeight,
                          name, err));
    fill_palette(map, palette);
    size_t n = (size_t)out->width * (size_t)out->height;
    const unsigned char *ground = palette[transparent >= 0 ? transparent : 0];
    for (size_t i = 0; i < n; i++) memcpy(out->rgb + 3 * i, ground, 3);
    GifByteType *row = malloc((size_t)f->Width + 1);
    if (!row) return error_no_memory(err, "picture", (unsigned long long)(unsigned)f->Width);
    int done = gif_read_rows(gif, out, palette, row);
    free(row);
    return done ? SS_OK : gif_fail(gif->Error, gif->UserData, name, err);
}

int gif_is_signature(const void *bytes, size_t size) {
    return size >= 6 && (memcmp(bytes, "GIF87a", 6) == 0 || memcmp(bytes, "GIF89a", 6) == 0);
}

ss_status gif_decode(const void *bytes, size_t size, const char *name, rgb_image *out, ss_error *err) {
    source s = {bytes, (const unsigned char *)bytes + size};
    int code = 0, transparent;
    *out = (rgb_image){0};
    if (!gif_is_signature(bytes, size))
        return error_set(err, SS_ERR_INPUT, name, "is not a GIF file (wrong signature)");
    GifFileType *gif = DGifOpen(&s, gif_read_bytes, &code);
    if (!gif) return gif_fail(code, &s, name, err);
    ss_status status = find_frame(gif, &transparent) ? read_frame(gif, transparent, name, out, err)
                                                     : gif_fail(gif->Error, gif->UserData, name, err);
    DGifCloseFile(gif, &code);
    if (status != SS_OK) rgb_image_free(out);
    return status;
}
