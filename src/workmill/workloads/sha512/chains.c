/* The variants, and the scheduler that keeps their lanes full. */

#include "chains.h"

#include "constants.h"
#include "rounds.h"

#if defined(__x86_64__)
#define X86 1
#else
#define X86 0
#endif

#if defined(__GNUC__) && !defined(__clang__)
#define SHUFFLE_ROTATE 1
typedef unsigned char rotate_bytes __attribute__((vector_size(32)));
#define ROTATE_8_WORD(i) i + 1, i + 2, i + 3, i + 4, i + 5, i + 6, i + 7, i
#define ROTATE_8_MASK                                                                         \
    ((rotate_bytes){ROTATE_8_WORD(0), ROTATE_8_WORD(8), ROTATE_8_WORD(16), ROTATE_8_WORD(24)})
#endif

/* Lanes in the integer registers beside a wide vector. gcc interleaves the two well, clang does
 * not: 316 cycles an iteration against 279 without, with AVX2 (clang 22). */
#if defined(__clang__)
#define BESIDE 0
#else
#define BESIDE 1
#endif

#define VARIANT plain
#define VECTOR_LANES 0
#define SCALAR_LANES 1
#define TARGET
#include "lanes.h"

#if X86
#define VARIANT bmi2
#define VECTOR_LANES 0
#define SCALAR_LANES 1
#define TARGET __attribute__((target("bmi,bmi2")))
#include "lanes.h"

#define VARIANT sse2
#define VECTOR_LANES 2
#define SCALAR_LANES 0
#define TARGET
#include "lanes.h"

#define VARIANT avx2
#define VECTOR_LANES 4
#define SCALAR_LANES BESIDE
#define TARGET __attribute__((target("avx2,bmi,bmi2")))
#include "lanes.h"

#define VARIANT avx512vl
#define VECTOR_LANES 4
#define SCALAR_LANES 0
#define TARGET __attribute__((target("avx512f,avx512vl,bmi,bmi2")))
#include "lanes.h"

#define VARIANT avx512
#define VECTOR_LANES 8
#define SCALAR_LANES BESIDE
#define TARGET __attribute__((target("avx512f,avx512vl,bmi,bmi2")))
#include "lanes.h"
#endif

static int always(void) { return 1; }

#if X86
static int has_bmi2(void) { return __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2"); }
static int has_avx2(void) { return has_bmi2() && __builtin_cpu_supports("avx2"); }
static int has_avx512(void)
{
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl");
}
#endif

enum { PLAIN, BMI2, SSE2, AVX2, AVX512VL, AVX512 };

static const struct chains_variant variants[] = {
    [PLAIN] = {"plain", 1, plain_step, plain_compress, plain_constants, NULL, always},
#if X86
    [BMI2] = {"bmi2", 1, bmi2_step, bmi2_compress, bmi2_constants, NULL, has_bmi2},
    [SSE2] = {"sse2", 2, sse2_step, sse2_compress, sse2_constants, &variants[PLAIN], always},
    [AVX2] = {"avx2", 4 + BESIDE, avx2_step, avx2_compress, avx2_constants, &variants[BMI2], has_avx2},
    [AVX512VL] = {"avx512vl", 4, avx512vl_step, avx512vl_compress, avx512vl_constants, NULL, has_avx512},
    [AVX512] = {"avx512", 8 + BESIDE, avx512_step, avx512_compress, avx512_constants, &variants[AVX512VL], has_avx512},
#endif
};

const struct chains_variant *chains_variant_at(size_t index)
{
    for (size_t i = 0; i < sizeof variants / sizeof variants[0]; i++) {
        if (variants[i].supported() && index-- == 0)
            return &variants[i];
    }
    return NULL;
}

/* What the lanes are doing: lane i moves chain `chain[i]`, which has `left[i]` to go. */
struct work {
    chains_lanes lanes;
    size_t chain[CHAINS_MAX_LANES];
    uint64_t left[CHAINS_MAX_LANES];
};

static void load(struct work *work, size_t lane, const unsigned char *state)
{
    for (int i = 0; i < CHAINS_STATE_WORDS; i++)
        work->lanes[i][lane] = chains_word(state + 8 * i);
}

void chains_unload(chains_lanes lanes, size_t lane, unsigned char *state)
{
    for (int i = 0; i < CHAINS_STATE_WORDS; i++) {
        for (int byte = 0; byte < 8; byte++)
            state[8 * i + byte] = (unsigned char)(lanes[i][lane] >> (56 - 8 * byte));
    }
}

static void move_lane(struct work *work, size_t to, size_t from)
{
    for (int i = 0; i < CHAINS_STATE_WORDS; i++)
        work->lanes[i][to] = work->lanes[i][from];
    work->chain[to] = work->chain[from];
    work->left[to] = work->left[from];
}

/* Move all live lanes on together until the first of them is done; says by how much. */
static void step_to_next_end(const struct chains_variant *variant, struct work *work, size_t live)
{
    uint64_t iterations = work->left[0];
    for (size_t lane = 1; lane < live; lane++) {
        if (work->left[lane] < iterations)
            iterations = work->left[lane];
    }
    variant->step(work->lanes, iterations, variant->constants);
    for (size_t lane = 0; lane < live; lane++)
        work->left[lane] -= iterations;
}

/* Live lanes are always the first ones: a lane that ends with no chain waiting is filled from
 * the last live one. */
void chains_advance(const struct chains_variant *variant, unsigned char *states,
                    const uint64_t *counts, size_t chains)
{
    struct work work;
    size_t next = 0, live = 0;

    memset(&work, 0, sizeof work);
    for (;;) {
        for (; live < variant->lanes && next < chains; next++) {
            if (counts[next] == 0)
                continue;
            load(&work, live, states + CHAINS_STATE_BYTES * next);
            work.chain[live] = next;
            work.left[live++] = counts[next];
        }
        if (live == 0)
            return;
        while (next == chains && variant->narrower && live <= variant->narrower->lanes)
            variant = variant->narrower;
        step_to_next_end(variant, &work, live);
        for (size_t lane = live; lane-- > 0;) {
            if (work.left[lane] == 0) {
                chains_unload(work.lanes, lane, states + CHAINS_STATE_BYTES * work.chain[lane]);
                move_lane(&work, lane, --live);
            }
        }
    }
}
