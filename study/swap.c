/* Swapping one attribute of a prompt. Works on the words of the prompt as GenEval writes them: 'a photo of a red car',
 * 'two stars'; keeps number and article right so that the swapped prompt is as natural as the original. */
#include "study/swap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/philox.h"
#include "base/text.h"

enum { WORD_MAX = 64 };

static int is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (unsigned char)c >= 0x80; }

/* First place where `word` stands in `s` as a whole word, or NULL. */
static const char *find_word(const char *s, const char *word) {
    size_t n = strlen(word);
    for (const char *p = s; (p = strstr(p, word)); p++)
        if ((p == s || !is_letter(p[-1])) && !is_letter(p[n])) return p;
    return NULL;
}

static void plural(const char *word, char out[WORD_MAX]) {
    size_t n = strlen(word);
    char last = n ? word[n - 1] : 'x', before = n > 1 ? word[n - 2] : 'x';
    int hisses = last == 's' || last == 'x' || last == 'z' || (last == 'h' && (before == 's' || before == 'c'));
    int vowel = strchr("aeiou", before) != NULL;
    if (last == 'y' && !vowel) snprintf(out, WORD_MAX, "%.*sies", (int)(n - 1), word);
    else snprintf(out, WORD_MAX, "%s%s", word, hisses ? "es" : "s");
}

/* `from` at `at` becomes `to`; an article just before it follows the new word. */
static char *replace(const char *prompt, const char *at, size_t from, const char *to) {
    text t = {0};
    size_t before = (size_t)(at - prompt);
    int vowel = strchr("aeiou", to[0]) != NULL;
    if (before >= 3 && memcmp(at - 3, "an ", 3) == 0 && (before == 3 || at[-4] == ' ')) before -= 3;
    else if (before >= 2 && memcmp(at - 2, "a ", 2) == 0 && (before == 2 || at[-3] == ' ')) before -= 2;
    text_add_n(&t, prompt, before);
    if (before < (size_t)(at - prompt)) text_add(&t, vowel ? "an " : "a ");
    text_add(&t, to);
    text_add(&t, at + from);
    if (!t.failed) return t.s;
    text_free(&t);
    return NULL;
}

/* What the file's metadata offers: every different colour, or class. */
typedef struct pool {
    int n;
    const char *word[256];
} pool;

static void pool_add(pool *p, const char *word) {
    if (!word || p->n == 256) return;
    for (int i = 0; i < p->n; i++)
        if (strcmp(p->word[i], word) == 0) return;
    p->word[p->n++] = word;
}

static void pool_remove(pool *p, const char *word) {
    for (int i = 0; word && i < p->n; i++)
        if (strcmp(p->word[i], word) == 0) p->word[i--] = p->word[--p->n];
}

static const char *attribute(const geneval_object *o, int colour) { return colour ? o->color : o->class_name; }

static void pool_fill(pool *p, const geneval_prompts *prompts, const geneval_prompt *own, int colour) {
    p->n = 0;
    for (int i = 0; i < prompts->n; i++)
        for (int j = 0; j < prompts->prompt[i].n_include; j++)
            pool_add(p, attribute(&prompts->prompt[i].include[j], colour));
    for (int j = 0; j < own->n_include; j++) pool_remove(p, attribute(&own->include[j], colour));
}

/* Where the object's attribute stands in the prompt: a colour best before its class; a class as it is or in plural. */
static const char *locate(const char *prompt, const geneval_object *o, int colour, int *is_plural, size_t *n) {
    char word[2 * WORD_MAX];
    *is_plural = 0;
    if (colour) {
        snprintf(word, sizeof word, "%s %s", o->color, o->class_name);
        const char *at = strstr(prompt, word);
        *n = strlen(o->color);
        return at ? at : find_word(prompt, o->color);
    }
    *n = strlen(o->class_name);
    const char *at = find_word(prompt, o->class_name);
    if (at) return at;
    *is_plural = 1;
    plural(o->class_name, word);
    *n = strlen(word);
    return find_word(prompt, word);
}

ss_status swap_attribute(const geneval_prompts *prompts, int i, uint64_t seed, const char *where, char **out,
                         ss_error *err) {
    const geneval_prompt *own = &prompts->prompt[i];
    philox r;
    philox_init(&r, seed, (uint64_t[]){philox_hash_text("swap-attribute"), (uint64_t)i}, 2);
    pool p;
    *out = NULL;
    for (int colour = 1; colour >= 0; colour--) {
        pool_fill(&p, prompts, own, colour);
        int candidates[GENEVAL_MAX_OBJECTS], n = 0, is_plural;
        size_t length;
        for (int j = 0; j < own->n_include; j++)
            if (attribute(&own->include[j], colour) &&
                locate(own->prompt, &own->include[j], colour, &is_plural, &length))
                candidates[n++] = j;
        if (n == 0 || p.n == 0) continue;
        const geneval_object *o = &own->include[candidates[philox_below(&r, (uint32_t)n)]];
        const char *to = p.word[philox_below(&r, (uint32_t)p.n)],
                   *at = locate(own->prompt, o, colour, &is_plural, &length);
        char several[WORD_MAX];
        if (is_plural) plural(to, several);
        *out = replace(own->prompt, at, length, is_plural ? several : to);
        return *out ? SS_OK : error_no_memory(err, "a prompt", strlen(own->prompt));
    }
    return error_set(err, SS_ERR_INPUT, where,
                     "prompt %d ('%s') has no colour or object in GenEval metadata that its text names; swap-attribute "
                     "needs such prompts",
                     i + 1, own->prompt);
}
