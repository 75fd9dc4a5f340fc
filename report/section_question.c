/* The question, the model, and the command that repeats the study. */
#include "report/sections.h"

#include <math.h>
#include <string.h>

#include "report/words.h"

static void section_question_add_term(text *out, const char *term, text *words) {
    if (words->failed) out->failed = 1;
    if (words->len) {
        page_element(out, "dt", NULL, term);
        page_element(out, "dd", NULL, words->s);
        text_add(out, "\n");
    }
    text_free(words);
    *words = (text){0};
}

static void add_prompts(text *out, const report_facts *f) {
    int64_t prompts = 0;
    for (int i = 0; i < f->tags.rows; i++) prompts += report_whole(&f->tags, i, 1);
    text_add_grouped(out, prompts);
    if (f->tags.rows == 1 && !*report_words(&f->tags, 0, 0)) return;
    for (int i = 0; i < f->tags.rows; i++) {
        const char *tag = report_words(&f->tags, i, 0);
        text_addf(out, "%s%s ", i ? ", " : ": ", *tag ? tag : "no tag");
        text_add_grouped(out, report_whole(&f->tags, i, 1));
    }
}

/* "text_encoder does not see the end of 3 prompts; ..." */
static void add_cuts(text *out, const report_facts *f) {
    for (int i = 0; i < f->cuts.rows; i++) {
        int negative = strcmp(report_words(&f->cuts, i, 0), "uncond") == 0;
        int64_t n = report_whole(&f->cuts, i, 2);
        text_addf(out, "%s%s does not see the end of ", i ? "; " : "", report_words(&f->cuts, i, 1));
        if (negative) text_add(out, "the negative prompt");
        else {
            text_add_grouped(out, n);
            text_add(out, n == 1 ? " prompt" : " prompts");
        }
    }
    if (f->cuts.rows) text_add(out, " (the store's view cuts has the words)");
}

static void section_question_add_seeds(text *out, const study *y) {
    seed_text seed;
    enum { SHOWN = 12 };
    if (y->seeds_by_prompt) {
        text_addf(out, "one a prompt: %s + the prompt's number", seed_write(y->seed[0], seed));
        return;
    }
    for (int i = 0; i < y->n_seeds && i < SHOWN; i++)
        text_addf(out, "%s%s", i ? ", " : "", seed_write(y->seed[i], seed));
    if (y->n_seeds > SHOWN) text_addf(out, ", ... (%d)", y->n_seeds);
    text_add(out, y->n_seeds == 1 ? " (one image a prompt and condition)" : " for each prompt");
}

static void add_sampler(text *out, const sample_settings *s) {
    if (s->steps) text_addf(out, "%d steps", s->steps);
    else text_add(out, "the model's default steps");
    if (isfinite(s->guidance)) {
        text_add(out, ", guidance ");
        text_add_double(out, s->guidance, 6);
    } else text_add(out, ", its default guidance");
    if (s->width) text_addf(out, ", %d × %d pixels", s->width, s->height ? s->height : s->width);
    if (s->negative && *s->negative) text_addf(out, ", negative prompt \"%s\"", s->negative);
    scheduler_asked_add_words(s->scheduler, ", ", out);
    if (s->noise.processors) {
        text_add(out, ", noise ");
        torch_device_add_words(&s->noise, out);
    }
    picture_sizes_add_words(&s->sizes, ", ", out);
}

static void section_question_add_conditions(text *out, const study *y) {
    static const char *const HEADING[] = {"condition", "role", "what is done"};
    page_table_begin(out, "conditions", HEADING, 3);
    for (int i = 0; i < y->n_conditions; i++) {
        const study_condition *c = &y->condition[i];
        int seen = 0;
        for (int j = 0; j < i; j++) seen |= strcmp(y->condition[j].family, c->family) == 0;
        if (seen) continue;
        text ks = {0}, words = {0};
        words_add_family_ks(&ks, y, c);
        words_add_condition(&words, c, text_for(&ks, out));
        text_add(out, "<tr>");
        page_element(out, "th", NULL, c->family);
        page_element(out, "td", "nowrap", words_role(c->role));
        page_element(out, "td", "words", text_for(&words, out));
        text_add(out, "</tr>\n");
        text_free(&ks);
        text_free(&words);
    }
    page_table_end(out);
}

