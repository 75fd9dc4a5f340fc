/* The keys of a trace. A number means a key only together with the block whose call it is of: blocks of one layout have
 * the same keys; layouts are numbered from 0, and counts over all keys run through them one after the other. */
#include "report/trace.h"

int trace_layouts(const trace *t) {
    int n = 0;
    for (int i = 0; i < t->sites->blocks; i++)
        if (t->block[i].layout >= n) n = t->block[i].layout + 1;
    return n;
}

const attn_block *trace_layout(const trace *t, int layout) {
    int i = 0;
    while (i + 1 < t->sites->blocks && t->block[i].layout != layout) i++;
    return &t->block[i];
}

int trace_first_key(const trace *t, int layout) {
    int n = 0;
    for (int i = 0; i < layout; i++) n += trace_layout(t, i)->keys;
    return n;
}

const uint8_t *trace_classes(const trace *t, attn_branch branch, const attn_block *block) {
    return block->kind == ATTN_SELF ? NULL : t->key_class[branch];
}

const char *trace_word(const trace *t, attn_branch branch, const attn_block *block, int key) {
    const char *word = block->kind == ATTN_SELF || !t->word[branch] ? NULL : t->word[branch][key];
    return word ? word : "";
}

void trace_key_name(const trace *t, attn_branch branch, const attn_block *block, int key, text *out) {
    const attn_segment *s = attn_segment_of(block->segment, block->n_segments, key);
    const uint8_t *class = trace_classes(t, branch, block);
    if (!s || s->kind == SEGMENT_IMAGE || !class) {
        attn_key_name(block->segment, block->n_segments, key, out);
        return;
    }
    text_addf(out, "%s %s %d", s->name, TRACE_CLASS[class[key] % KEY_CLASSES], key - s->start);
    if (*trace_word(t, branch, block, key)) text_addf(out, " '%s'", trace_word(t, branch, block, key));
}

int trace_kinds(const trace *t) {
    unsigned kinds = 0;
    int n = 0;
    for (int i = 0; i < t->sites->blocks; i++) kinds |= 1u << t->block[i].kind;
    for (; kinds; kinds &= kinds - 1) n++;
    return n;
}
