/* Selectors `top-mass` and `random-mass`: as many keys as bring their summed mass nearest to a given share of the
 * weight, the heaviest ones, or in random order. The mass that is moved is then the same for any number of keys, and
 * however evenly they share the weight. At least one key, at most half of a call's: where one holds more, or half hold
 * less, the set's mass says so (probe `reduction`). In the scope of a layer, masses are means over heads. */
#include "attn/internal.h"

static const option MASS_OPTIONS[] = {
    {"mass", OPTION_DOUBLE, NULL, 0, 1, "0.2", "share of the weight that the keys are to hold together"},
    {0},
};

/* How many keys of an order are nearest to `target`; ties go to fewer. */
static int count_for(const double *mass, const int32_t *order, int most, double target) {
    double sum = 0;
    for (int i = 0; i < most; i++) {
        double next = sum + mass[order[i]];
        if (next >= target) return i > 0 && target - sum <= next - target ? i : i + 1;
        sum = next;
    }
    return most;
}

/* The same of the heaviest keys, which are put into `order`: only as many are ordered as it takes. */
static int count_largest(const double *mass, int keys, int most, double target, int32_t *order) {
    for (int tried = 8;; tried *= 2) {
        int limit = tried < most ? tried : most;
        attn_largest_keys(mass, keys, limit, order);
        int n = count_for(mass, order, limit, target);
        if (n < limit || limit == most) return n;
    }
}

static void select_mass(const select_input *in, int random, key_sets *out) {
    int n = 0, most = in->keys / 2;
    double target = in->options[0].number * (in->scope == SCOPE_LAYER ? in->heads : 1);
    for (int head = 0; head < in->heads; head++) {
        if (attn_own_set(in, head)) {
            const double *mass = attn_scope_mass(in, in->scratch_mass, head);
            if (random) {
                philox r;
                attn_selector_stream(in, "random-mass", head, &r);
                for (int j = 0; j < in->keys; j++) in->scratch_key[j] = j;
                for (int i = 0; i < most; i++) attn_shuffle_next(&r, in->scratch_key, in->keys, i);
                n = count_for(mass, in->scratch_key, most, target);
            } else n = count_largest(mass, in->keys, most, target, in->scratch_key);
        }
        attn_sets_put(out, head, in->scratch_key, n);
    }
}

static ss_status select_top_mass(const select_input *in, key_sets *out, ss_error *err) {
    (void)err;
    select_mass(in, 0, out);
    return SS_OK;
}

static ss_status select_random_mass(const select_input *in, key_sets *out, ss_error *err) {
    (void)err;
    select_mass(in, 1, out);
    return SS_OK;
}

const attn_selector attn_selector_top_mass = {
    .about = {"top-mass", "the heaviest keys, as many as bring their summed mass nearest to a share of the weight",
              MASS_OPTIONS},
    .select = select_top_mass,
    .sized = 1,
    .sinks = 1,
    .needs = NEED_MASS};

const attn_selector attn_selector_random_mass = {
    .about = {"random-mass",
              "keys drawn one by one, as many as bring their summed mass nearest to a share of the weight",
              MASS_OPTIONS},
    .select = select_random_mass,
    .sized = 1,
    .needs = NEED_MASS};
