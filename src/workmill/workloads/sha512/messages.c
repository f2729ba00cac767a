/* Whole messages in the lanes of a variant: padding, and the scheduler.
 *
 * A message is two runs of blocks: its full blocks are read where they lie, and what is left of
 * it is copied, padded (FIPS 180-4, section 5.1.2), into one or two blocks of its lane's own. */

#include "messages.h"

#include "constants.h"

#define BLOCK_BYTES 128
#define LENGTH_BYTES 16

static const uint64_t initial[CHAINS_STATE_WORDS] = {
    IV_A, IV_B, IV_C, IV_D, IV_E, IV_F, IV_G, IV_H,
};

/* What a lane has before it: `blocks` at `data`, then those of its tail. */
struct run {
    const unsigned char *data;
    size_t blocks;
    size_t tail_blocks;
    unsigned char *tail;
    size_t message;
};

struct work {
    chains_lanes lanes;
    struct run runs[CHAINS_MAX_LANES];
    unsigned char tails[CHAINS_MAX_LANES][2 * BLOCK_BYTES];
};

/* Says how many blocks the padded end of the body takes. */
static size_t pad(unsigned char *tail, const struct messages_body *body)
{
    size_t rest = body->length % BLOCK_BYTES;
    size_t blocks = rest + 1 + LENGTH_BYTES <= BLOCK_BYTES ? 1 : 2;
    uint64_t length = body->length;

    memset(tail, 0, 2 * BLOCK_BYTES);
    if (rest)
        memcpy(tail, body->bytes + body->length - rest, rest);
    tail[rest] = 0x80;
    tail += blocks * BLOCK_BYTES;
    *--tail = (unsigned char)(length << 3);
    for (length >>= 5; length; length >>= 8)
        *--tail = (unsigned char)length;
    return blocks;
}

/* Go on to the tail when the full blocks are done; says whether there is anything left to do. */
static int go_on(struct run *run)
{
    if (run->blocks == 0) {
        run->data = run->tail;
        run->blocks = run->tail_blocks;
        run->tail_blocks = 0;
    }
    return run->blocks != 0;
}

static void begin(struct work *work, size_t lane, const struct messages_body *body, size_t message)
{
    struct run *run = &work->runs[lane];

    for (int i = 0; i < CHAINS_STATE_WORDS; i++)
        work->lanes[i][lane] = initial[i];
    run->data = body->bytes;
    run->blocks = body->length / BLOCK_BYTES;
    run->tail_blocks = pad(run->tail, body);
    run->message = message;
    go_on(run);
}

/* The lanes swap tails: each keeps one of its own. */
static void move_lane(struct work *work, size_t to, size_t from)
{
    struct run moved = work->runs[from];

    for (int i = 0; i < CHAINS_STATE_WORDS; i++)
        work->lanes[i][to] = work->lanes[i][from];
    work->runs[from] = work->runs[to];
    work->runs[to] = moved;
}

/* Take all live lanes on together until a run of blocks ends. Idle lanes read what lane 0 reads. */
static void compress_to_next_end(const struct chains_variant *variant, struct work *work,
                                 size_t live)
{
    const unsigned char *data[CHAINS_MAX_LANES];
    size_t blocks = work->runs[0].blocks;

    for (size_t lane = 0; lane < variant->lanes; lane++) {
        const struct run *run = &work->runs[lane < live ? lane : 0];
        data[lane] = run->data;
        if (run->blocks < blocks)
            blocks = run->blocks;
    }
    variant->compress(work->lanes, data, blocks, variant->constants);
    for (size_t lane = 0; lane < live; lane++) {
        work->runs[lane].data += blocks * BLOCK_BYTES;
        work->runs[lane].blocks -= blocks;
    }
}

/* Live lanes are always the first ones, as in chains_advance. */
void messages_fold(const struct chains_variant *variant, const struct messages_body *bodies,
                   size_t messages, unsigned char *digests)
{
    struct work work;
    size_t next = 0, live = 0;

    memset(&work, 0, sizeof work);
    for (size_t lane = 0; lane < CHAINS_MAX_LANES; lane++)
        work.runs[lane].tail = work.tails[lane];
    for (;;) {
        for (; live < variant->lanes && next < messages; next++)
            begin(&work, live++, &bodies[next], next);
        if (live == 0)
            return;
        while (next == messages && variant->narrower && live <= variant->narrower->lanes)
            variant = variant->narrower;
        compress_to_next_end(variant, &work, live);
        for (size_t lane = live; lane-- > 0;) {
            if (!go_on(&work.runs[lane])) {
                chains_unload(work.lanes, lane,
                              digests + CHAINS_STATE_BYTES * work.runs[lane].message);
                move_lane(&work, lane, --live);
            }
        }
    }
}
