/* Names that a pickle may import, and what calling one means here: an object that says what was asked for. Nothing is
 * imported, nothing is called. A name outside of the tables ends the reading. A row is one module and one name; only
 * whole packages of training, whose objects are all dropped, are known by the first part of the module. */
#include <stdio.h>
#include <string.h>

#include "io/bytes.h"
#include "io/pickle_machine.h"

typedef enum meaning {
    ORDERED_DICT,
    SIZE,      /* torch.Size: the tuple it is made of */
    TENSOR,    /* a function that rebuilds a tensor from a storage */
    PARAMETER, /* a function that wraps a tensor: the tensor */
    STORAGE,   /* a class of storages: named, never called */
    OPAQUE,    /* its result is dropped, for any arguments */
} meaning;

static const struct {
    const char *module, *name;
    meaning meaning;
    int value; /* TENSOR and PARAMETER: the least number of arguments; STORAGE: torch_type */
} NAMES[] = {
    {"collections", "OrderedDict", ORDERED_DICT, 0},
    {"torch._utils", "_rebuild_tensor_v2", TENSOR, 6},
    {"torch._utils", "_rebuild_tensor", TENSOR, 4},
    {"torch._utils", "_rebuild_parameter", PARAMETER, 3},
    {"torch._utils", "_rebuild_parameter_with_state", PARAMETER, 4},
    {"torch", "Size", SIZE, 0},
    {"torch", "DoubleStorage", STORAGE, TORCH_F64},
    {"torch", "FloatStorage", STORAGE, TORCH_F32},
    {"torch", "HalfStorage", STORAGE, TORCH_F16},
    {"torch", "BFloat16Storage", STORAGE, TORCH_BF16},
    {"torch", "LongStorage", STORAGE, TORCH_I64},
    {"torch", "IntStorage", STORAGE, TORCH_I32},
    {"torch", "ShortStorage", STORAGE, TORCH_I16},
    {"torch", "CharStorage", STORAGE, TORCH_I8},
    {"torch", "ByteStorage", STORAGE, TORCH_U8},
    {"torch", "BoolStorage", STORAGE, TORCH_BOOL},
    {"torch.storage", "UntypedStorage", STORAGE, TORCH_U8},
    /* beside the tensors in checkpoints of training: options, learning rates, milestones */
    {"argparse", "Namespace", OPAQUE, 0},
    {"collections", "Counter", OPAQUE, 0},
    {"collections", "defaultdict", OPAQUE, 0},
    {"pathlib", "PosixPath", OPAQUE, 0},
    {"typing", "Any", OPAQUE, 0},
    {"__builtin__", "dict", OPAQUE, 0}, /* as types that something is said to be of */
    {"__builtin__", "list", OPAQUE, 0},
    {"__builtin__", "set", OPAQUE, 0},
    {"__builtin__", "int", OPAQUE, 0},
    {"__builtin__", "float", OPAQUE, 0},
    {"builtins", "dict", OPAQUE, 0},
    {"builtins", "list", OPAQUE, 0},
    {"builtins", "set", OPAQUE, 0},
    {"builtins", "int", OPAQUE, 0},
    {"builtins", "float", OPAQUE, 0},
    {"_codecs", "encode", OPAQUE, 0}, /* bytes, in protocol 2 */
    {"numpy", "dtype", OPAQUE, 0},
    {"numpy.core.multiarray", "scalar", OPAQUE, 0},
    {"numpy._core.multiarray", "scalar", OPAQUE, 0},
    {"torch", "device", OPAQUE, 0},
    {"torch", "float64", OPAQUE, 0},
    {"torch", "float32", OPAQUE, 0},
    {"torch", "float16", OPAQUE, 0},
    {"torch", "bfloat16", OPAQUE, 0},
    {"torch", "int64", OPAQUE, 0},
    {"torch", "int32", OPAQUE, 0},
    {"torch", "int16", OPAQUE, 0},
    {"torch", "int8", OPAQUE, 0},
    {"torch", "uint8", OPAQUE, 0},
    {"torch", "bool", OPAQUE, 0},
    {"", "a class of a package for training", OPAQUE, 0}, /* what the packages below name; the last row */
};
enum { NAME_COUNT = sizeof NAMES / sizeof NAMES[0] };

/* Packages that train, of whose many classes objects lie beside the tensors: callbacks, hyperparameters. Any class of
 * theirs is accepted, since its result is dropped. */
static const char *const PACKAGES[] = {"pytorch_lightning", "lightning", "lightning_fabric", "omegaconf"};
enum { PACKAGE_COUNT = sizeof PACKAGES / sizeof PACKAGES[0] };

