/* The data of T5's tokenizer, read from its folder. */
#ifndef TEXT_T5_VOCABULARY_H
#define TEXT_T5_VOCABULARY_H

#include "base/string_map.h"
#include "base/text.h"
#include "text/added_tokens.h"
#include "text/charsmap.h"
#include "text/spiece_model.h"
#include "text/t5_steps.h"

typedef struct t5_vocabulary {
    spiece_model model; /* with the extra ids appended */
    charsmap charsmap;  /* into model.charsmap */
    t5_steps steps;
    string_map ids;       /* piece -> id */
    size_t longest;       /* bytes of the longest piece */
    double unknown_score; /* of a character that no piece covers */
    added_tokens added;
    int size;
    int32_t end, padding;
} t5_vocabulary;

ss_status t5_vocabulary_open(t5_vocabulary *v, const tokenizer_files *files, ss_error *err);
void t5_vocabulary_close(t5_vocabulary *v);

/* The normalizer of the folder (t5_unigram.c): *out must be empty; *stripped is how many bytes went at the start. */
ss_status t5_normalize(const t5_vocabulary *v, const char *s, size_t n, text *out, size_t *stripped, ss_error *err);

#endif
