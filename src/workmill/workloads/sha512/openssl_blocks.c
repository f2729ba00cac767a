/* For the bench only: iterated SHA-512 over OpenSSL's own block function, which is passed in.
 *
 * The layout of the context is OpenSSL's `SHA512_CTX`, unchanged since 0.9.8. */

#include <stdint.h>
#include <string.h>

struct context {
    uint64_t h[8], low, high;
    unsigned char block[128];
    unsigned int number, digest_bytes;
};

static uint64_t big_endian(uint64_t word)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return __builtin_bswap64(word);
#else
    return word;
#endif
}

void openssl_blocks(void (*init)(struct context *),
                    void (*transform)(struct context *, const unsigned char *),
                    unsigned char *state, uint64_t iterations)
{
    unsigned char block[128] = {[64] = 0x80, [126] = 2};
    struct context context;

    memcpy(block, state, 64);
    for (; iterations; iterations--) {
        init(&context);
        transform(&context, block);
        for (int i = 0; i < 8; i++) {
            uint64_t bytes = big_endian(context.h[i]);
            memcpy(block + 8 * i, &bytes, 8);
        }
    }
    memcpy(state, block, 64);
}
