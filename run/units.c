/* What a unit is in its study: its role, what it needs of the baseline, and whether it may fail. */
#include <stddef.h>

#include "run/internal.h"

int run_role(const runner *r, const plan_unit *u) { return (int)r->p->study->condition[u->condition].role; }

int run_is_carrier(const runner *r, const plan_unit *u) {
    return run_role(r, u) == CONDITION_BASELINE || run_role(r, u) == CONDITION_CALIBRATION;
}

int run_recalls(const plan_condition *c) {
    for (int i = 0; i < c->program.n; i++)
        if (attn_recalls(&c->program.intervention[i])) return 1;
    return 0;
}

int run_branches(const resolved_settings *s) { return s->guidance > 1 ? 2 : 1; }

int run_may_fail(const runner *r, const plan_unit *u) { return run_role(r, u) == CONDITION_STUDIED; }

ss_status run_name_failure(const runner *r, const plan_unit *u, ss_error *err) {
    ss_error was = *err;
    text name = {0};
    plan_unit_name(r->p, u, &name);
    if (!name.failed && name.s)
        error_set(err, SS_ERR_INPUT, was.where, "%s: %s; what everything is compared with must be finite", name.s,
                  was.message);
    text_free(&name);
    return SS_ERR_INPUT;
}
