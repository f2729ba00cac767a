--[[ The keys of the store, all under one hash tag. `{w}` is KEYS[1], the tag itself.

{w}                string  the letter of the generation that lives, a or b; a restore fills the
                           other one and then changes this letter. `p` below is {w}a or {w}b.
{w}part            string  "<number> <since ms> <family>" of a store that is one part of several
{w}mark            hash    id -> what the store is called, whatever is restored into it; shards ->
                           of how many it is one; for each endpoint the number that it noted last
{w}loading         string  who is restoring now; it expires
{w}rest            string  a restore has begun, and its keys or those of before have not all been
                           removed: the cursor at which a purge goes on with that
{w}lead            hash    the term of a leading controller: token, holder, until_ms

p j <id 16>        string  one job, packed (records.lua)
p p <page>         string  PAGE_JOBS entries of (id 16, age 7): a job's place is its seq
p pages            zset    the pages that are there        p live  hash  page -> jobs still there
p q <w>:<rank>     list    seqs that were submitted to workload w at this rank, eldest first
p b <w>:<rank>     zset    seqs that came back to it: released, retried, promoted, raised (score: seq)
p ranks <w>        zset    the ranks at which workload w has jobs (score: rank)
p leased           zset    seq -> when its lease ends, in ms; half a ms more when it was given time
p a <group>        zset    seqs attached to one leader. A group is named after its first leader
p heirs            hash    g<leader> -> group, l<group> -> leader: only where a leader was replaced
p w <2 bytes>      hash    content index: 6 bytes of the key -> packed (total 6, seq 5), by total
p t <8 bytes>      zset    the same for keys of more than FIELD_TOTALS totals: seq by total
p n <seq 5>        string  known work whose job is gone: (ended_ms 6, total 6, key 32, state)
p known            list    seqs of known work, eldest first
p o <tenant>       zset    done and not pulled: seq 5 by the time of the end
p receipts         zset    receipt -> when it lapses       p r <receipt>  string  its seqs, 5 each
p delivered, ended list    seqs that wait for their purge, in the order of its time
p names            hash    w<name>, t<name> -> number; W<number>, T<number> -> name
p beats, nodes     zset    incarnation -> order of its beat; hash incarnation -> (ms 6, packed node)
p h<2 bytes>       hash    the other 14 bytes of an id -> (part 1, hour 3): where its job is
p g<caller>        list    its last grants: their group, then for each lease (seq 5, token 6) each; it
                           expires
p owners           zset    open endpoints -> when they opened
p books            hash    counters, and the numbers that only rise

Everything but jobs, pages, known, names and books can be derived from those (notes of ids from the
jobs of all parts).

A seq is a job's number: dense, rising, never used twice. Its age is a hybrid time (milliseconds
times AGE_STEPS and a count), which rises with the seq and can be compared between servers.
A rank is the priority negated. A number is exact up to 2^53; counters, which may pass that, are
only ever moved by HINCRBY. ]]

local AGE_STEPS = 2048
local PAGE_JOBS = 712          -- the largest page that fits an allocation of 16 KiB
local ENTRY_BYTES = 23
local FIELD_TOTALS = 5         -- more would turn the bucket from a listpack into a table
local NEAR_TOTALS = 16
local CHUNK = 4000             -- how many arguments go in one command

-- A function of this library. `flag`: `no-writes`, or `allow-oom` for whatever makes the store
-- smaller or keeps it going; without one it is refused when memory is short, as new work is.
local function register(name, callback, flag)
  redis.register_function{function_name = LIBRARY .. '_' .. name, callback = callback,
    flags = {flag}}
end
