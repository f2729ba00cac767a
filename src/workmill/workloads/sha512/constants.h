/* The table that every variant reads, as an X-macro so that each can spread it over its lanes.
 *
 * Entries 0 to 79 are the round constants K; then come the initial value and what the fixed part
 * of a 64-byte message comes to (see rounds.h): K_8_PADDED is K[8] plus its padding word.
 * Source: FIPS 180-4, sections 4.2.3 and 5.3.5. */

#ifndef WORKMILL_CONSTANTS_H
#define WORKMILL_CONSTANTS_H

#include "rounds.h"

enum {
    IV = 80, FIRST_E = 88, FIRST_A, PAD, LENGTH_BITS, SIGMA_0_OF_PAD, SIGMA_0_OF_512, SIGMA_1_OF_512,
    K_8_PADDED, K_15_PADDED
};

#define K_8 UINT64_C(0xd807aa98a3030242)
#define K_15 UINT64_C(0xc19bf174cf692694)

#define PAD_WORD UINT64_C(0x8000000000000000)
#define LENGTH_WORD UINT64_C(512)

#define IV_A UINT64_C(0x6a09e667f3bcc908)
#define IV_B UINT64_C(0xbb67ae8584caa73b)
#define IV_C UINT64_C(0x3c6ef372fe94f82b)
#define IV_D UINT64_C(0xa54ff53a5f1d36f1)
#define IV_E UINT64_C(0x510e527fade682d1)
#define IV_F UINT64_C(0x9b05688c2b3e6c1f)
#define IV_G UINT64_C(0x1f83d9abfb41bd6b)
#define IV_H UINT64_C(0x5be0cd19137e2179)

/* What round 0 adds to word 0: nothing in it depends on the message. */
#define FIRST_SUM \
    (IV_H + BIG_SIGMA_1(IV_E) + CHOICE(IV_E, IV_F, IV_G) + UINT64_C(0x428a2f98d728ae22))

#define CONSTANTS(X) \
    X(UINT64_C(0x428a2f98d728ae22)) X(UINT64_C(0x7137449123ef65cd)) \
    X(UINT64_C(0xb5c0fbcfec4d3b2f)) X(UINT64_C(0xe9b5dba58189dbbc)) \
    X(UINT64_C(0x3956c25bf348b538)) X(UINT64_C(0x59f111f1b605d019)) \
    X(UINT64_C(0x923f82a4af194f9b)) X(UINT64_C(0xab1c5ed5da6d8118)) \
    X(K_8) X(UINT64_C(0x12835b0145706fbe)) \
    X(UINT64_C(0x243185be4ee4b28c)) X(UINT64_C(0x550c7dc3d5ffb4e2)) \
    X(UINT64_C(0x72be5d74f27b896f)) X(UINT64_C(0x80deb1fe3b1696b1)) \
    X(UINT64_C(0x9bdc06a725c71235)) X(K_15) \
    X(UINT64_C(0xe49b69c19ef14ad2)) X(UINT64_C(0xefbe4786384f25e3)) \
    X(UINT64_C(0x0fc19dc68b8cd5b5)) X(UINT64_C(0x240ca1cc77ac9c65)) \
    X(UINT64_C(0x2de92c6f592b0275)) X(UINT64_C(0x4a7484aa6ea6e483)) \
    X(UINT64_C(0x5cb0a9dcbd41fbd4)) X(UINT64_C(0x76f988da831153b5)) \
    X(UINT64_C(0x983e5152ee66dfab)) X(UINT64_C(0xa831c66d2db43210)) \
    X(UINT64_C(0xb00327c898fb213f)) X(UINT64_C(0xbf597fc7beef0ee4)) \
    X(UINT64_C(0xc6e00bf33da88fc2)) X(UINT64_C(0xd5a79147930aa725)) \
    X(UINT64_C(0x06ca6351e003826f)) X(UINT64_C(0x142929670a0e6e70)) \
    X(UINT64_C(0x27b70a8546d22ffc)) X(UINT64_C(0x2e1b21385c26c926)) \
    X(UINT64_C(0x4d2c6dfc5ac42aed)) X(UINT64_C(0x53380d139d95b3df)) \
    X(UINT64_C(0x650a73548baf63de)) X(UINT64_C(0x766a0abb3c77b2a8)) \
    X(UINT64_C(0x81c2c92e47edaee6)) X(UINT64_C(0x92722c851482353b)) \
    X(UINT64_C(0xa2bfe8a14cf10364)) X(UINT64_C(0xa81a664bbc423001)) \
    X(UINT64_C(0xc24b8b70d0f89791)) X(UINT64_C(0xc76c51a30654be30)) \
    X(UINT64_C(0xd192e819d6ef5218)) X(UINT64_C(0xd69906245565a910)) \
    X(UINT64_C(0xf40e35855771202a)) X(UINT64_C(0x106aa07032bbd1b8)) \
    X(UINT64_C(0x19a4c116b8d2d0c8)) X(UINT64_C(0x1e376c085141ab53)) \
    X(UINT64_C(0x2748774cdf8eeb99)) X(UINT64_C(0x34b0bcb5e19b48a8)) \
    X(UINT64_C(0x391c0cb3c5c95a63)) X(UINT64_C(0x4ed8aa4ae3418acb)) \
    X(UINT64_C(0x5b9cca4f7763e373)) X(UINT64_C(0x682e6ff3d6b2b8a3)) \
    X(UINT64_C(0x748f82ee5defb2fc)) X(UINT64_C(0x78a5636f43172f60)) \
    X(UINT64_C(0x84c87814a1f0ab72)) X(UINT64_C(0x8cc702081a6439ec)) \
    X(UINT64_C(0x90befffa23631e28)) X(UINT64_C(0xa4506cebde82bde9)) \
    X(UINT64_C(0xbef9a3f7b2c67915)) X(UINT64_C(0xc67178f2e372532b)) \
    X(UINT64_C(0xca273eceea26619c)) X(UINT64_C(0xd186b8c721c0c207)) \
    X(UINT64_C(0xeada7dd6cde0eb1e)) X(UINT64_C(0xf57d4f7fee6ed178)) \
    X(UINT64_C(0x06f067aa72176fba)) X(UINT64_C(0x0a637dc5a2c898a6)) \
    X(UINT64_C(0x113f9804bef90dae)) X(UINT64_C(0x1b710b35131c471b)) \
    X(UINT64_C(0x28db77f523047d84)) X(UINT64_C(0x32caab7b40c72493)) \
    X(UINT64_C(0x3c9ebe0a15c9bebc)) X(UINT64_C(0x431d67c49c100d4c)) \
    X(UINT64_C(0x4cc5d4becb3e42b6)) X(UINT64_C(0x597f299cfc657e2a)) \
    X(UINT64_C(0x5fcb6fab3ad6faec)) X(UINT64_C(0x6c44198c4a475817)) \
    X(IV_A) X(IV_B) X(IV_C) X(IV_D) X(IV_E) X(IV_F) X(IV_G) X(IV_H) \
    X(IV_D + FIRST_SUM) \
    X(FIRST_SUM + BIG_SIGMA_0(IV_A) + MAJORITY(IV_A, IV_B, IV_C)) \
    X(PAD_WORD) X(LENGTH_WORD) \
    X(SMALL_SIGMA_0(s, PAD_WORD)) X(SMALL_SIGMA_0(s, LENGTH_WORD)) \
    X(SMALL_SIGMA_1(LENGTH_WORD)) \
    X(K_8 + PAD_WORD) X(K_15 + LENGTH_WORD)

#endif
