/* Runs the kernel under the sanitizers: `sanitized advance|fold VARIANT < case > states`, the
 * variant by its number.
 *
 * A case is how many there are, their counts or lengths (all native 64-bit), and their states or
 * bodies. Every array is exactly as long as it must be, so one step outside is seen. Exit 3: no
 * such variant. */

#include <stdio.h>
#include <stdlib.h>

#include "chains.h"
#include "messages.h"

static void *allocate(size_t bytes)
{
    void *buffer = malloc(bytes ? bytes : 1);
    if (buffer == NULL)
        exit(2);
    return buffer;
}

static void *read_exactly(size_t bytes)
{
    void *buffer = allocate(bytes);
    if (fread(buffer, 1, bytes, stdin) != bytes)
        exit(2);
    return buffer;
}

static unsigned char *advanced(const struct chains_variant *variant, const uint64_t *counts,
                               size_t chains)
{
    unsigned char *states = read_exactly(chains * CHAINS_STATE_BYTES);
    chains_advance(variant, states, counts, chains);
    return states;
}

static unsigned char *folded(const struct chains_variant *variant, const uint64_t *lengths,
                             size_t messages)
{
    unsigned char *digests = allocate(messages * CHAINS_STATE_BYTES);
    struct messages_body *bodies = allocate(messages * sizeof *bodies);
    for (size_t i = 0; i < messages; i++)
        bodies[i] = (struct messages_body){read_exactly(lengths[i]), lengths[i]};
    messages_fold(variant, bodies, messages, digests);
    for (size_t i = 0; i < messages; i++)
        free((void *)bodies[i].bytes);
    free(bodies);
    return digests;
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    const struct chains_variant *variant = chains_variant_at(strtoul(argv[2], NULL, 10));
    if (variant == NULL)
        return 3;
    uint64_t *number = read_exactly(sizeof *number);
    uint64_t *sizes = read_exactly(*number * sizeof *sizes);
    unsigned char *states = (argv[1][0] == 'a' ? advanced : folded)(variant, sizes, *number);

    fwrite(states, CHAINS_STATE_BYTES, *number, stdout);
    free(states);
    free(sizes);
    free(number);
    return 0;
}