static int equals(const char *known, const unsigned char *bytes, size_t n) {
    return strlen(known) == n && memcmp(known, bytes, n) == 0;
}

/* Whether the module is one of these packages or lies in it: "omegaconf", "omegaconf.dictconfig". */
static int is_of_training(const unsigned char *module, size_t n) {
    for (int i = 0; i < PACKAGE_COUNT; i++) {
        const size_t length = strlen(PACKAGES[i]);
        if (n >= length && memcmp(PACKAGES[i], module, length) == 0 && (n == length || module[length] == '.')) return 1;
    }
    return 0;
}

static ss_status pickle_names_import(machine *m, const unsigned char *module, size_t module_length,
                                     const unsigned char *name, size_t name_length) {
    for (int i = 0; i < NAME_COUNT; i++)
        if (equals(NAMES[i].module, module, module_length) && equals(NAMES[i].name, name, name_length))
            return machine_push_new(m, (pickle_object){.kind = PICKLE_NAME, .type = i});
    if (is_of_training(module, module_length))
        return machine_push_new(m, (pickle_object){.kind = PICKLE_NAME, .type = NAME_COUNT - 1});
    char asked[2 * sizeof(bytes_name) + 2];
    snprintf(asked, sizeof asked, "%s.%s", bytes_printable(module, module_length).s,
             bytes_printable(name, name_length).s);
    return machine_refuse(m, "asks for ", asked);
}

/* A line of the pickle, without its end. */
static ss_status take_line(machine *m, const unsigned char **line, size_t *length) {
    *line = m->bytes + m->at;
    const unsigned char *end = m->at < m->size ? memchr(*line, '\n', m->size - m->at) : NULL;
    if (!end) return machine_fail(m, "has a name without an end (truncated?)");
    *length = (size_t)(end - *line);
    m->at += *length + 1;
    return SS_OK;
}

ss_status machine_global(machine *m) {
    const unsigned char *module = NULL, *name = NULL;
    size_t module_length = 0, name_length = 0;
    SS_TRY(take_line(m, &module, &module_length));
    SS_TRY(take_line(m, &name, &name_length));
    return pickle_names_import(m, module, module_length, name, name_length);
}

ss_status machine_stack_global(machine *m) {
    pickle_ref module = 0, name = 0;
    SS_TRY(machine_pop(m, &name));
    SS_TRY(machine_pop(m, &module));
    const pickle_object *a = machine_object(m, module), *b = machine_object(m, name);
    if (a->kind != PICKLE_TEXT || b->kind != PICKLE_TEXT)
        return machine_fail(m, "imports %s out of %s; expected two texts", pickle_kind_name(b), pickle_kind_name(a));
    return pickle_names_import(m, a->text.bytes, a->text.length, b->text.bytes, b->text.length);
}

/* OrderedDict(): empty, filled by SETITEMS later (Python 3); OrderedDict([[key, value], ...]) (Python 2). */
static ss_status make_ordered_dict(machine *m, const pickle_object *arguments) {
    const pickle *p = m->p;
    uint32_t count = arguments->items.count, pair = 0;
    if (count > 1) return machine_fail(m, "makes an OrderedDict of %lu arguments", (unsigned long)count);
    if (count == 1) {
        const pickle_object *pairs = pickle_at(p, arguments, 0);
        if (pairs->kind != PICKLE_LIST)
            return machine_fail(m, "makes an OrderedDict of %s; expected a list of pairs", pickle_kind_name(pairs));
        pair = pairs->items.first;
    }
    SS_TRY(machine_push_new(m, (pickle_object){.kind = PICKLE_DICT, .type = 1}));
    pickle_ref made = m->stack[m->height - 1];
    for (; pair; pair = p->items[pair].next) {
        const pickle_object *o = pickle_get(p, p->items[pair].value);
        if ((o->kind != PICKLE_LIST && o->kind != PICKLE_TUPLE) || o->items.count != 2)
            return machine_fail(m, "makes an OrderedDict of a list with %s in it; expected pairs", pickle_kind_name(o));
        SS_TRY(machine_add_item(m, made, p->items[o->items.first].value, p->items[o->items.last].value));
    }
    return SS_OK;
}

