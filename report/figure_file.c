/* A figure outside of a page: an SVG file that brings its name space and the page's style sheet. */
#include "report/figure.h"

#include <string.h>

#include "report/page.h"

/* The page's rules, inside the figure's own element: it is the root that custom properties are set on. */
void figure_as_file(text *svg) {
    static const char OPENING[] = "<svg ";
    text whole = {0};
    const char *end = svg->len ? strchr(svg->s, '>') : NULL;
    if (svg->failed || !end) return;
    text_add(&whole, "<svg xmlns=\"http://www.w3.org/2000/svg\" style=\"background:#faf9f6;font-family:sans-serif\" ");
    text_add_n(&whole, svg->s + strlen(OPENING), (size_t)(end + 1 - svg->s) - strlen(OPENING));
    text_add(&whole, "<style>");
    for (int i = 0; PAGE_STYLE[i]; i++)
        if (strncmp(PAGE_STYLE[i], "@media", 6) != 0) text_add(&whole, PAGE_STYLE[i]);
    text_add(&whole, "</style>");
    text_add(&whole, end + 1);
    if (whole.failed) svg->failed = 1;
    else {
        text_free(svg);
        *svg = whole;
        return;
    }
    text_free(&whole);
}
