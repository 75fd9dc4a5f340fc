/* The five fields of sentencepiece's ModelProto that encoding needs, from the wire format
 * (https://protobuf.dev/programming-guides/encoding). Every read is checked against the end of the message. */
#include "text/spiece_model.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/file.h"
#include "io/content.h"
#include "text/unicode.h"

enum { FILE_LIMIT = 64 << 20, MAX_PIECES = 1 << 24, MAX_BYTES = 1 << 16 };
enum wire { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

typedef struct message {
    const unsigned char *at, *end;
    const char *name;           /* of the file */
    const unsigned char *begin; /* of the file */
    ss_error *err;
} message;

typedef struct field {
    int number;
    enum wire wire;
    uint64_t value;             /* varint and fixed types */
    const unsigned char *bytes; /* WIRE_BYTES */
    size_t size;
} field;

static ss_status spiece_bad(const message *m, const char *what) {
    return error_set(m->err, SS_ERR_INPUT, m->name, "is not a sentencepiece model: %s at byte %zu", what,
                     (size_t)(m->at - m->begin));
}

static ss_status read_varint(message *m, uint64_t *out) {
    *out = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        if (m->at == m->end) return spiece_bad(m, "a number is cut off");
        unsigned char byte = *m->at++;
        *out |= (uint64_t)(byte & 127) << shift;
        if (byte < 128) return SS_OK;
    }
    return spiece_bad(m, "a number is too long");
}

static ss_status read_fixed(message *m, size_t size, uint64_t *out) {
    if ((size_t)(m->end - m->at) < size) return spiece_bad(m, "a number is cut off");
    *out = 0;
    memcpy(out, m->at, size);
    m->at += size;
    return SS_OK;
}

static ss_status read_field(message *m, field *f) {
    uint64_t tag;
    SS_TRY(read_varint(m, &tag));
    if (tag >> 3 == 0 || tag >> 3 > INT32_MAX) return spiece_bad(m, "a field has no valid number");
    f->number = (int)(tag >> 3);
    f->wire = (enum wire)(tag & 7);
    switch (tag & 7) {
    case WIRE_VARINT: return read_varint(m, &f->value);
    case WIRE_64: return read_fixed(m, 8, &f->value);
    case WIRE_32: return read_fixed(m, 4, &f->value);
    case WIRE_BYTES: break;
    default: return spiece_bad(m, "a field has an unknown type");
    }
    SS_TRY(read_varint(m, &f->value));
    if (f->value > (uint64_t)(m->end - m->at)) return spiece_bad(m, "a field is cut off");
    f->bytes = m->at;
    f->size = (size_t)f->value;
    m->at += f->size;
    return SS_OK;
}

static message inside(const message *m, const field *f) {
    return (message){f->bytes, f->bytes + f->size, m->name, m->begin, m->err};
}

static ss_status append_piece(spiece_model *model, const char *s, size_t n, spiece piece, const char *where,
                              ss_error *err) {
    if (n == 0 || n > MAX_BYTES || memchr(s, 0, n) || unicode_find_invalid(s, n) < n)
        return error_set(err, SS_ERR_INPUT, where, "piece %d is empty, too long or not UTF-8", model->count);
    if (model->count == MAX_PIECES) return error_set(err, SS_ERR_INPUT, where, "has more than %d pieces", MAX_PIECES);
    SS_TRY(ARRAY_ROOM(model->pieces, model->capacity, model->count + 1, where, err));
    piece.length = (uint32_t)n;
    piece.text = malloc(n + 1);
    if (!piece.text) return error_no_memory(err, where, n + 1);
    memcpy(piece.text, s, n);
    piece.text[n] = '\0';
    model->pieces[model->count++] = piece;
    return SS_OK;
}

ss_status spiece_model_append(spiece_model *m, const char *piece, float score, int type, const char *where,
                              ss_error *err) {
    return append_piece(m, piece, strlen(piece), (spiece){.score = score, .type = type}, where, err);
}

