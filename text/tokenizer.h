/* Text to token ids, as the tokenizers of diffusers' pipelines and those of the scorers do it, and beside each id
 * what the token is: the class and the word of the census (METHOD.md, section 2). One interface over three kinds,
 * each under two sets of rules, those of transformers 5 (text/transformers5.h) and of transformers 4:
 *   CLIP  byte-level BPE; transformers 4: the slow CLIPTokenizer (text/clip_bpe.h). Also the SimpleTokenizer of
 *         openai/CLIP, open_clip and hpsv2, which has rules of its own
 *   T5    unigram; transformers 4: T5TokenizerFast (text/t5_unigram.h)
 *   BERT  WordPiece; transformers 4: the slow BertTokenizer, uncased (text/scorers/bert_wordpiece.h)
 * A tokenizer is read-only after opening: any number of threads may encode with it at once. */
#ifndef TEXT_TOKENIZER_H
#define TEXT_TOKENIZER_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

enum { TOKENIZER_MAX_LENGTH = 1 << 16, TOKENIZER_MAX_BYTES = 1 << 16 }; /* tokens out, bytes of a prompt in */

typedef enum tokenizer_kind { TOKENIZER_CLIP, TOKENIZER_T5, TOKENIZER_BERT } tokenizer_kind;

/* T5 has no start token. The end token that truncation keeps is TOKEN_END; CLIP's padding is TOKEN_PADDING also where
 * its id equals that of the end token. A special token spelt out in the prompt is a word. */
typedef enum token_class { TOKEN_START, TOKEN_WORD, TOKEN_END, TOKEN_PADDING } token_class;
enum { TOKEN_CLASS_COUNT = 4 };

const char *token_class_name(token_class c);       /* "start", "word", "end", "padding" */
const char *tokenizer_kind_name(tokenizer_kind k); /* "CLIP", "T5", "BERT" */

typedef struct token {
    int32_t id;
    token_class cls;
    int32_t word; /* index into words for TOKEN_WORD, else -1 */
    /* Bytes of the cleaned text that it stands for, the space before it not counted; 0 for tokens of no word. */
    int32_t bytes;
} token;

/* The result of encoding: `count` tokens, of which the first `used` are not padding. Words are as the tokenizer sees
 * them. CLIP: a run of letters, one digit, or a run of other characters, lower-cased. T5: between spaces, a run of
 * letters and digits or of other characters, case kept; a lone space is an empty word. BERT: between spaces, a run
 * without punctuation or one character of it, lower-cased, without accents. A tokenizer.json of another making: its
 * pieces before the model, or where they begin with a character for space, words as of T5. Compare with case folded.
 * Zero-initialise; free with tokens_free. */
typedef struct tokens {
    token *at;
    int count, used;
    int untruncated; /* how many there would be without truncation or padding; > count: the text was cut */
    char **words;    /* [word_count], terminated UTF-8 */
    int word_count;
} tokens;

void tokens_free(tokens *t);

typedef struct tokenizer tokenizer;

/* Whose ids: a folder's files mean one thing to transformers 5 and another to transformers 4. */
typedef enum tokenizer_rules { TOKENIZER_TRANSFORMERS_5, TOKENIZER_TRANSFORMERS_4 } tokenizer_rules;
enum { TOKENIZER_RULES_COUNT = 2 };

const char *tokenizer_rules_name(tokenizer_rules rules); /* "transformers-5", "transformers-4" */
/* The rules of a name; an error that lists the names. `where` as in error_set. */
ss_status tokenizer_rules_find(const char *name, tokenizer_rules *out, const char *where, ss_error *err);

/* Open a tokenizer folder. transformers 5: tokenizer.json, or the older files below; `class_name` is the class that
 * opens it (of model_index.json), NULL: tokenizer_config.json says which. transformers 4: tokenizer_config.json says
 * which kind it is. CLIP: vocab.json, merges.txt. T5: spiece.model (tokenizer.json, where present, decides the steps
 * around the model). BERT: vocab.txt. */
ss_status tokenizer_open(tokenizer **out, const char *folder, const char *class_name, tokenizer_rules rules,
                         ss_error *err);

/* CLIP as transformers 5 has it, from the file of merges alone, from which the vocabulary follows; `config` stands for
 * tokenizer_config.json (which token pads), called `where` in errors. */
struct json_t;
ss_status tokenizer_open_clip(tokenizer **out, const char *merges, const struct json_t *config, const char *where,
                              ss_error *err);

/* CLIP as openai/CLIP has it: text repaired as by ftfy, padding with id 0, at most 77 tokens. `path` is the file of
 * merges alone (merges.txt, bpe_simple_vocab_16e6.txt, either also as .gz), from which the vocabulary follows, or a
 * folder with vocab.json and merges.txt. A text that is too long is cut and ends with the end token (clip.tokenize with
 * truncate=True). */
ss_status tokenizer_open_openai(tokenizer **out, const char *path, ss_error *err);

/* The same as open_clip and hpsv2 have it: there <start_of_text> and <end_of_text> in a prompt are the special tokens,
 * and
 * <|startoftext|> and <|endoftext|> are text. All else is equal. */
ss_status tokenizer_open_open_clip(tokenizer **out, const char *path, ss_error *err);

/* BERT from vocab.txt alone, with `added[n_added]` as further special tokens: one that is not in the file has the id
 * that follows the last (ImageReward: "[DEC]", "[ENC]"). At most 512 tokens. */
ss_status tokenizer_open_wordpiece(tokenizer **out, const char *vocab_path, const char *const *added, int n_added,
                                   tokenizer_rules rules, ss_error *err);
void tokenizer_close(tokenizer *t); /* NULL is allowed */

tokenizer_kind tokenizer_get_kind(const tokenizer *t);
int tokenizer_vocabulary_size(const tokenizer *t); /* ids are below this, added tokens included */

/* model_max_length; 0 = the files set no limit (transformers writes 1e30 then). */
int tokenizer_max_length(const tokenizer *t);

/* Ids of the special tokens; -1 where there is none (T5: start). */
int32_t tokenizer_start_id(const tokenizer *t);
int32_t tokenizer_end_id(const tokenizer *t);
int32_t tokenizer_padding_id(const tokenizer *t);

/* Encode `utf8` into exactly `max_length` tokens: truncated, the end token kept, or padded on the right. As
 * tokenizer(text, padding="max_length", truncation=True, max_length=max_length). max_length is at least 2. Invalid
 * UTF-8 is an input error that gives the byte. */
ss_status tokenizer_encode(const tokenizer *t, const char *utf8, int max_length, tokens *out, ss_error *err);

/* What encoding to `max_length` tokens leaves out. Start and end tokens are counted. */
typedef struct token_cut {
    int tokens, kept; /* without truncation; with it: equal where all of the text fits */
    size_t from;      /* the text from this byte on is what no token covers; its length where all of it fits */
} token_cut;

/* The place is that of the text as it was given, before any cleaning or lower-casing, and between two characters. */
ss_status tokenizer_find_cut(const tokenizer *t, const char *utf8, int max_length, token_cut *out, ss_error *err);

/* The text of one id as stored in the vocabulary ("star</w>", "▁star"), or NULL for an unknown id. */
const char *tokenizer_piece(const tokenizer *t, int32_t id);

#endif
