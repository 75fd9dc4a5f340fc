/* Tokenizer folders by the rules of transformers 5: what from_pretrained of the class does with the files of a folder.
 * CLIPTokenizer, T5Tokenizer and BertTokenizer take the vocabulary, the added tokens and T5's normalization table from
 * tokenizer.json, or from the older files, and build everything else anew; PreTrainedTokenizerFast (TokenizersBackend)
 * takes all of tokenizer.json. Sources: transformers 5.24.0, tokenization_utils_base.py (_from_pretrained),
 * tokenization_utils_tokenizers.py, models/{clip,t5,bert}/tokenization_*.py. */
#ifndef TEXT_TRANSFORMERS5_H
#define TEXT_TRANSFORMERS5_H

#include "text/json_tokenizer.h"
#include "text/post_processor.h"
#include "text/tokenizer.h"

typedef struct transformers5 {
    json_tokenizer *json;
    tokenizer_kind kind;
    int max_length; /* model_max_length; 0: no limit */
    int32_t padding;
    post_ids around; /* what stands before and after a text */
} transformers5;

/* `class_name`: the class that opens it; NULL: tokenizer_config.json says which. */
ss_status transformers5_open(transformers5 *out, const char *folder, const char *class_name, ss_error *err);

/* CLIPTokenizer from a file of merges alone; `config` stands for tokenizer_config.json, called `where` in errors. */
ss_status transformers5_open_clip(transformers5 *out, const char *merges, const json_t *config, const char *where,
                                  ss_error *err);

/* BertTokenizer from a vocab.txt alone, and added[n_added] as further special tokens. */
ss_status transformers5_open_wordpiece(transformers5 *out, const char *vocab_path, const char *const *added,
                                       int n_added, ss_error *err);

#endif
