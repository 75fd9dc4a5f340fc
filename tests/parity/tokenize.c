/* Prints token ids, for the comparison of tests/parity/tokenize_geneval.py:
 *   tokenize KIND PATH MAX_LENGTH FILE.jsonl
 * KIND says how PATH is opened: folder (tokenizer_open), folder-4 (the same by the rules of transformers 4), openai,
 * open_clip (a file of merges), imagereward (BERT's vocab.txt, with [DEC] and [ENC] added). One line a prompt (member
 * "prompt" of each line of the file): the ids, padded to MAX_LENGTH. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "io/json.h"
#include "text/tokenizer.h"

enum { FILE_LIMIT = 64 << 20 };

static ss_status print_ids(const tokenizer *t, const json_t *line, const char *where, int max_length, ss_error *err) {
    const char *prompt;
    tokens out;
    SS_TRY(json_get_text(line, "prompt", where, &prompt, err));
    SS_TRY(tokenizer_encode(t, prompt, max_length, &out, err));
    for (int i = 0; i < out.count; i++) printf("%s%" PRId32, i ? " " : "", out.at[i].id);
    putchar('\n');
    tokens_free(&out);
    return SS_OK;
}

static ss_status open_kind(tokenizer **t, const char *kind, const char *path, ss_error *err) {
    static const char *const ADDED[] = {"[DEC]", "[ENC]"};
    if (strcmp(kind, "folder") == 0) return tokenizer_open(t, path, NULL, TOKENIZER_TRANSFORMERS_5, err);
    if (strcmp(kind, "folder-4") == 0) return tokenizer_open(t, path, NULL, TOKENIZER_TRANSFORMERS_4, err);
    if (strcmp(kind, "openai") == 0) return tokenizer_open_openai(t, path, err);
    if (strcmp(kind, "open_clip") == 0) return tokenizer_open_open_clip(t, path, err);
    if (strcmp(kind, "imagereward") == 0)
        return tokenizer_open_wordpiece(t, path, ADDED, 2, TOKENIZER_TRANSFORMERS_5, err);
    return error_set(err, SS_ERR_USAGE, kind,
                     "no such kind; expected folder, folder-4, openai, open_clip or imagereward");
}

static ss_status print_all(const char *kind, const char *vocabulary, int max_length, const char *path, ss_error *err) {
    tokenizer *t = NULL;
    char *data, *rest, *line;
    size_t size;
    SS_TRY(file_read(path, FILE_LIMIT, &data, &size, err));
    ss_status status = open_kind(&t, kind, vocabulary, err);
    for (line = strtok_r(data, "\n", &rest); status == SS_OK && line; line = strtok_r(NULL, "\n", &rest)) {
        json_t *tree = NULL;
        status = json_read_bytes(line, strlen(line), path, &tree, err);
        if (status == SS_OK) status = print_ids(t, tree, path, max_length, err);
        json_decref(tree);
    }
    tokenizer_close(t);
    free(data);
    return status;
}

int main(int argc, char **argv) {
    ss_error err = {0};
    int64_t max_length;
    if (argc != 5 || text_to_int(argv[3], &max_length) != 0 || max_length < 2 || max_length > TOKENIZER_MAX_LENGTH) {
        fprintf(stderr, "usage: tokenize KIND PATH MAX_LENGTH FILE.jsonl\n");
        return SS_ERR_USAGE;
    }
    if (print_all(argv[1], argv[2], (int)max_length, argv[4], &err) == SS_OK) return 0;
    fprintf(stderr, "%s: %s\n", err.where, err.message);
    return (int)err.code;
}
