/* See markdown.h. */
#include "report/markdown.h"

#include "report/words.h"

/* A cell: '|' would end it. */
void markdown_cell(text *out, const char *s) {
    text_add(out, " ");
    for (; *s; s++) text_add_n(out, *s == '|' || *s == '\n' ? "/" : s, 1);
    text_add(out, " |");
}

/* Takes the words. */
void markdown_taken(text *out, text *words) {
    if (words->failed) out->failed = 1;
    markdown_cell(out, words->failed || !words->len ? "–" : words->s);
    text_free(words);
    *words = (text){0};
}

void markdown_table(text *out, const char *const *heading, int n) {
    text_add(out, "\n|");
    for (int i = 0; i < n; i++) markdown_cell(out, heading[i]);
    text_add(out, "\n|");
    for (int i = 0; i < n; i++) text_add(out, "---|");
    text_add(out, "\n");
}

void markdown_estimate(text *out, const stats_contrast *c) {
    text words = {0};
    words_add_difference(&words, c);
    markdown_taken(out, &words);
}

void markdown_figure(text *out, stats_figure f) {
    text words = {0};
    if (f.state == STATS_DEFINED) text_add_double(&words, f.value, 2);
    markdown_taken(out, &words);
}

void markdown_number(text *out, int64_t x) {
    text words = {0};
    text_addf(&words, "%lld", (long long)x);
    markdown_taken(out, &words);
}

void markdown_contrast(text *out, const study_contrast *c) {
    text words = {0};
    words_add_contrast(&words, c);
    markdown_taken(out, &words);
}
