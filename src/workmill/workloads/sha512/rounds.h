/* SHA-512 (FIPS 180-4) as macros over any lane type, shortened for messages of 64 bytes.
 *
 * Theory. Data is compressed in full (ROUND_MIDDLE, ROUND_LAST), but once for each job. From the second iteration on every message is the digest before it: eight words,
 * then padding that never changes: 0x80.. in word 8, zeros, and the length 512 in word 15.
 * So, of one compression:
 *   - round 0 starts from constants only: it is two additions (FIRST_E, FIRST_A);
 *   - rounds 8 to 15 add a constant, K with its padding word added in beforehand;
 *   - the first sixteen words of the extended schedule lose every term that is a sigma of
 *     padding or an addition of zero (EXTEND_0 .. EXTEND_15).
 * Words stay native between iterations; bytes are swapped only where a chain comes or goes.
 *
 * Word t + 16 of the schedule is made right after round t has used word t, sixteen rounds
 * before it is wanted: no round waits for its word. All eighty words have a place of their
 * own, so that a loop of eight rounds serves; with a ring of sixteen the code is twice as
 * long, outgrows the processor's cache of decoded instructions, and its speed turns on luck.
 *
 * `q` names the kind of lane, v for a vector and s for a scalar: q_x are the eight working
 * variables, q_w the words, q_CONSTANT(i) entry i of the table below. The working variables
 * do not move; their names do, which is what the index in VARIABLE turns. */

#ifndef WORKMILL_ROUNDS_H
#define WORKMILL_ROUNDS_H

#define ROTATE(x, n) (((x) >> (n)) | ((x) << (64 - (n))))
#define BIG_SIGMA_0(x) (ROTATE(x, 28) ^ ROTATE(x, 34) ^ ROTATE(x, 39))
#define BIG_SIGMA_1(x) (ROTATE(x, 14) ^ ROTATE(x, 18) ^ ROTATE(x, 41))
#define SMALL_SIGMA_0(q, x) (ROTATE(x, 1) ^ q##_ROTATE_8(x) ^ ((x) >> 7))
#define SMALL_SIGMA_1(x) (ROTATE(x, 19) ^ ROTATE(x, 61) ^ ((x) >> 6))
#define CHOICE(e, f, g) ((g) ^ ((e) & ((f) ^ (g))))
/* Written so that a ^ b serves again as the next round's b ^ c. */
#define MAJORITY(a, b, c) ((b) ^ (((a) ^ (b)) & ((b) ^ (c))))
#define s_ROTATE_8(x) ROTATE(x, 8)

#define VARIABLE(q, letter, t) q##_x[((letter) - (t)) & 7]

