/* One variant's `step` (many iterations) and `compress` (many blocks of data), made by including this file with these set; it unsets them again.
 *
 *   VARIANT        its name as an identifier
 *   VECTOR_LANES   lanes in one vector: 2, 4, 8, or 0 for none
 *   SCALAR_LANES   1 for a lane in the integer registers, or 0
 *   TARGET         the function attribute that opens the instruction set, or nothing
 *
 * A vector and a scalar lane go together well: the integer units idle while the vector units
 * are full, so the ninth lane of AVX-512 (the fifth of AVX2) is nearly free.
 *
 * The constants come as an argument, spread over the lanes in memory, so that the compiler
 * adds them straight from there; it would otherwise build each one in registers. */

#define PASTE_(a, b) a##_##b
#define PASTE(a, b) PASTE_(a, b)
#define OWN(name) PASTE(VARIANT, name)

#if VECTOR_LANES
/* As loosely aligned as the words it is loaded from. */
typedef uint64_t OWN(vector) __attribute__((vector_size(8 * VECTOR_LANES), aligned(8)));
#define ENTRY OWN(vector)
#define EACH_V(...) __VA_ARGS__
#define v_CONSTANT(i) table[i]
#define s_CONSTANT(i) table[i][0]
#else
#define ENTRY uint64_t
#define EACH_V(...)
#define s_CONSTANT(i) table[i]
#endif

#if SCALAR_LANES
#define EACH_S(...) __VA_ARGS__
#else
#define EACH_S(...)
#endif

#if VECTOR_LANES == 0
#define SPREAD(x) x,
#elif VECTOR_LANES == 2
#define SPREAD(x) {x, x},
#elif VECTOR_LANES == 4
#define SPREAD(x) {x, x, x, x},
#else
#define SPREAD(x) {x, x, x, x, x, x, x, x},
#endif

/* AVX2 has no rotate but shuffles bytes; clang sees that by itself, gcc must be told. */
#if VECTOR_LANES == 4 && defined(SHUFFLE_ROTATE)
#define v_ROTATE_8(x) ((ENTRY)__builtin_shuffle((rotate_bytes)(x), ROTATE_8_MASK))
#else
#define v_ROTATE_8(x) ROTATE(x, 8)
#endif

#define EACH(M) EACH_V(M(v);) EACH_S(M(s);)
#define MESSAGE(t) EACH_V(ROUND_MESSAGE(v, t);) EACH_S(ROUND_MESSAGE(s, t);)
#define PADDING(t) EACH_V(ROUND_PADDING(v, t);) EACH_S(ROUND_PADDING(s, t);)
#define MIDDLE(t) EACH_V(ROUND_MIDDLE(v, t);) EACH_S(ROUND_MIDDLE(s, t);)
#define LAST(t) EACH_V(ROUND_LAST(v, t);) EACH_S(ROUND_LAST(s, t);)

static const ENTRY OWN(constants)[] = {CONSTANTS(SPREAD)};

TARGET static void OWN(step)(chains_lanes lanes, uint64_t iterations, const void *constants)
{
    const ENTRY *table = constants;
    EACH_V(ENTRY v_w[80], v_x[8];)
    EACH_S(uint64_t s_w[80], s_x[8];)

    for (int i = 0; i < 8; i++) {
        EACH_V(v_w[i] = *(const ENTRY *)lanes[i];)
        EACH_S(s_w[i] = lanes[i][VECTOR_LANES];)
    }
    for (; iterations; iterations--) {
        EACH(START)
        ROUNDS_1_TO_7(MESSAGE)
        ROUNDS_8_TO_15(PADDING)
        for (int base = 16; base < 64; base += 8) {
            EIGHT_ROUNDS(MIDDLE)
        }
        for (int base = 64; base < 80; base += 8) {
            EIGHT_ROUNDS(LAST)
        }
        EACH(FINISH)
    }
    for (int i = 0; i < 8; i++) {
        EACH_V(*(ENTRY *)lanes[i] = v_w[i];)
        EACH_S(lanes[i][VECTOR_LANES] = s_w[i];)
    }
}

/* Data has no padding of its own to leave out: all sixteen words of every block count. */
TARGET static void OWN(compress)(chains_lanes lanes, const unsigned char *const *data,
                                 size_t blocks, const void *constants)
{
    const ENTRY *table = constants;
    EACH_V(ENTRY v_w[80], v_x[8], v_before[8];)
    EACH_S(uint64_t s_w[80], s_x[8], s_before[8];)

    for (int i = 0; i < 8; i++) {
        EACH_V(v_x[i] = *(const ENTRY *)lanes[i];)
        EACH_S(s_x[i] = lanes[i][VECTOR_LANES];)
    }
    for (size_t block = 0; block < blocks; block++) {
        for (int i = 0; i < 16; i++) {
            EACH_V(for (int lane = 0; lane < VECTOR_LANES; lane++)
                       v_w[i][lane] = chains_word(data[lane] + 128 * block + 8 * i);)
            EACH_S(s_w[i] = chains_word(data[VECTOR_LANES] + 128 * block + 8 * i);)
        }
        EACH(KEEP)
        for (int base = 0; base < 64; base += 8) {
            EIGHT_ROUNDS(MIDDLE)
        }
        for (int base = 64; base < 80; base += 8) {
            EIGHT_ROUNDS(LAST)
        }
        EACH(ADD)
    }
    for (int i = 0; i < 8; i++) {
        EACH_V(*(ENTRY *)lanes[i] = v_x[i];)
        EACH_S(lanes[i][VECTOR_LANES] = s_x[i];)
    }
}

#undef PASTE_
#undef PASTE
#undef OWN
#undef ENTRY
#undef EACH_V
#undef EACH_S
#undef EACH
#undef v_CONSTANT
#undef s_CONSTANT
#undef v_ROTATE_8
#undef SPREAD
#undef MESSAGE
#undef PADDING
#undef MIDDLE
#undef LAST
#undef VARIANT
#undef VECTOR_LANES
#undef SCALAR_LANES
#undef TARGET
