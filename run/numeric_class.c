/* The numeric class: one line that names everything that decides the bits of an image on this machine. */
#include <features.h>
#ifdef __GLIBC__
#include <gnu/libc-version.h>
#endif
#include <sys/utsname.h>
#include <zlib.h>

#include "run/run.h"
#include "tensor/backend.h"
#include "tensor/profile.h"

ss_status numeric_class_describe(const compute *c, const study *y, text *out, ss_error *err) {
    char backend_class[128] = "";
    struct utsname machine;
    text_add(out, profile_backend(c)->about.name); /* a profile changes no bit */
    if (c->be->numeric_class) c->be->numeric_class(c, backend_class, sizeof backend_class);
    if (*backend_class) text_addf(out, "; %s", backend_class);
    if (uname(&machine) == 0) text_addf(out, "; %.16s", machine.machine);
    text_addf(out, "; compiler %.32s", __VERSION__);
#ifdef __GLIBC__
    text_addf(out, "; glibc %s", gnu_get_libc_version());
#endif
    text_addf(out, "; zlib %s", zlibVersion());
    if (y->weights != FORM_STORED) text_addf(out, "; weights %s", WEIGHT_FORM_NAMES[y->weights]);
    if (compute_attention_rounds(c, y->weights)) text_add(out, ", attention too");
    return out->failed ? error_no_memory(err, "the numeric class", out->len) : SS_OK;
}