static ss_status make_tensor(machine *m, int name, const pickle_object *arguments) {
    const pickle_object *first = pickle_at(m->p, arguments, 0);
    if (arguments->items.count < (uint32_t)NAMES[name].value)
        return machine_fail(m, "calls %s with %lu arguments; expected at least %d", NAMES[name].name,
                            (unsigned long)arguments->items.count, NAMES[name].value);
    const int wraps = NAMES[name].meaning == PARAMETER;
    if (first->kind != (wraps ? PICKLE_TENSOR : PICKLE_STORAGE))
        return machine_fail(m, "calls %s with %s; expected a %s", NAMES[name].name, pickle_kind_name(first),
                            wraps ? "tensor" : "storage");
    if (wraps) return machine_push(m, m->p->items[arguments->items.first].value);
    return machine_push_new(m, (pickle_object){.kind = PICKLE_TENSOR, .items = arguments->items});
}

/* REDUCE and NEWOBJ: what to call and its arguments are on the stack. */
ss_status machine_call(machine *m) {
    pickle_ref callee = 0, arguments = 0;
    SS_TRY(machine_pop(m, &arguments));
    SS_TRY(machine_pop(m, &callee));
    const pickle_object *f = machine_object(m, callee), *a = machine_object(m, arguments);
    if (f->kind != PICKLE_NAME) return machine_fail(m, "calls %s; expected a name", pickle_kind_name(f));
    if (a->kind != PICKLE_TUPLE)
        return machine_fail(m, "calls %s with %s; expected a tuple of arguments", NAMES[f->type].name,
                            pickle_kind_name(a));
    const meaning what = NAMES[f->type].meaning;
    if (what == OPAQUE) return machine_push_new(m, (pickle_object){.kind = PICKLE_OPAQUE});
    if (what == ORDERED_DICT) return make_ordered_dict(m, a);
    if (what == STORAGE || m->op != 'R') return machine_refuse(m, "makes a new ", NAMES[f->type].name);
    if (what != SIZE) return make_tensor(m, f->type, a);
    const pickle_object *of = a->items.count == 1 ? pickle_at(m->p, a, 0) : NULL;
    if (!of || of->kind != PICKLE_TUPLE) return machine_fail(m, "makes a torch.Size of other than one tuple");
    return machine_push(m, m->p->items[a->items.first].value);
}

/* Attributes of an OrderedDict (a state dict has _metadata) or of something opaque: dropped. */
ss_status machine_build(machine *m) {
    pickle_ref state = 0, target = 0;
    SS_TRY(machine_pop(m, &state));
    SS_TRY(machine_pop(m, &target));
    const pickle_object *o = machine_object(m, target);
    if ((o->kind == PICKLE_DICT && o->type == 1) || o->kind == PICKLE_OPAQUE) return machine_push(m, target);
    char what[96];
    snprintf(what, sizeof what, "sets the state of %s", pickle_kind_name(o));
    return machine_refuse(m, what, "");
}

/* ("storage", class, key, location, elements) and, in files of the older format, None or (key, offset, elements) of a
 * view of it. */
static const char *storage_defect(const pickle *p, const pickle_object *id) {
    if (id->kind != PICKLE_TUPLE) return "is not a tuple";
    if (id->items.count != 5 && id->items.count != 6) return "is not a tuple of five or six";
    const pickle_object *class = pickle_at(p, id, 1), *elements = pickle_at(p, id, 4), *view = pickle_at(p, id, 5);
    if (!pickle_is_text(pickle_at(p, id, 0), "storage")) return "does not begin with \"storage\"";
    if (class->kind != PICKLE_NAME || NAMES[class->type].meaning != STORAGE) return "has no storage class";
    if (pickle_at(p, id, 2)->kind != PICKLE_TEXT) return "has a key that is not a text";
    if (elements->kind != PICKLE_INT || elements->integer < 0) return "has no number of elements";
    if (!view || view->kind == PICKLE_NONE) return NULL;
    if (view->kind != PICKLE_TUPLE || view->items.count != 3) return "has a view that is not a tuple of three";
    for (uint32_t i = 1; i < 3; i++)
        if (pickle_at(p, view, i)->kind != PICKLE_INT || pickle_at(p, view, i)->integer < 0)
            return "has a view without offset and number of elements";
    return NULL;
}

ss_status machine_persistent(machine *m) {
    pickle_ref top = 0;
    SS_TRY(machine_pop(m, &top));
    const pickle_object *id = machine_object(m, top);
    const char *defect = storage_defect(m->p, id);
    if (defect)
        return machine_fail(m, "refers to something outside of the pickle by an id that %s; expected that of a storage",
                            defect);
    const int class = pickle_at(m->p, id, 1)->type;
    return machine_push_new(m, (pickle_object){.kind = PICKLE_STORAGE, .type = NAMES[class].value, .items = id->items});
}