static void section_question_add_metric(text *out, const study_metric *m, const char *term) {
    text words = {0};
    text_addf(&words, "%s%s: %s", m->row->about.name, m->is_random ? " (random weights)" : "", m->row->about.help);
    section_question_add_term(out, term, &words);
}

static void section_question_add_entries(text *out, const report_facts *f) {
    const study *y = f->study;
    text words = {0};
    text_add(&words, y->model);
    section_question_add_term(out, "Model", &words);
    add_prompts(&words, f);
    section_question_add_term(out, "Prompts", &words);
    add_cuts(&words, f);
    section_question_add_term(out, "Cut texts", &words);
    section_question_add_seeds(&words, y);
    section_question_add_term(out, "Image seeds", &words);
    add_sampler(&words, &y->sampler);
    section_question_add_term(out, "Sampler", &words);
    for (int i = 0; i < y->n_metrics; i++)
        section_question_add_metric(out, &y->metric[i], i == y->primary ? "Primary metric" : "Metric");
    for (int i = 0; i < y->n_set_metrics; i++) section_question_add_metric(out, &y->set_metric[i], "Metric of sets");
    for (int i = 0; i < y->n_probes; i++) {
        text_addf(&words, "%s: %s", y->probe[i]->about.name, y->probe[i]->about.help);
        section_question_add_term(out, "Measured", &words);
    }
    text_add_grouped(&words, f->analysis->images);
    text_add(&words, " of ");
    text_add_grouped(&words, f->analysis->images_planned);
    text_add(&words, " planned");
    section_question_add_term(out, "Images", &words);
    for (int i = 0; i < f->notices.n; i++) {
        text_add(&words, f->notices.line[i]);
        section_question_add_term(out, "Noticed", &words);
    }
}

void section_question(const void *facts, text *out) {
    const report_facts *f = facts;
    text_add(out, "<dl>\n");
    section_question_add_entries(out, f);
    text_add(out, "</dl>\n");
    page_element(out, "h3", NULL, "Conditions");
    page_element(out, "p", "soft",
                 "All conditions of a prompt and seed start from the same noise and the same text; they differ in what "
                 "is named here alone.");
    section_question_add_conditions(out, f->study);
}

static void section_question_add_command(text *out, const char *words) {
    text_add(out, "<pre>");
    text_add_html(out, words);
    text_add(out, "</pre>\n");
}

void section_repeat(const void *facts, text *out) {
    const report_facts *f = facts;
    text report = {0};
    static const char *const HEADING[] = {"what", "value"};
    section_question_add_command(out, f->command);
    page_element(out, "p", NULL,
                 "The same study on the same model files gives the same bytes within one numeric class (processor "
                 "features and libraries). The store can be checked, and this report made again from it:");
    text_addf(&report, "sinkscope verify %s\nsinkscope report %s", f->store_folder, f->store_folder);
    section_question_add_command(out, text_for(&report, out));
    text_free(&report);
    if (f->n_entries == 0) return;
    text_add(out, "<details><summary>Versions, numeric class, hashes</summary>\n");
    page_table_begin(out, "hashes", HEADING, 2);
    for (int i = 0; i < f->n_entries; i++) {
        text_add(out, "<tr>");
        page_element(out, "th", "long", f->entry[i].name);
        page_element(out, "td", "hash", f->entry[i].value);
        text_add(out, "</tr>\n");
    }
    page_table_end(out);
    text_add(out, "</details>\n");
}
