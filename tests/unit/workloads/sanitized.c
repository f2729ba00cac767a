/* Runs chains.c under the sanitizers: `sanitized VARIANT < case > states`, by its number.
 *
 * A case is the number of chains, their counts (all native 64-bit) and their states. Every
 * array is exactly as long as it must be, so one step outside is seen. Exit 3: no such variant. */

#include <stdio.h>
#include <stdlib.h>

#include "chains.h"

static void *read_exactly(size_t bytes)
{
    void *buffer = malloc(bytes ? bytes : 1);
    if (buffer == NULL || fread(buffer, 1, bytes, stdin) != bytes)
        exit(2);
    return buffer;
}

int main(int argc, char **argv)
{
    const struct chains_variant *variant = chains_variant_at(argc > 1 ? strtoul(argv[1], NULL, 10) : 0);
    if (variant == NULL)
        return 3;
    uint64_t *chains = read_exactly(sizeof *chains);
    uint64_t *counts = read_exactly(*chains * sizeof *counts);
    unsigned char *states = read_exactly(*chains * CHAINS_STATE_BYTES);

    chains_advance(variant, states, counts, *chains);
    fwrite(states, CHAINS_STATE_BYTES, *chains, stdout);
    free(states);
    free(counts);
    free(chains);
    return 0;
}
