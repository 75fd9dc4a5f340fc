/* The opcodes of a pickle, as a table; names and calls are in io/pickle_names.c. An opcode adds at most one object and
 * one place on the stack, and the items that it takes off the stack or, for an OrderedDict made of a list, out of that
 * list: memory is bounded by the bytes read, or by PICKLE_LIMIT. The only effect of a pickle is the objects that it
 * builds; nothing in it is executed. */
#include "io/pickle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "io/bytes.h"
#include "io/pickle_machine.h"

const pickle_object *pickle_get(const pickle *p, pickle_ref ref) { return &p->objects[ref]; }

const pickle_object *pickle_at(const pickle *p, const pickle_object *o, uint32_t i) {
    uint32_t at = o->items.first;
    while (at && i--) at = p->items[at].next;
    return at ? pickle_get(p, p->items[at].value) : NULL;
}

int pickle_is_text(const pickle_object *o, const char *s) {
    size_t n = strlen(s);
    return o->kind == PICKLE_TEXT && o->text.length == n && memcmp(o->text.bytes, s, n) == 0;
}

const pickle_object *pickle_find(const pickle *p, const pickle_object *o, const char *key) {
    if (o->kind != PICKLE_DICT) return NULL;
    for (uint32_t at = o->items.first; at; at = p->items[at].next)
        if (pickle_is_text(pickle_get(p, p->items[at].key), key)) return pickle_get(p, p->items[at].value);
    return NULL;
}

const char *pickle_kind_name(const pickle_object *o) {
    static const char *const NAMES[] = {"None",
                                        "a truth value",
                                        "an integer",
                                        "an integer of more than 64 bits",
                                        "a float",
                                        "a text",
                                        "a tuple",
                                        "a list",
                                        "a dict",
                                        "a name",
                                        "a storage",
                                        "a tensor",
                                        "bytes, a type or the like"};
    return NAMES[o->kind];
}

static ss_status pickle_fail_at(const pickle *p, size_t at, ss_error *err, const char *fmt, va_list args) {
    char message[1024];
    vsnprintf(message, sizeof message, fmt, args);
    return error_set(err, SS_ERR_INPUT, p->file, "%s%sbyte %zu: %s", p->part ? p->part : "", p->part ? ", " : "",
                     p->base + at, message);
}

ss_status(pickle_fail)(const pickle *p, size_t at, ss_error *err, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    ss_status status = pickle_fail_at(p, at, err, fmt, args);
    va_end(args);
    return status;
}

ss_status(machine_fail)(const machine *m, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    ss_status status = pickle_fail_at(m->p, m->op_at, m->err, fmt, args);
    va_end(args);
    return status;
}

ss_status(machine_refuse)(const machine *m, const char *what, const char *name) {
    return machine_fail(
        m, "%s%s; only tensors and the containers around them are read (nothing in the file was executed)", what, name);
}

/* Room for one more than `count` in an array of the machine, up to the limit. */
#define PICKLE_ROOM(array, capacity, count)                                                                            \
    ((count) < PICKLE_LIMIT ? ARRAY_ROOM(array, capacity, (count) + 1, "the objects of a pickle", m->err)              \
                            : machine_fail(m, "needs more than %d objects; no state dict does", PICKLE_LIMIT))

pickle_object *machine_object(const machine *m, pickle_ref ref) { return &m->p->objects[ref]; }

ss_status machine_push(machine *m, pickle_ref ref) {
    SS_TRY(PICKLE_ROOM(m->stack, m->stack_room, m->height));
    m->stack[m->height++] = ref;
    return SS_OK;
}

ss_status machine_push_new(machine *m, pickle_object object) {
    pickle *p = m->p;
    SS_TRY(PICKLE_ROOM(p->objects, p->object_room, p->object_count));
    object.at = m->op_at;
    p->objects[p->object_count++] = object;
    return machine_push(m, p->object_count - 1);
}

