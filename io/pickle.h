/* A pickle, read as data. Python's pickle is a program for a stack machine that may import and call anything; this
 * machine calls nothing. It supports containers, numbers and texts, and by exact name the few functions and classes
 * that torch.save needs for a state dict; a call of one of those becomes an object that records its arguments. Every
 * other name and opcode ends the reading with an error that says which, and at which byte. Internal to io/.
 *
 * Format: Lib/pickletools.py of CPython, protocols 2 to 5 (the opcodes that a pickler without out-of-band buffers and
 * sets writes). Tensors: torch/_utils.py, torch/serialization.py, torch/_weights_only_unpickler.py of PyTorch. */
#ifndef IO_PICKLE_H
#define IO_PICKLE_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

/* What memory a hostile pickle can claim: objects, items of containers, depth of the stack, each. A tensor needs about
 * fifteen objects. */
enum { PICKLE_LIMIT = 1 << 22 };

typedef enum pickle_kind {
    PICKLE_NONE,
    PICKLE_BOOL,    /* integer: 0 or 1 */
    PICKLE_INT,     /* integer */
    PICKLE_LONG,    /* an integer of more than 64 bits; text: its bytes, little-endian */
    PICKLE_FLOAT,   /* no value: nothing needs one */
    PICKLE_TEXT,    /* text: in the pickle, not terminated, not checked (Python 2's are any bytes) */
    PICKLE_TUPLE,   /* items: values */
    PICKLE_LIST,    /* items: values */
    PICKLE_DICT,    /* items: keys and values */
    PICKLE_NAME,    /* an imported name; type: its row in the table of names */
    PICKLE_STORAGE, /* type: a torch_type; items: of its persistent id: "storage", class, key, location, elements [,
                       view] */
    PICKLE_TENSOR,  /* items: the arguments of its call: storage, offset, size, stride, ... */
    PICKLE_OPAQUE,  /* known and of no interest: bytes, numpy scalars, types, devices, argparse.Namespace */
} pickle_kind;

/* Types of the elements of a storage. */
typedef enum torch_type {
    TORCH_F64,
    TORCH_F32,
    TORCH_F16,
    TORCH_BF16,
    TORCH_I64,
    TORCH_I32,
    TORCH_I16,
    TORCH_I8,
    TORCH_U8,
    TORCH_BOOL,
} torch_type;

/* An object by its number. Objects refer to each other in any pattern, circles included. */
typedef uint32_t pickle_ref;

typedef struct pickle_object {
    pickle_kind kind;
    int type;  /* NAME, STORAGE; DICT: 1 for an OrderedDict */
    size_t at; /* byte of the pickle that made it */
    union {
        int64_t integer;
        struct {
            const unsigned char *bytes;
            size_t length;
        } text;
        struct {
            uint32_t first, last, count; /* numbers of items, 0 for none; pickle.items[...].next leads on */
        } items;
    };
} pickle_object;

typedef struct pickle_item {
    pickle_ref key, value; /* the key is 0 outside of dicts */
    uint32_t next;         /* 0 after the last */
} pickle_item;

typedef struct pickle {
    const char *file, *part; /* for messages: the path, and the record in it or NULL; borrowed */
    size_t base;             /* where in that the pickle begins */
    pickle_object *objects;  /* 0 is not used */
    uint32_t object_count;
    size_t object_room;
    pickle_item *items; /* 0 is not used */
    uint32_t item_count;
    size_t item_room;
    pickle_ref root;
    size_t used; /* bytes of the pickle, its STOP included; more may follow */
} pickle;

/* Read one pickle from the beginning of `bytes`, which must outlive it. `file`, `part` and `base` as above. */
ss_status pickle_read(pickle *p, const unsigned char *bytes, size_t size, const char *file, const char *part,
                      size_t base, ss_error *err);
void pickle_free(pickle *p);

const pickle_object *pickle_get(const pickle *p, pickle_ref ref);

/* Item i of a tuple, list, storage or tensor; NULL where there are fewer. */
const pickle_object *pickle_at(const pickle *p, const pickle_object *o, uint32_t i);

/* The value under a text key of a dict; NULL when there is none or `o` is no dict. */
const pickle_object *pickle_find(const pickle *p, const pickle_object *o, const char *key);

int pickle_is_text(const pickle_object *o, const char *s);

/* "a dict", "a text", ... */
const char *pickle_kind_name(const pickle_object *o);

/* An input error at a byte of the pickle: "data.pkl, byte 23: ...". */
ss_status pickle_fail(const pickle *p, size_t at, ss_error *err, const char *fmt, ...) BASE_PRINTF(4, 5);
#define pickle_fail(...) (pickle_fail(__VA_ARGS__), error_code(SS_ERR_INPUT)) /* base/error.h */

#endif
