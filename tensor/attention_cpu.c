/* Attention of the cpu backend. */
#include "tensor/attention.h"

void attention_cpu(compute *c, const attention_args *a, const attention_stats *stats) {
    attention_reference(c, a, stats);
}

void attention_edit_cpu(compute *c, const attention_args *a, const attention_edit *e) {
    attention_edit_reference(c, a, e);
}

void attention_dry(compute *c, const attention_args *a, const attention_stats *stats) { (void)c, (void)a, (void)stats; }

void attention_edit_dry(compute *c, const attention_args *a, const attention_edit *e) { (void)c, (void)a, (void)e; }

const char *attention_cpu_isa(void) { return "baseline"; }