static uint32_t floor_of(const machine *m) { return m->mark_count ? m->marks[m->mark_count - 1] : 0; }

ss_status machine_pop(machine *m, pickle_ref *out) {
    if (m->height <= floor_of(m)) return machine_fail(m, "takes something off an empty stack");
    *out = m->stack[--m->height];
    return SS_OK;
}

/* The top of the stack, which stays. */
static ss_status peek(machine *m, pickle_ref *out) {
    SS_TRY(machine_pop(m, out));
    m->height++;
    return SS_OK;
}

ss_status machine_add_item(machine *m, pickle_ref container, pickle_ref key, pickle_ref value) {
    pickle *p = m->p;
    SS_TRY(PICKLE_ROOM(p->items, p->item_room, p->item_count));
    uint32_t at = p->item_count++;
    p->items[at] = (pickle_item){.key = key, .value = value};
    pickle_object *o = machine_object(m, container);
    if (o->items.last) p->items[o->items.last].next = at;
    else o->items.first = at;
    o->items.last = at;
    o->items.count++;
    return SS_OK;
}

/* Everything on the stack above `from` becomes items of the container. */
static ss_status pickle_collect(machine *m, pickle_ref container, uint32_t from) {
    const int pairs = machine_object(m, container)->kind == PICKLE_DICT;
    if (pairs && (m->height - from) % 2) return machine_fail(m, "has a key without a value");
    for (uint32_t i = from; i < m->height; i += pairs ? 2 : 1)
        SS_TRY(machine_add_item(m, container, pairs ? m->stack[i] : 0, m->stack[pairs ? i + 1 : i]));
    m->height = from;
    return SS_OK;
}

/* The last MARK, which it closes. */
static ss_status close_mark(machine *m, uint32_t *from) {
    if (m->mark_count == 0) return machine_fail(m, "goes back to a mark; there is none");
    *from = m->marks[--m->mark_count];
    return SS_OK;
}

/* The next n bytes, whose number may be the file's claim. */
static ss_status pickle_take(machine *m, uint64_t n, const unsigned char **out) {
    if (n > m->size - m->at)
        return machine_fail(m, "needs %llu bytes; %zu follow (truncated?)", (unsigned long long)n, m->size - m->at);
    *out = m->bytes + m->at;
    m->at += n;
    return SS_OK;
}

static ss_status op_proto(machine *m) {
    if (m->op_at != 0) return machine_fail(m, "is a second beginning of the pickle");
    if (m->argument[0] >= 2 && m->argument[0] <= 5) return SS_OK;
    return machine_fail(m, "is of pickle protocol %d; expected 2 to 5", m->argument[0]);
}

static ss_status op_frame(machine *m) {
    uint64_t length = bytes_u64(m->argument);
    if (length <= m->size - m->at) return SS_OK;
    return machine_fail(m, "has a frame of %llu bytes; %zu follow (truncated?)", (unsigned long long)length,
                        m->size - m->at);
}

static ss_status op_mark(machine *m) {
    SS_TRY(PICKLE_ROOM(m->marks, m->mark_room, m->mark_count));
    m->marks[m->mark_count++] = m->height;
    return SS_OK;
}

static ss_status op_pop(machine *m) {
    uint32_t from = 0;
    pickle_ref top = 0;
    if (m->op == '0') return machine_pop(m, &top);
    SS_TRY(close_mark(m, &from));
    m->height = from;
    return SS_OK;
}

static ss_status op_constant(machine *m) {
    if (m->op == 'N') return machine_push_new(m, (pickle_object){.kind = PICKLE_NONE});
    return machine_push_new(m, (pickle_object){.kind = PICKLE_BOOL, .integer = m->op == 0x88});
}

static ss_status op_float(machine *m) { return machine_push_new(m, (pickle_object){.kind = PICKLE_FLOAT}); }

