/* The plan's prompts as the text encoders see them: what they cut, and whether interventions that name words or classes
 * of tokens find any. Only the tokenizers are used; nothing is encoded. */
#include <string.h>

#include "study/plan_internal.h"

/* An intervention on tokens, and the prompts that have none of them. */
typedef struct asked {
    int condition, intervention;
    int prompts;
    int lacking, partly;           /* that have none; that have some, and more beyond what an encoder takes */
    plan_unit first, first_partly; /* one of each; `first` is one where the word is cut off, if there is any */
    int is_cut;
} asked;

enum { MAX_ASKED = 256 };

static const char *word_of(const void *words, attn_branch branch, int key) {
    return embedding_key_word(words, branch, key);
}

static const attn_intervention *intervention_of(const plan *p, const asked *a) {
    return &p->condition[a->condition].program.intervention[a->intervention];
}

/* The value of a selector's option, NULL where it has none of this name. */
static const option_value *option_of(const attn_intervention *v, const char *name) {
    int i = 0;
    for (const option *o = v->selector->about.options; o && o->name; o++, i++)
        if (strcmp(o->name, name) == 0) return &v->selector_options[i];
    return NULL;
}

static int allows_missing(const attn_intervention *v) {
    const option_value *o = option_of(v, "missing");
    return o && o->word > 0;
}

/* ---- what is cut ---- */

static ss_status count_cuts(plan *p, pipeline *pl, const char *prompt, ss_error *err) {
    text_cut cut[PIPELINE_MAX_ENCODERS];
    int any = 0;
    SS_TRY(pipeline_find_cuts(pl, &p->settings, prompt, cut, &p->texts.n, err));
    for (int i = 0; i < p->texts.n; i++) {
        p->texts.cut[i].encoder = cut[i].encoder;
        p->texts.cut[i].limit = cut[i].limit;
        p->texts.cut[i].prompts += cut[i].kept < cut[i].tokens;
        any |= cut[i].kept < cut[i].tokens;
    }
    p->texts.any += any;
    return SS_OK;
}

/* Whether encoders i and j take as many tokens and cut as many prompts: then one line names both. */
static int cut_alike(const plan *p, int i, int j) {
    return p->texts.cut[i].prompts == p->texts.cut[j].prompts && p->texts.cut[i].limit == p->texts.cut[j].limit;
}

void plan_add_cuts(const plan *p, text *out) {
    int some = 0;
    for (int i = 0; i < p->texts.n; i++) {
        int n = p->texts.cut[i].prompts, said = n == 0;
        for (int j = 0; j < i; j++) said |= cut_alike(p, i, j);
        if (said) continue;
        text_addf(out, "%s%d of %d prompts %s too long for ", some++ ? ", " : "", n, p->counts.prompts,
                  n == 1 ? "is" : "are");
        for (int j = i; j < p->texts.n; j++)
            if (cut_alike(p, i, j)) text_addf(out, "%s%s", j > i ? " and " : "", p->texts.cut[j].encoder);
        text_addf(out, " (%d tokens)", p->texts.cut[i].limit);
    }
}

/* One line for all prompts; the store's table has them one by one. The negative prompt has a line of its own. */
static ss_status note_cuts(const plan *p, pipeline *pl, ss_error *err) {
    text line = {0};
    SS_TRY(pipeline_note_cuts(pl, &p->settings, "", err));
    if (!p->texts.any) return SS_OK;
    plan_add_cuts(p, &line);
    text_add(&line, "; the store's view 'cuts' has the words that are not seen");
    return notices_add_text(pipeline_notices(pl), &line, err);
}

/* ---- tokens that interventions need ---- */

static int list_asked(const plan *p, asked out[MAX_ASKED]) {
    static const attn_text NOTHING = {{NULL, NULL}, word_of, NULL};
    int n = 0;
    for (int c = 0; c < p->study->n_conditions; c++)
        for (int i = 0; i < p->condition[c].program.n && n < MAX_ASKED; i++) {
            const attn_intervention *v = &p->condition[c].program.intervention[i];
            if (attn_intervention_keys(v, p->block, p->sites.blocks, &NOTHING) >= 0)
                out[n++] = (asked){.condition = c, .intervention = i};
        }
    return n;
}

static int contains_fold(const char *s, const char *word) {
    size_t n = strlen(word);
    for (; *s; s++) {
        size_t i = 0;
        for (; i < n && s[i]; i++) {
            char pair[2][2] = {{s[i]}, {word[i]}};
            if (!text_equal_fold(pair[0], pair[1])) break;
        }
        if (i == n) return 1;
    }
    return 0;
}

/* Encoders that cut the unit's text before a word that the intervention names, appended to `out` (may be NULL); how
 * many. */
static ss_status find_cut_word(const plan *p, pipeline *pl, const asked *a, const plan_unit *u, text *out, int *some,
                               ss_error *err) {
    const option_value *word = option_of(intervention_of(p, a), "word");
    const resolved_settings *s = &p->condition[a->condition].settings;
    int negative = intervention_of(p, a)->branches == 1u << BRANCH_UNCOND;
    const char *prompt = negative ? s->negative : plan_unit_prompt(p, u);
    text_cut cut[PIPELINE_MAX_ENCODERS];
    int n;
    *some = 0;
    if (!word || !word->text || !*word->text) return SS_OK;
    SS_TRY(pipeline_find_cuts(pl, s, prompt, cut, &n, err));
    for (int i = 0; i < n; i++) {
        if (!contains_fold(prompt + cut[i].from, word->text)) continue;
        if (out)
            text_addf(out, "%s%s (%d of its %d tokens)", *some ? ", " : "", cut[i].encoder, cut[i].kept, cut[i].tokens);
        ++*some;
    }
    return SS_OK;
}

