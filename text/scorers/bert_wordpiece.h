/* BERT's WordPiece, uncased. Ids equal those of transformers 4.57.1's slow BertTokenizer with its defaults
 * (do_lower_case): the class that ImageReward opens. Source: transformers/models/bert/tokenization_bert.py,
 * tokenization_utils.py. */
#ifndef SCORERS_BERT_WORDPIECE_H
#define SCORERS_BERT_WORDPIECE_H

#include "text/added_tokens.h"
#include "text/token_builder.h"

typedef struct bert_wordpiece bert_wordpiece;

/* `vocab_path`: vocab.txt, one piece a line, the line's place being its id. It must hold [UNK], [SEP], [PAD], [CLS] and
 * [MASK]. `added[n_added]`: more special tokens; one that is not in the file gets the next id after it. */
ss_status bert_wordpiece_open(bert_wordpiece **out, const char *vocab_path, const char *const *added, int n_added,
                              ss_error *err);
/* vocab.txt of a folder, and the added tokens that its tokenizer_config.json names. A setting that would change ids
 * (do_lower_case false and the like) is refused. */
ss_status bert_wordpiece_open_folder(bert_wordpiece **out, const tokenizer_files *files, ss_error *err);
void bert_wordpiece_close(bert_wordpiece *w); /* NULL is allowed */

/* Append the tokens of valid UTF-8, without [CLS] and [SEP], untruncated. */
ss_status bert_wordpiece_encode(const bert_wordpiece *w, const char *s, size_t n, token_builder *b, ss_error *err);

int32_t bert_wordpiece_start_id(const bert_wordpiece *w);
int32_t bert_wordpiece_end_id(const bert_wordpiece *w);
int32_t bert_wordpiece_padding_id(const bert_wordpiece *w);
int bert_wordpiece_size(const bert_wordpiece *w);
const char *bert_wordpiece_piece(const bert_wordpiece *w, int32_t id); /* NULL: no such id */

#endif
