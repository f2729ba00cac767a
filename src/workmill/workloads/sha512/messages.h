/* SHA-512 of many whole messages at once. Plain C: knows nothing of Python. */

#ifndef WORKMILL_MESSAGES_H
#define WORKMILL_MESSAGES_H

#include "chains.h"

/* A message where it lies. */
struct messages_body {
    const unsigned char *bytes;
    size_t length;
};

/* Write the 64-byte digest of each body, in order.
 *
 * Bodies of any lengths share the lanes, each taken in its turn by the first that is free. */
void messages_fold(const struct chains_variant *variant, const struct messages_body *bodies,
                   size_t messages, unsigned char *digests);

#endif
