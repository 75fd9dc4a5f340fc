/* The stack machine of a pickle and what its two halves share: opcodes (io/pickle.c) and names with their calls
 * (io/pickle_names.c). Internal to io/pickle*.c. */
#ifndef IO_PICKLE_MACHINE_H
#define IO_PICKLE_MACHINE_H

#include <stddef.h>
#include "io/pickle.h"

typedef struct machine {
    pickle *p;
    const unsigned char *bytes;
    size_t size, at; /* at: the next byte to read */
    size_t op_at;    /* the opcode being obeyed */
    unsigned char op;
    const unsigned char *argument; /* its fixed argument */
    pickle_ref *stack;
    uint32_t height;
    size_t stack_room;
    uint32_t *marks; /* heights of the stack at each MARK that is open */
    uint32_t mark_count;
    size_t mark_room;
    pickle_ref *memo; /* 0: nothing under this number */
    size_t memo_room;
    uint32_t memo_used;
    ss_error *err;
} machine;

/* An input error at the opcode being obeyed. */
ss_status machine_fail(const machine *m, const char *fmt, ...) BASE_PRINTF(2, 3);
#define machine_fail(...) (machine_fail(__VA_ARGS__), error_code(SS_ERR_INPUT)) /* base/error.h */

/* The same for what is outside of what the machine knows; `what` completes "byte N: ...". */
ss_status machine_refuse(const machine *m, const char *what, const char *name);
#define machine_refuse(...) (machine_refuse(__VA_ARGS__), error_code(SS_ERR_INPUT)) /* base/error.h */

/* `object` gets a number and goes on the stack. */
ss_status machine_push_new(machine *m, pickle_object object);
ss_status machine_push(machine *m, pickle_ref ref);

/* The top of the stack; never below the last MARK. */
ss_status machine_pop(machine *m, pickle_ref *out);

ss_status machine_add_item(machine *m, pickle_ref container, pickle_ref key, pickle_ref value);

pickle_object *machine_object(const machine *m, pickle_ref ref);

/* The opcodes that have to do with names: GLOBAL, STACK_GLOBAL, REDUCE, NEWOBJ, BUILD, BINPERSID. */
ss_status machine_global(machine *m);
ss_status machine_stack_global(machine *m);
ss_status machine_call(machine *m);
ss_status machine_build(machine *m);
ss_status machine_persistent(machine *m);

#endif
