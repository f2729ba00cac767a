/* Iterated SHA-512 over many independent chains. Plain C: knows nothing of Python. */

#ifndef WORKMILL_CHAINS_H
#define WORKMILL_CHAINS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define CHAINS_STATE_BYTES 64
#define CHAINS_STATE_WORDS 8
#define CHAINS_MAX_LANES 16

/* The states under way, one a column, as native 64-bit words. */
typedef uint64_t chains_lanes[CHAINS_STATE_WORDS][CHAINS_MAX_LANES];

/* One way to compute, for one kind of processor. */
struct chains_variant {
    const char *name;
    size_t lanes;
    /* All lanes moved on by so many iterations; a lane without a chain is moved on too. */
    void (*step)(chains_lanes lanes, uint64_t iterations, const void *constants);
    /* The lanes' states (FIPS 180-4: hash values) taken through so many blocks of 128 bytes of
     * data, each lane from its own address; every lane must have one. */
    void (*compress)(chains_lanes lanes, const unsigned char *const *data, size_t blocks,
                     const void *constants);
    const void *constants;
    /* Takes over when all chains left fit into its lanes; NULL when there is none. */
    const struct chains_variant *narrower;
    int (*supported)(void);
};

/* The variants that this processor runs, the best one last. NULL past the end. */
const struct chains_variant *chains_variant_at(size_t index);

/* Move each 64-byte state on by its own count of iterations, in place.
 *
 * Chains are taken in the order given, each by the first lane that is free (greedy list
 * scheduling), and no lane idles while a chain waits. A count of 0 takes no lane. */
void chains_advance(const struct chains_variant *variant, unsigned char *states,
                    const uint64_t *counts, size_t chains);

/* Eight bytes of data as a word; SHA-512 is big-endian. */
static inline uint64_t chains_word(const unsigned char *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

/* One lane's state as the bytes of a digest. */
void chains_unload(chains_lanes lanes, size_t lane, unsigned char *state);

#endif