#define ROUND(q, t, addend)                                                                   \
    do {                                                                                      \
        __typeof__(q##_x[0]) sum =                                                            \
            VARIABLE(q, 7, t) + (addend) +                                                    \
            CHOICE(VARIABLE(q, 4, t), VARIABLE(q, 5, t), VARIABLE(q, 6, t)) +                 \
            BIG_SIGMA_1(VARIABLE(q, 4, t));                                                   \
        VARIABLE(q, 3, t) += sum;                                                             \
        VARIABLE(q, 7, t) = sum + BIG_SIGMA_0(VARIABLE(q, 0, t)) +                            \
            MAJORITY(VARIABLE(q, 0, t), VARIABLE(q, 1, t), VARIABLE(q, 2, t));                \
    } while (0)

/* w[t + 16] = w[t] + sigma0(w[t + 1]) + w[t + 9] + sigma1(w[t + 14]), term by term. */
#define MADE(q, t) q##_w[(t) + 16]
#define TERM_0(q, t) q##_w[t]
#define TERM_1(q, t) SMALL_SIGMA_0(q, q##_w[(t) + 1])
#define TERM_9(q, t) q##_w[(t) + 9]
#define TERM_14(q, t) SMALL_SIGMA_1(q##_w[(t) + 14])
#define EXTEND(q, t) MADE(q, t) = TERM_0(q, t) + TERM_1(q, t) + TERM_9(q, t) + TERM_14(q, t)

/* The same where words 8 to 15 are padding. */
#define EXTEND_0(q) MADE(q, 0) = TERM_0(q, 0) + TERM_1(q, 0)
#define EXTEND_1(q) MADE(q, 1) = TERM_0(q, 1) + TERM_1(q, 1) + q##_CONSTANT(SIGMA_1_OF_512)
#define EXTEND_2(q) MADE(q, 2) = TERM_0(q, 2) + TERM_1(q, 2) + TERM_14(q, 2)
#define EXTEND_3(q) MADE(q, 3) = TERM_0(q, 3) + TERM_1(q, 3) + TERM_14(q, 3)
#define EXTEND_4(q) MADE(q, 4) = TERM_0(q, 4) + TERM_1(q, 4) + TERM_14(q, 4)
#define EXTEND_5(q) MADE(q, 5) = TERM_0(q, 5) + TERM_1(q, 5) + TERM_14(q, 5)
#define EXTEND_6(q)                                                                           \
    MADE(q, 6) = TERM_0(q, 6) + TERM_1(q, 6) + TERM_14(q, 6) + q##_CONSTANT(LENGTH_BITS)
#define EXTEND_7(q)                                                                           \
    MADE(q, 7) = TERM_0(q, 7) + TERM_9(q, 7) + TERM_14(q, 7) + q##_CONSTANT(SIGMA_0_OF_PAD)
#define EXTEND_8(q) MADE(q, 8) = TERM_9(q, 8) + TERM_14(q, 8) + q##_CONSTANT(PAD)
#define EXTEND_9(q) MADE(q, 9) = TERM_9(q, 9) + TERM_14(q, 9)
#define EXTEND_10(q) MADE(q, 10) = TERM_9(q, 10) + TERM_14(q, 10)
#define EXTEND_11(q) MADE(q, 11) = TERM_9(q, 11) + TERM_14(q, 11)
#define EXTEND_12(q) MADE(q, 12) = TERM_9(q, 12) + TERM_14(q, 12)
#define EXTEND_13(q) MADE(q, 13) = TERM_9(q, 13) + TERM_14(q, 13)
#define EXTEND_14(q) MADE(q, 14) = TERM_9(q, 14) + TERM_14(q, 14) + q##_CONSTANT(SIGMA_0_OF_512)
#define EXTEND_15(q)                                                                          \
    MADE(q, 15) = TERM_1(q, 15) + TERM_9(q, 15) + TERM_14(q, 15) + q##_CONSTANT(LENGTH_BITS)

#define START(q)                                                                              \
    do {                                                                                      \
        for (int i = 0; i < 8; i++)                                                           \
            q##_x[i] = q##_CONSTANT(IV + i);                                                  \
        q##_x[3] = q##_CONSTANT(FIRST_E) + q##_w[0];                                          \
        q##_x[7] = q##_CONSTANT(FIRST_A) + q##_w[0];                                          \
        EXTEND_0(q);                                                                          \
    } while (0)
#define ROUND_MESSAGE(q, t) ROUND(q, t, q##_w[t] + q##_CONSTANT(t)); EXTEND_##t(q)
#define PADDED(t) ((t) == 8 ? K_8_PADDED : (t) == 15 ? K_15_PADDED : (t))
#define ROUND_PADDING(q, t) ROUND(q, t, q##_CONSTANT(PADDED(t))); EXTEND_##t(q)
#define ROUND_LAST(q, t) ROUND(q, t, q##_w[base + (t)] + q##_CONSTANT(base + (t)))
#define ROUND_MIDDLE(q, t) ROUND_LAST(q, t); EXTEND(q, base + (t))
#define FINISH(q)                                                                             \
    do {                                                                                      \
        for (int i = 0; i < 8; i++)                                                           \
            q##_w[i] = q##_x[i] + q##_CONSTANT(IV + i);                                       \
    } while (0)

#define KEEP(q)                                                                               \
    for (int i = 0; i < 8; i++)                                                               \
        q##_before[i] = q##_x[i]
#define ADD(q)                                                                                \
    for (int i = 0; i < 8; i++)                                                               \
        q##_x[i] += q##_before[i]

#define ROUNDS_1_TO_7(M) M(1) M(2) M(3) M(4) M(5) M(6) M(7)
#define ROUNDS_8_TO_15(M) M(8) M(9) M(10) M(11) M(12) M(13) M(14) M(15)
#define EIGHT_ROUNDS(M) M(0) ROUNDS_1_TO_7(M)

#endif