/* message SentencePiece: piece = 1, score = 2, type = 3 */
static ss_status spiece_model_read_piece(message m, spiece_model *model) {
    spiece piece = {.type = SPIECE_NORMAL};
    const unsigned char *s = m.at;
    size_t n = 0;
    while (m.at < m.end) {
        field f = {0};
        SS_TRY(read_field(&m, &f));
        if (f.number == 1 && f.wire == WIRE_BYTES) s = f.bytes, n = f.size;
        else if (f.number == 2 && f.wire == WIRE_32) memcpy(&piece.score, &f.value, 4);
        else if (f.number == 3 && f.wire == WIRE_VARINT) piece.type = (int)(f.value & 15);
    }
    if (!(piece.score > -1e30f && piece.score < 1e30f)) return spiece_bad(&m, "a score is not a number");
    return append_piece(model, (const char *)s, n, piece, m.name, m.err);
}

/* message TrainerSpec: model_type = 3 (1 = unigram, the default), unk_id = 40 */
static ss_status read_trainer_spec(message m, spiece_model *model) {
    while (m.at < m.end) {
        field f = {0};
        SS_TRY(read_field(&m, &f));
        if (f.wire != WIRE_VARINT) continue;
        if (f.number == 3 && f.value != 1)
            return error_set(m.err, SS_ERR_INPUT, m.name, "is a sentencepiece model of type %d; expected 1 (unigram)",
                             (int)(f.value & 15));
        if (f.number == 40) model->unk_id = f.value > INT32_MAX ? -1 : (int32_t)f.value;
    }
    return SS_OK;
}

/* message NormalizerSpec: precompiled_charsmap = 2 */
static ss_status read_normalizer_spec(message m, spiece_model *model) {
    while (m.at < m.end) {
        field f = {0};
        SS_TRY(read_field(&m, &f));
        if (f.number != 2 || f.wire != WIRE_BYTES || f.size == 0) continue;
        free(model->charsmap);
        model->charsmap = malloc(f.size);
        if (!model->charsmap) return error_no_memory(m.err, m.name, f.size);
        memcpy(model->charsmap, f.bytes, f.size);
        model->charsmap_size = f.size;
    }
    return SS_OK;
}

/* message ModelProto: pieces = 1, trainer_spec = 2, normalizer_spec = 3 */
static ss_status spiece_model_read_model(message m, spiece_model *model) {
    while (m.at < m.end) {
        field f = {0};
        SS_TRY(read_field(&m, &f));
        if (f.wire != WIRE_BYTES) continue;
        if (f.number == 1) SS_TRY(spiece_model_read_piece(inside(&m, &f), model));
        else if (f.number == 2) SS_TRY(read_trainer_spec(inside(&m, &f), model));
        else if (f.number == 3) SS_TRY(read_normalizer_spec(inside(&m, &f), model));
    }
    if (model->count == 0) return spiece_bad(&m, "no pieces");
    if (model->unk_id < 0 || model->unk_id >= model->count)
        return error_set(m.err, SS_ERR_INPUT, m.name, "has unk_id %d; expected one of its %d pieces", model->unk_id,
                         model->count);
    return SS_OK;
}

ss_status spiece_model_read(spiece_model *m, const void *bytes, size_t size, const char *name, ss_error *err) {
    const unsigned char *p = bytes;
    *m = (spiece_model){0};
    ss_status status = spiece_model_read_model((message){p, p + size, name, p, err}, m);
    if (status != SS_OK) spiece_model_close(m);
    return status;
}

ss_status spiece_model_open(spiece_model *m, const char *path, ss_error *err) {
    char *data;
    size_t size;
    *m = (spiece_model){0};
    SS_TRY(file_read(path, FILE_LIMIT, &data, &size, err));
    ss_status status = content_check(data, size, CONTENT_BINARY | CONTENT_UTF16, "a SentencePiece model", path, err);
    if (status == SS_OK) status = spiece_model_read(m, data, size, path, err);
    free(data);
    return status;
}

void spiece_model_close(spiece_model *m) {
    for (int i = 0; i < m->count; i++) free(m->pieces[i].text);
    free(m->pieces);
    free(m->charsmap);
    *m = (spiece_model){0};
}