static ss_status op_int(machine *m) {
    int64_t value = m->op == 'K'   ? m->argument[0]
                    : m->op == 'M' ? bytes_u16(m->argument)
                                   : (int32_t)bytes_u32(m->argument);
    return machine_push_new(m, (pickle_object){.kind = PICKLE_INT, .integer = value});
}

/* The bytes of an integer, little-endian, in two's complement. */
static ss_status op_long(machine *m) {
    const unsigned char *bytes = NULL;
    size_t n = m->op == 0x8a ? m->argument[0] : bytes_u32(m->argument);
    SS_TRY(pickle_take(m, n, &bytes));
    if (n > 8) return machine_push_new(m, (pickle_object){.kind = PICKLE_LONG, .text = {.bytes = bytes, .length = n}});
    uint64_t value = n && bytes[n - 1] & 0x80 ? UINT64_MAX : 0;
    memcpy(&value, bytes, n);
    return machine_push_new(m, (pickle_object){.kind = PICKLE_INT, .integer = (int64_t)value});
}

static uint64_t length_argument(const machine *m) {
    switch (m->op) {
    case 'U':
    case 'C':
    case 0x8c: return m->argument[0];
    case 0x8d:
    case 0x8e: return bytes_u64(m->argument);
    default: return bytes_u32(m->argument);
    }
}

static ss_status op_text(machine *m) {
    const unsigned char *bytes = NULL;
    uint64_t n = length_argument(m);
    SS_TRY(pickle_take(m, n, &bytes));
    return machine_push_new(m, (pickle_object){.kind = PICKLE_TEXT, .text = {.bytes = bytes, .length = n}});
}

static ss_status op_bytes(machine *m) {
    const unsigned char *bytes = NULL;
    SS_TRY(pickle_take(m, length_argument(m), &bytes));
    return machine_push_new(m, (pickle_object){.kind = PICKLE_OPAQUE});
}

/* A container of what lies above the mark, or of the last one to three on the stack, or an empty one. */
static ss_status op_container(machine *m) {
    uint32_t from = m->height;
    pickle_kind kind = PICKLE_TUPLE;
    pickle_ref made = 0;
    switch (m->op) {
    case '}':
    case 'd': kind = PICKLE_DICT; break;
    case ']':
    case 'l': kind = PICKLE_LIST; break;
    default: break;
    }
    if (m->op == 't' || m->op == 'l' || m->op == 'd') {
        SS_TRY(close_mark(m, &from));
    } else if (m->op >= 0x85 && m->op <= 0x87) {
        uint32_t n = m->op - 0x84u;
        if (m->height - floor_of(m) < n) return machine_fail(m, "takes something off an empty stack");
        from -= n;
    }
    SS_TRY(machine_push_new(m, (pickle_object){.kind = kind}));
    made = m->stack[--m->height];
    SS_TRY(pickle_collect(m, made, from));
    return machine_push(m, made);
}

/* APPEND, APPENDS, SETITEM, SETITEMS: what lies above the mark, or the last one or two, go into the container below. */
static ss_status op_fill(machine *m) {
    const int dict = m->op == 's' || m->op == 'u';
    uint32_t from = 0, n = dict ? 2 : 1;
    pickle_ref target = 0;
    if (m->op == 'e' || m->op == 'u') {
        SS_TRY(close_mark(m, &from));
    } else {
        if (m->height - floor_of(m) < n) return machine_fail(m, "takes something off an empty stack");
        from = m->height - n;
    }
    if (from <= floor_of(m)) return machine_fail(m, "takes something off an empty stack");
    target = m->stack[from - 1];
    const pickle_object *o = machine_object(m, target);
    if (o->kind == PICKLE_OPAQUE) { /* a dict or list of a class of its own: what it holds is dropped with it */
        m->height = from;
        return SS_OK;
    }
    if (o->kind != (dict ? PICKLE_DICT : PICKLE_LIST))
        return machine_fail(m, "puts items into %s; expected a %s", pickle_kind_name(o), dict ? "dict" : "list");
    return pickle_collect(m, target, from);
}

