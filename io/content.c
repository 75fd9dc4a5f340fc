/* The table of what is recognised, in the order in which it is tried. */
#include "io/content.h"

#include <string.h>

#include "base/text.h"

typedef struct head {
    const unsigned char *at;
    size_t size;      /* of the file */
    const char *text; /* the first bytes of text after a mark and white space, terminated; "" where there is none */
} head;

enum { HEAD = 256 };

size_t content_mark(const void *bytes, size_t size) {
    return size >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
}

static int content_begins(const head *h, const char *magic, size_t n) {
    return h->size >= n && memcmp(h->at, magic, n) == 0;
}

static int begins_fold(const char *s, const char *lower) {
    for (; *lower; s++, lower++)
        if ((*s >= 'A' && *s <= 'Z' ? *s + 32 : *s) != *lower) return 0;
    return 1;
}

static int is_empty(const head *h) { return h->size == 0; }
static int is_lfs(const head *h) { return strncmp(h->text, "version https://git-lfs.github.com/", 35) == 0; }

static int is_html(const head *h) {
    static const char *const STARTS[] = {"<!doctype html", "<html", "<head", "<body", "<script"};
    for (size_t i = 0; i < sizeof STARTS / sizeof *STARTS; i++)
        if (begins_fold(h->text, STARTS[i])) return 1;
    return 0;
}

static int is_xml(const head *h) { return begins_fold(h->text, "<?xml"); }

/* By its mark, or by the zero byte of each of the first two characters. */
static int is_utf16(const head *h) {
    const unsigned char *p = h->at;
    if (content_begins(h, "\xFF\xFE", 2) || content_begins(h, "\xFE\xFF", 2)) return 1;
    if (h->size < 4) return 0;
    return (p[0] && !p[1] && p[2] && !p[3]) || (!p[0] && p[1] && !p[2] && p[3]);
}

static int is_zip(const head *h) { return content_begins(h, "PK\3\4", 4) || content_begins(h, "PK\5\6", 4); }
static int is_gzip(const head *h) { return content_begins(h, "\x1F\x8B", 2); }
static int is_png(const head *h) { return content_begins(h, "\x89PNG", 4); }
static int is_jpeg(const head *h) { return content_begins(h, "\xFF\xD8\xFF", 3); }
static int is_webp(const head *h) {
    return content_begins(h, "RIFF", 4) && h->size >= 12 && memcmp(h->at + 8, "WEBP", 4) == 0;
}
static int is_gif(const head *h) { return content_begins(h, "GIF8", 4); }
static int is_bmp(const head *h) { return content_begins(h, "BM", 2) && h->size > 10 && !h->at[6] && !h->at[7]; }
static int is_tiff(const head *h) { return content_begins(h, "II*\0", 4) || content_begins(h, "MM\0*", 4); }

static int is_avif(const head *h) {
    return h->size >= 12 && memcmp(h->at + 4, "ftyp", 4) == 0 &&
           (memcmp(h->at + 8, "avif", 4) == 0 || memcmp(h->at + 8, "hei", 3) == 0);
}

static int is_pdf(const head *h) { return content_begins(h, "%PDF-", 5); }
static int is_hdf5(const head *h) { return content_begins(h, "\x89HDF\r\n\x1a\n", 8); }
static int is_sqlite(const head *h) { return content_begins(h, "SQLite format 3", 15); }
static int is_pickle(const head *h) { return h->size > 2 && h->at[0] == 0x80 && h->at[1] >= 2 && h->at[1] <= 5; }

static int is_safetensors(const head *h) {
    return h->size > 10 && h->at[8] == '{' && !h->at[4] && !h->at[5] && !h->at[6] && !h->at[7];
}

/* A brace or bracket followed by what JSON allows there: "[photo] a cat" is not JSON. */
static int is_json(const head *h) {
    const char *s = h->text;
    if (*s != '{' && *s != '[') return 0;
    s++;
    s += strspn(s, " \t\r\n");
    return *s == '\0' || strchr("\"'{[]}", *s) || (h->text[0] == '[' && strchr("-0123456789", *s));
}

static const struct {
    content_kind kind;
    int (*is)(const head *);
    const char *what, *advice; /* advice: a sentence, "" where there is nothing to say */
} CONTENTS[] = {
    {CONTENT_EMPTY, is_empty, "empty", ""},
    {CONTENT_BINARY, is_safetensors, "a safetensors file", ""},
    {CONTENT_LFS, is_lfs, "a Git LFS pointer, not the file itself", "Fetch the file: git lfs pull"},
    {CONTENT_HTML, is_html, "an HTML page, as a site sends in the place of a file (a login page, an error)",
     "Download the file again"},
    {CONTENT_ZIP, is_zip, "a zip archive", "Unpack it"},
    {CONTENT_GZIP, is_gzip, "packed with gzip", "Unpack it: gunzip"},
    {CONTENT_PICTURE, is_png, "a PNG image", ""},
    {CONTENT_PICTURE, is_jpeg, "a JPEG image", ""},
    {CONTENT_PICTURE, is_webp, "a WebP image", ""},
    {CONTENT_PICTURE, is_gif, "a GIF image", ""},
    {CONTENT_PICTURE, is_tiff, "a TIFF image", ""},
    {CONTENT_OTHER_PICTURE, is_avif, "an AVIF or HEIF image",
     "Convert it to PNG: heif-convert FILE FILE.png (Debian's libheif-examples; AVIF, too)"},
    {CONTENT_PICTURE, is_bmp, "a BMP image", ""},
    {CONTENT_BINARY, is_pdf, "a PDF document", ""},
    {CONTENT_BINARY, is_hdf5, "an HDF5 file", ""},
    {CONTENT_BINARY, is_sqlite, "an SQLite database", ""},
    {CONTENT_BINARY, is_pickle, "a pickle of Python's", ""},
    {CONTENT_UTF16, is_utf16, "text in UTF-16", "Save it as UTF-8: iconv -f UTF-16 -t UTF-8"},
    {CONTENT_XML, is_xml, "an XML document, as a server sends with an error", "Download the file again"},
    {CONTENT_JSON, is_json, "JSON", ""},
};

ss_status content_check(const void *bytes, size_t size, unsigned allowed, const char *expected, const char *name,
                        ss_error *err) {
    char start[HEAD + 1] = "";
    size_t mark = content_mark(bytes, size), n = size - mark < HEAD ? size - mark : HEAD;
    if (n) memcpy(start, (const char *)bytes + mark, n);
    const head h = {bytes, size, start + strspn(start, " \t\r\n")};
    for (size_t i = 0; i < sizeof CONTENTS / sizeof *CONTENTS; i++) {
        if (!CONTENTS[i].is(&h)) continue;
        if (CONTENTS[i].kind & allowed) return SS_OK;
        return error_set(err, SS_ERR_INPUT, name, "is %s; expected %s%s%s", CONTENTS[i].what, expected,
                         *CONTENTS[i].advice ? ". " : "", CONTENTS[i].advice);
    }
    return SS_OK;
}

int content_has_extension(const char *path, const char *extension) {
    size_t n = strlen(path), m = strlen(extension);
    return n > m && path[n - m - 1] != '/' && text_equal_fold(path + n - m, extension);
}
