/* Philox4x32-10 and the few distributions drawn from it. */
#include "base/philox.h"

#include <math.h>
#include <string.h>

void philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]) {
    uint32_t c[4] = {counter[0], counter[1], counter[2], counter[3]};
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c[0], p1 = (uint64_t)0xCD9E8D57u * c[2];
        uint32_t n0 = (uint32_t)(p1 >> 32) ^ c[1] ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c[3] ^ k1;
        c[1] = (uint32_t)p1;
        c[3] = (uint32_t)p0;
        c[0] = n0;
        c[2] = n2;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    memcpy(out, c, sizeof c);
}

void philox_init(philox *r, uint64_t seed, const uint64_t *parts, int n) {
    uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)}, state[4] = {0, 0, 0, 0};
    for (int i = 0; i <= n; i++) { /* the last round folds in the length */
        uint64_t part = i < n ? parts[i] : (uint64_t)n ^ UINT64_C(0x73696e6b73636f70);
        uint32_t in[4] = {state[0] ^ (uint32_t)part, state[1] ^ (uint32_t)(part >> 32), state[2],
                          state[3] ^ (uint32_t)i};
        philox4x32(in, key, state);
    }
    r->key[0] = state[0];
    r->key[1] = state[1];
    r->counter[0] = 0;
    r->counter[1] = 0;
    r->counter[2] = state[2];
    r->counter[3] = state[3];
    r->used = 4;
}

uint64_t philox_hash_text(const char *utf8) {
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (; *utf8; utf8++) h = (h ^ (unsigned char)*utf8) * UINT64_C(0x100000001b3);
    return h;
}

void philox_skip(philox *r, uint64_t n) {
    uint64_t low = ((uint64_t)r->counter[1] << 32 | r->counter[0]) + n;
    r->counter[0] = (uint32_t)low;
    r->counter[1] = (uint32_t)(low >> 32);
    r->used = 4;
}

uint32_t philox_u32(philox *r) {
    if (r->used == 4) {
        philox4x32(r->counter, r->key, r->block);
        if (++r->counter[0] == 0) r->counter[1]++;
        r->used = 0;
    }
    return r->block[r->used++];
}

uint64_t philox_u64(philox *r) {
    uint64_t low = philox_u32(r);
    return low | (uint64_t)philox_u32(r) << 32;
}

uint32_t philox_below(philox *r, uint32_t n) {
    uint64_t product = (uint64_t)philox_u32(r) * n;
    if ((uint32_t)product < n) {
        uint32_t threshold = (uint32_t)-n % n;
        while ((uint32_t)product < threshold) product = (uint64_t)philox_u32(r) * n;
    }
    return (uint32_t)(product >> 32);
}

double philox_uniform(philox *r) { return (double)(philox_u64(r) >> 11) * 0x1p-53; }

double philox_normal(philox *r) {
    double u = 1.0 - philox_uniform(r), v = philox_uniform(r); /* u in (0, 1] */
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586476925 * v);
}
