#include "tensor/attention.h"
void attention_edit_cpu(compute *c, const attention_args *a, const attention_edit *e) {
    attention_edit_reference(c, a, e);
}