static ss_status look_for(const plan *p, pipeline *pl, int prompt, asked *a, ss_error *err) {
    const resolved_settings *s = &p->condition[a->condition].settings;
    plan_unit unit = {.prompt = prompt, .condition = a->condition};
    embedding *e;
    SS_TRY(pipeline_blank(pl, s, plan_unit_prompt(p, &unit), &e, err));
    const attn_text text_ = {
        {embedding_key_classes(e, BRANCH_COND), s->guidance > 1 ? embedding_key_classes(e, BRANCH_UNCOND) : NULL},
        word_of,
        e};
    a->prompts++;
    int64_t keys = attn_intervention_keys(intervention_of(p, a), p->block, p->sites.blocks, &text_);
    embedding_free(e);
    int cut;
    SS_TRY(find_cut_word(p, pl, a, &unit, NULL, &cut, err));
    if (keys == 0 && (a->lacking++ == 0 || (cut && !a->is_cut))) a->first = unit, a->is_cut = cut;
    if (keys > 0 && cut && a->partly++ == 0) a->first_partly = unit;
    return SS_OK;
}

/* ---- what is refused ---- */

/* "token, word: red": the selector with the options that were given. */
static void add_selector(const attn_intervention *v, text *out) {
    const option *o = v->selector->about.options;
    text_add(out, v->selector->about.name);
    for (int i = 0; o && o[i].name; i++) {
        const option_value *value = &v->selector_options[i];
        if (value->is_set && value->text) text_addf(out, ", %s: %s", o[i].name, value->text);
    }
}

static ss_status plan_text_judge(const plan *p, pipeline *pl, const asked *a, ss_error *err) {
    const attn_intervention *v = intervention_of(p, a);
    const study_condition *c = &p->study->condition[a->condition];
    int none = a->lacking == a->prompts && p->limit == 0, refused = none || !allows_missing(v);
    int cut;
    text line = {0}, by = {0};
    if (a->lacking == 0) return SS_OK;
    text_addf(&line, "the condition '%s' (", c->name);
    add_selector(v, &line);
    if (a->lacking == a->prompts) text_add(&line, ") finds no key in any prompt");
    else text_addf(&line, ") finds no key in %d of %d prompts", a->lacking, a->prompts);
    text_add(&line, ", for example in ");
    text_add_quote(&line, plan_unit_prompt(p, &a->first), 200);
    ss_status status = find_cut_word(p, pl, a, &a->first, &by, &cut, err);
    if (cut) text_addf(&line, ", where the word is cut off by %s", text_for(&by, &line));
    if (by.failed) line.failed = 1;
    text_free(&by);
    if (status != SS_OK || !refused) {
        if (status == SS_OK) return notices_add_text(pipeline_notices(pl), &line, err);
        text_free(&line);
        return status;
    }
    if (!none) text_add(&line, ". Choose other prompts, or write 'missing: allow': they are then counted");
    status = line.failed ? error_no_memory(err, "an error message", line.len)
                         : yaml_error(p->study->file, c->node, NULL, err, "%s", line.s);
    text_free(&line);
    return status;
}

/* Some of a word's tokens have no effect on the image, others do. */
static ss_status note_partly(const plan *p, pipeline *pl, const asked *a, ss_error *err) {
    text line = {0};
    int cut;
    if (a->partly == 0) return SS_OK;
    text_addf(&line, "the condition '%s' (", p->study->condition[a->condition].name);
    add_selector(intervention_of(p, a), &line);
    text_addf(&line, ") finds some of its tokens alone in %d of %d prompts, for example in ", a->partly, a->prompts);
    text_add_quote(&line, plan_unit_prompt(p, &a->first_partly), 200);
    text_add(&line, ", where the word is cut off by ");
    ss_status status = find_cut_word(p, pl, a, &a->first_partly, &line, &cut, err);
    if (status == SS_OK) return notices_add_text(pipeline_notices(pl), &line, err);
    text_free(&line);
    return status;
}

ss_status plan_read_texts(plan *p, pipeline *pl, ss_error *err) {
    asked each[MAX_ASKED];
    int n = list_asked(p, each);
    p->texts = (plan_texts){0};
    for (int g = 0, last = -1; g < p->n_groups; last = p->group[g++].prompt) { /* a prompt's groups are side by side */
        int prompt = p->group[g].prompt;
        if (prompt == last) continue;
        SS_TRY(count_cuts(p, pl, p->prompts.prompt[prompt].prompt, err));
        for (int i = 0; i < n; i++) SS_TRY(look_for(p, pl, prompt, &each[i], err));
    }
    for (int i = 0; i < n; i++) {
        SS_TRY(plan_text_judge(p, pl, &each[i], err));
        SS_TRY(note_partly(p, pl, &each[i], err));
    }
    return note_cuts(p, pl, err);
}