static uint32_t memo_argument(const machine *m) {
    switch (m->op) {
    case 0x94: return m->memo_used;
    case 'q':
    case 'h': return m->argument[0];
    default: return bytes_u32(m->argument);
    }
}

/* Numbers in the memo count up as objects are made (Python 2 begins with 1), so one beyond the bytes read is refused.
 */
static ss_status op_put(machine *m) {
    uint32_t number = memo_argument(m);
    pickle_ref top = 0;
    SS_TRY(peek(m, &top));
    if (number > m->op_at || number >= PICKLE_LIMIT)
        return machine_fail(m, "puts object %lu into the memo; so many cannot have been made", (unsigned long)number);
    const size_t had = m->memo_room;
    SS_TRY(ARRAY_ROOM(m->memo, m->memo_room, number + 1, "the memo of a pickle", m->err));
    if (m->memo_room > had) memset(m->memo + had, 0, (m->memo_room - had) * sizeof *m->memo);
    if (m->memo[number] == 0) m->memo_used++;
    m->memo[number] = top;
    return SS_OK;
}

static ss_status op_get(machine *m) {
    uint32_t number = memo_argument(m);
    if (number >= m->memo_room || m->memo[number] == 0)
        return machine_fail(m, "takes object %lu out of the memo; there is none", (unsigned long)number);
    return machine_push(m, m->memo[number]);
}

/* Opcodes by their byte: name, what obeys it (NULL: known and refused) and bytes of fixed argument. */
static const struct {
    const char *name;
    ss_status (*obey)(machine *m);
    int argument;
} OPCODES[256] = {
    [0x80] = {"PROTO", op_proto, 1},
    [0x95] = {"FRAME", op_frame, 8},
    ['('] = {"MARK", op_mark, 0},
    ['0'] = {"POP", op_pop, 0},
    ['1'] = {"POP_MARK", op_pop, 0},
    ['N'] = {"NONE", op_constant, 0},
    [0x88] = {"NEWTRUE", op_constant, 0},
    [0x89] = {"NEWFALSE", op_constant, 0},
    ['G'] = {"BINFLOAT", op_float, 8},
    ['J'] = {"BININT", op_int, 4},
    ['K'] = {"BININT1", op_int, 1},
    ['M'] = {"BININT2", op_int, 2},
    [0x8a] = {"LONG1", op_long, 1},
    [0x8b] = {"LONG4", op_long, 4},
    ['X'] = {"BINUNICODE", op_text, 4},
    [0x8c] = {"SHORT_BINUNICODE", op_text, 1},
    [0x8d] = {"BINUNICODE8", op_text, 8},
    ['U'] = {"SHORT_BINSTRING", op_text, 1},
    ['T'] = {"BINSTRING", op_text, 4},
    ['C'] = {"SHORT_BINBYTES", op_bytes, 1},
    ['B'] = {"BINBYTES", op_bytes, 4},
    [0x8e] = {"BINBYTES8", op_bytes, 8},
    [')'] = {"EMPTY_TUPLE", op_container, 0},
    [']'] = {"EMPTY_LIST", op_container, 0},
    ['}'] = {"EMPTY_DICT", op_container, 0},
    ['t'] = {"TUPLE", op_container, 0},
    ['l'] = {"LIST", op_container, 0},
    ['d'] = {"DICT", op_container, 0},
    [0x85] = {"TUPLE1", op_container, 0},
    [0x86] = {"TUPLE2", op_container, 0},
    [0x87] = {"TUPLE3", op_container, 0},
    ['a'] = {"APPEND", op_fill, 0},
    ['e'] = {"APPENDS", op_fill, 0},
    ['s'] = {"SETITEM", op_fill, 0},
    ['u'] = {"SETITEMS", op_fill, 0},
    ['q'] = {"BINPUT", op_put, 1},
    ['r'] = {"LONG_BINPUT", op_put, 4},
    [0x94] = {"MEMOIZE", op_put, 0},
    ['h'] = {"BINGET", op_get, 1},
    ['j'] = {"LONG_BINGET", op_get, 4},
    ['c'] = {"GLOBAL", machine_global, 0},
    [0x93] = {"STACK_GLOBAL", machine_stack_global, 0},
    ['R'] = {"REDUCE", machine_call, 0},
    [0x81] = {"NEWOBJ", machine_call, 0},
    ['b'] = {"BUILD", machine_build, 0},
    ['Q'] = {"BINPERSID", machine_persistent, 0},
    ['i'] = {"INST", NULL, 0},
    ['o'] = {"OBJ", NULL, 0},
    [0x82] = {"EXT1", NULL, 0},
    [0x83] = {"EXT2", NULL, 0},
    [0x84] = {"EXT4", NULL, 0},
    [0x92] = {"NEWOBJ_EX", NULL, 0},
    ['P'] = {"PERSID", NULL, 0},
    ['2'] = {"DUP", NULL, 0},
    ['I'] = {"INT", NULL, 0},
    ['L'] = {"LONG", NULL, 0},
    ['F'] = {"FLOAT", NULL, 0},
    ['S'] = {"STRING", NULL, 0},
    ['V'] = {"UNICODE", NULL, 0},
    ['p'] = {"PUT", NULL, 0},
    ['g'] = {"GET", NULL, 0},
    [0x8f] = {"EMPTY_SET", NULL, 0},
    [0x90] = {"ADDITEMS", NULL, 0},
    [0x91] = {"FROZENSET", NULL, 0},
    [0x96] = {"BYTEARRAY8", NULL, 0},
    [0x97] = {"NEXT_BUFFER", NULL, 0},
    [0x98] = {"READONLY_BUFFER", NULL, 0},
};

