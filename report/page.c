/* Pages as text. All text from outside the program is escaped. */
#include "report/page.h"

#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "io/png.h"

void page_element(text *out, const char *tag, const char *classes, const char *s) {
    if (classes) text_addf(out, "<%s class=\"%s\">", tag, classes);
    else text_addf(out, "<%s>", tag);
    text_add_html(out, s);
    text_addf(out, "</%s>", tag);
}

void page_stacked(text *out, const char *tag, text *number, text *first, text *second) {
    text *const small[] = {first, second};
    text_addf(out, "<%s class=\"n\">", tag);
    text_add_html(out, number->len ? number->s : "–");
    for (int i = 0; i < 2; i++)
        if (small[i]->len) page_element(out, "small", NULL, small[i]->s);
    text_addf(out, "</%s>", tag);
    if (number->failed || first->failed || second->failed) out->failed = 1;
    text_free(number);
    text_free(first);
    text_free(second);
}

void page_table_begin(text *out, const char *classes, const char *const *heading, int n) {
    text_addf(out, "<div class=\"scroll\"><table class=\"%s\"><thead><tr>", classes);
    for (int i = 0; i < n; i++)
        page_element(out, "th", *heading[i] == '>' ? "n" : NULL, heading[i] + (*heading[i] == '>'));
    text_add(out, "</tr></thead><tbody>\n");
}

void page_table_end(text *out) { text_add(out, "</tbody></table></div>\n"); }

void page_figure_begin(text *out, const char *classes) { text_addf(out, "<figure class=\"%s\">\n", classes); }

void page_figure_end(text *out, const char *caption, const char *csv) {
    text_add(out, "<figcaption>");
    text_add_html(out, caption);
    if (csv) text_addf(out, " <a href=\"%s\">Numbers</a>", csv);
    text_add(out, "</figcaption></figure>\n");
}

void page_pair(text *out, text *figures) {
    if (figures->len) {
        text_add(out, "<div class=\"pair\">\n");
        text_add_n(out, figures->s, figures->len);
        text_add(out, "</div>\n");
    }
    if (figures->failed) out->failed = 1;
    text_free(figures);
}

/* Mean over factor x factor pixels; the remainder at the right and lower edge is cut. */
static ss_status shrink(const rgb_image *image, int factor, rgb_image *out, ss_error *err) {
    *out = (rgb_image){.width = image->width / factor, .height = image->height / factor};
    size_t bytes = (size_t)out->width * (size_t)out->height * 3;
    out->rgb = malloc(bytes ? bytes : 1);
    if (!out->rgb) return error_no_memory(err, "a picture", bytes);
    for (int y = 0; y < out->height; y++)
        for (int x = 0; x < out->width; x++)
            for (int c = 0; c < 3; c++) {
                int sum = 0;
                for (int v = 0; v < factor; v++)
                    for (int u = 0; u < factor; u++)
                        sum +=
                            image
                                ->rgb[((size_t)(y * factor + v) * (size_t)image->width + (size_t)(x * factor + u)) * 3 +
                                      (size_t)c];
                out->rgb[((size_t)y * (size_t)out->width + (size_t)x) * 3 + (size_t)c] =
                    (unsigned char)((sum + factor * factor / 2) / (factor * factor));
            }
    return SS_OK;
}

ss_status page_add_image(text *out, const rgb_image *image, const char *classes, const char *alternative, int max_side,
                         ss_error *err) {
    int side = image->width > image->height ? image->width : image->height;
    int factor = (side + max_side - 1) / max_side;
    rgb_image small = {0};
    unsigned char *png = NULL;
    size_t size = 0;
    ss_status status = factor > 1 ? shrink(image, factor, &small, err) : SS_OK;
    if (status == SS_OK) status = png_encode(factor > 1 ? &small : image, NULL, 0, &png, &size, err);
    if (status == SS_OK) {
        text_add(out, "<img");
        if (classes) text_addf(out, " class=\"%s\"", classes);
        text_addf(out, " width=\"%d\" height=\"%d\" alt=\"", image->width / factor, image->height / factor);
        text_add_html(out, alternative);
        text_add(out, "\" src=\"data:image/png;base64,");
        base64_add(out, png, size);
        text_add(out, "\">");
        if (out->failed) status = error_no_memory(err, "a picture of a page", size);
    }
    free(png);
    rgb_image_free(&small);
    return status;
}

static void add_contents(const page_section *section, const text *body, int n, text *out) {
    text_add(out, "<nav aria-label=\"Contents\"><ol>\n");
    for (int i = 0; i < n; i++) {
        if (body[i].len == 0) continue;
        text_addf(out, "<li><a href=\"#%s\">", section[i].id);
        text_add_html(out, section[i].title);
        text_add(out, "</a></li>\n");
    }
    text_add(out, "</ol></nav>\n");
}

void page_write(const char *title, const char *kicker, const char *lede, const page_section *section, int n,
                const void *facts, text *out) {
    text *body = calloc((size_t)n, sizeof *body);
    if (!body) {
        out->failed = 1;
        return;
    }
    for (int i = 0; i < n; i++) section[i].write(facts, &body[i]);
    text_add(out, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
                  "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                  "<meta name=\"color-scheme\" content=\"light dark\">\n<title>");
    text_add_html(out, title);
    text_add(out, "</title>\n<style>\n");
    for (int i = 0; PAGE_STYLE[i]; i++) text_add(out, PAGE_STYLE[i]);
    text_add(out, "</style></head>\n<body>\n<header>");
    page_element(out, "p", "kicker", kicker);
    page_element(out, "h1", NULL, title);
    if (lede) page_element(out, "p", "lede", lede);
    text_add(out, "</header>\n");
    add_contents(section, body, n, out);
    text_add(out, "<main>\n");
    for (int i = 0; i < n; i++) {
        if (body[i].failed) out->failed = 1;
        if (body[i].len == 0) continue;
        text_addf(out, "<section id=\"%s\">", section[i].id);
        page_element(out, "h2", NULL, section[i].title);
        text_add(out, "\n");
        text_add_n(out, body[i].s, body[i].len);
        text_add(out, "</section>\n");
    }
    text_add(out, "</main>\n</body></html>\n");
    for (int i = 0; i < n; i++) text_free(&body[i]);
    free(body);
}
