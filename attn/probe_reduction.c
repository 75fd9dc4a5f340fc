/* Probe `reduction`: the mass of the edited set before and after, and the dose. Nothing where nothing was edited; sinks
 * that a matched control had to leave out are counted also where the set is empty. */
#include <math.h>

#include "attn/internal.h"

void attn_probe_reduction(const observation *o, float *columns) {
    columns[5] = o->edited || o->left_out > 0 ? (float)o->left_out : NAN;
    if (!o->edited) {
        for (int i = 0; i < 5; i++) columns[i] = NAN;
        return;
    }
    columns[0] = (float)(o->set_size + o->query_rows);
    columns[1] = (float)o->set_mass_before;
    columns[2] = (float)o->set_mass_after;
    columns[3] = (float)o->dose;
    columns[4] = (float)o->direct_rows;
}
