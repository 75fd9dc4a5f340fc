/* Pages: what every HTML page of the program shares. One self-contained file: its style sheet inside, images as base64,
 * nothing from a network; no script but that of a trace, which the page can do without. Light and dark by the reader's
 * preference. Everything that did not come from the program itself goes through text_add_html. */
#ifndef REPORT_PAGE_H
#define REPORT_PAGE_H

#include "base/text.h"
#include "io/rgb_image.h"

/* A part of a page: it writes what stands below its heading; a part that writes nothing is left out. */
typedef struct page_section {
    const char *id, *title;
    void (*write)(const void *facts, text *out);
} page_section;

/* A whole page: head, title, `lede` (plain text; NULL = none), contents, sections. */
void page_write(const char *title, const char *kicker, const char *lede, const page_section *section, int n,
                const void *facts, text *out);

/* "<tag class=..>escaped</tag>"; classes may be NULL. */
void page_element(text *out, const char *tag, const char *classes, const char *s);

/* A cell, <td> or <th>, of a number with smaller lines below it; each text may be empty, and a number that is reads as
 * a dash. The texts are freed. */
void page_stacked(text *out, const char *tag, text *number, text *first, text *second);

/* A table in a box that scrolls. Between them: rows of page_element "th" and "td" inside <tr>. A heading that starts
 * with '>' is one of numbers, to the right. */
void page_table_begin(text *out, const char *classes, const char *const *heading, int n);
void page_table_end(text *out);

/* A figure: begin, then SVG, then end with its caption (plain text) and the file with the numbers (NULL = none). */
void page_figure_begin(text *out, const char *classes);
void page_figure_end(text *out, const char *caption, const char *csv);

/* Figures, written to a text of their own, side by side; nothing where there are none. The text is freed. */
void page_pair(text *out, text *figures);

/* <img> with the image inside, shrunk by a whole factor to at most `max_side` pixels. classes may be NULL. */
ss_status page_add_image(text *out, const rgb_image *image, const char *classes, const char *alternative, int max_side,
                         ss_error *err);

/* The style sheet line by line (assets/page.css), ended by NULL. */
extern const char *const PAGE_STYLE[];

#endif