static ss_status obey_one(machine *m) {
    const unsigned char *op = NULL;
    m->op_at = m->at;
    if (m->at == m->size) return machine_fail(m, "the pickle ends without a STOP (truncated?)");
    SS_TRY(pickle_take(m, 1, &op));
    m->op = *op;
    if (m->op_at == 0 && m->op != 0x80)
        return machine_fail(m, "begins with 0x%02x; expected a pickle of protocol 2 to 5, which begins with 0x80",
                            m->op);
    if (m->op == '.') return SS_OK;
    if (!OPCODES[m->op].obey) {
        char what[64];
        const char *name = OPCODES[m->op].name;
        snprintf(what, sizeof what, "has the opcode 0x%02x%s", m->op, name ? ", " : "");
        return machine_refuse(m, what, name ? name : "");
    }
    SS_TRY(pickle_take(m, (uint64_t)OPCODES[m->op].argument, &m->argument));
    return OPCODES[m->op].obey(m);
}

static ss_status pickle_run(machine *m) {
    do SS_TRY(obey_one(m));
    while (m->op != '.');
    if (m->height != 1 || m->mark_count)
        return machine_fail(m, "stops with %lu objects and %lu marks on the stack; expected one object",
                            (unsigned long)m->height, (unsigned long)m->mark_count);
    m->p->root = m->stack[0];
    m->p->used = m->at;
    return SS_OK;
}

ss_status pickle_read(pickle *p, const unsigned char *bytes, size_t size, const char *file, const char *part,
                      size_t base, ss_error *err) {
    *p = (pickle){.file = file, .part = part, .base = base, .object_count = 1, .item_count = 1};
    machine m = {.p = p, .bytes = bytes, .size = size, .err = err};
    ss_status status = pickle_run(&m);
    free(m.stack);
    free(m.marks);
    free(m.memo);
    if (status != SS_OK) pickle_free(p);
    return status;
}

void pickle_free(pickle *p) {
    free(p->objects);
    free(p->items);
    *p = (pickle){0};
}
