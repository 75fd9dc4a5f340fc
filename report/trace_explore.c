/* The interactive part of a trace's page: a slider of steps, a map of blocks and heads by the mass of their heaviest
 * key, and of the head that is clicked its sinks as tokens of the prompt and as cells of the image, with their mass
 * over steps. The record is on the page as JSON; the script is assets/trace.js. Without scripts the rest of the page
 * shows the same in figures. */
#include "report/trace_page.h"

#include <math.h>

enum { MASS_UNIT = 10000 }; /* masses are whole numbers of 1 / MASS_UNIT */

/* Text as JSON that may stand inside <script>: '<' would begin a tag. */
static void add_string(text *out, const char *s) {
    text quoted = {0};
    text_add_json(&quoted, s);
    for (const char *c = text_for(&quoted, out); *c; c++)
        if (*c == '<') text_add(out, "\\u003c");
        else text_add_n(out, c, 1);
    text_free(&quoted);
}

/* The names of a layout's keys, by branch. */
static void add_names(const trace *t, const attn_block *b, text *out) {
    text_add(out, ",\"name\":[");
    for (int branch = 0; branch < t->branches; branch++) {
        text_add(out, branch ? ",[" : "[");
        for (int key = 0; key < b->keys; key++) {
            text name = {0};
            trace_key_name(t, (attn_branch)branch, b, key, &name);
            text_add(out, key ? "," : "");
            add_string(out, text_for(&name, out));
            text_free(&name);
        }
        text_add(out, "]");
    }
    text_add(out, "]");
}

/* Key and mass of the `top` largest keys of every site, in the order of (step, block, head, branch); -1 where none. */
static void add_sites(const trace *t, text *out) {
    attn_shape s = attn_run_shape(t->run);
    text_add(out, ",\"sinks\":[");
    for (int i = 0; i < s.steps * s.blocks * s.heads * t->branches; i++) {
        const attn_sink *sink;
        int branch = i % t->branches, site = i / t->branches;
        int n = attn_run_sinks(t->run, site / s.heads / s.blocks, site / s.heads % s.blocks, site % s.heads,
                               (attn_branch)branch, &sink);
        for (int k = 0; k < t->measure->top; k++) {
            text_add(out, i + k ? "," : "");
            if (k < n) text_addf(out, "%d,%ld", sink[k].key, lround((double)sink[k].mass * MASS_UNIT));
            else text_add(out, "-1,0");
        }
    }
    text_add(out, "]");
}

static void add_layouts(const trace *t, text *out) {
    text_add(out, ",\"layout\":[");
    for (int layout = 0; layout < trace_layouts(t); layout++) {
        const attn_block *b = trace_layout(t, layout);
        text_addf(out, "%s{\"keys\":%d,\"segment\":[", layout ? "," : "", b->keys);
        for (int i = 0; i < b->n_segments; i++) {
            const attn_segment *s = &b->segment[i];
            text_addf(out, "%s{\"start\":%d,\"length\":%d,\"width\":%d,\"name\":", i ? "," : "", s->start, s->length,
                      s->kind == SEGMENT_IMAGE ? s->grid_width : 0);
            add_string(out, s->name);
            text_add(out, "}");
        }
        text_add(out, "]");
        add_names(t, b, out);
        text_add(out, "}");
    }
    text_add(out, "],\"block\":[");
    for (int i = 0; i < t->sites->blocks; i++) {
        text_addf(out, "%s{\"layout\":%d,\"heads\":%d,\"name\":", i ? "," : "", t->block[i].layout, t->block[i].heads);
        add_string(out, t->block[i].name);
        text_add(out, "}");
    }
    text_add(out, "]");
}

static void add_data(const trace *t, text *out) {
    attn_shape s = attn_run_shape(t->run);
    text_add(out, "<script type=\"application/json\" id=\"trace-data\">");
    text_addf(out, "{\"steps\":%d,\"blocks\":%d,\"heads\":%d,\"branches\":%d,\"top\":%d,\"unit\":%d", s.steps, s.blocks,
              s.heads, t->branches, t->measure->top, (int)MASS_UNIT);
    add_layouts(t, out);
    add_sites(t, out);
    text_add(out, "}</script>\n");
}

void trace_add_explorer(const trace *t, text *out) {
    text_add(
        out,
        "<noscript><p class=\"soft\">With scripts allowed, this part lets you step through the record; the figures "
        "below say the same at once.</p></noscript>\n"
        "<div id=\"x\" hidden><p class=\"controls\"><label>step <input type=\"range\" id=\"x-step\" min=\"0\" "
        "value=\"0\" /> <output id=\"x-step-out\">0</output></label> <label>branch <select id=\"x-branch\">"
        "<option value=\"0\">conditional</option><option value=\"1\">unconditional</option></select></label></p>\n"
        "<div class=\"explore\"><div><small>blocks (down) × heads: mass of the heaviest key; click one</small>"
        "<div id=\"x-map\"></div></div><div id=\"x-image\"></div></div>\n"
        "<p id=\"x-head\"></p>\n<div id=\"x-words\"></div>\n"
        "<svg id=\"x-curve\" class=\"figure half\" viewBox=\"0 0 460 150\" role=\"img\"></svg>\n"
        "<p class=\"soft\" id=\"x-key\"></p></div>\n");
    add_data(t, out);
    text_add(out, "<script>");
    for (int i = 0; TRACE_SCRIPT[i]; i++) text_add(out, TRACE_SCRIPT[i]);
    text_add(out, "</script>\n");
}
