--[[ The verb `queue_profile`: the queue in outline, at a cost that hardly grows with its length.

Each list or sorted set of the queue is looked at by itself. The first of them are read from their
heads until `head` entries are read; of what lies behind, short runs are read at evenly spaced
places. What stands in a list and is queued there no more counts in no run. ]]

local PROFILE_LEASED = 200  -- of more leased jobs the work is estimated from so many
local COST = '>BI5I2I2bI6I6'  -- the head of a record as far as its `done` (records.lua)

-- Call `take` with status, rank, work and age (7 bytes) of each job that is under one of these seqs.
-- A whole table for each would cost twice as much.
local function each_cost(ctx, seqs, take)
  local entries, names = entries_of(ctx, numbers(seqs)), {}
  for place, entry in ipairs(entries) do
    names[place] = ctx.prefix .. 'j' .. string.sub(entry, 1, 16)
  end
  for place, raw in ipairs(mget(names)) do
    if raw then
      local mark, seq, _, _, priority, total, done = struct.unpack(COST, raw)
      if seq == seqs[place] then
        take(mark % 16, 0 - priority, total - done, age_bytes(entries[place]))
      end
    end
  end
end

-- The jobs at these places of a list or set that are queued there, as (age 7, work 6) each.
local function seen_at(ctx, from, first, last)
  local there = {}
  local seqs = redis.call(from.listed and 'LRANGE' or 'ZRANGE', from.key, first, last)
  each_cost(ctx, seqs, function(status, rank, work, age)
    if status == QUEUED and rank == from.rank then
      there[#there + 1] = age .. struct.pack('>I6', work)
    end
  end)
  return table.concat(there)
end

local function sources_of(ctx)
  local all, sources = {}, {}
  for workload = 1, last_number(ctx, 'w') do
    all[workload] = workload
  end
  for _, level in ipairs(levels(ctx, all)) do
    for _, from in ipairs(open_sources(ctx, level)) do
      from.length = length_of(from)
      if from.length > 0 then
        sources[#sources + 1] = from
      end
    end
  end
  return sources
end

-- How many jobs are leased, how many of them were looked at, and what those still cost.
local function leased_work(ctx)
  local key = ctx.prefix .. 'leased'
  local seen, sum = 0, 0
  each_cost(ctx, redis.call('ZRANGE', key, 0, PROFILE_LEASED - 1), function(_, _, work)
    seen, sum = seen + 1, sum + work
  end)
  return redis.call('ZCARD', key), seen, sum
end

-- Runs behind the first `from_entry` entries: place, entries looked at, what is queued there.
local function runs_behind(ctx, from, first, runs, run)
  local found, length = {}, from.length - first
  for piece = 0, runs - 1 do
    local at = first + math.floor(length * piece / runs)
    local upto = first + math.floor(length * (piece + 1) / runs)
    local last = math.min(at + run, upto) - 1
    if last >= at then
      found[#found + 1] = {at, upto, last + 1 - at, seen_at(ctx, from, at, last)}
    end
  end
  return found
end

-- asked: now, head, runs, least runs, jobs of a run. Answers queued jobs, the backlog, what is
-- leased, and for each list or set its rank, the head, the runs behind it and its last entry.
local function queue_profile(keys, args)
  local ctx = look(keys, args)
  local _, room, runs, least, run = unpack(ctx.asked)
  local books = redis.call('HMGET', ctx.prefix .. 'books', COUNTED[QUEUED], 'backlog_iterations')
  local sources, lanes = sources_of(ctx), {}
  for place, from in ipairs(sources) do
    local head = math.min(room, from.length)
    local share = math.max(least, math.floor(runs / (#sources + 1 - place)))
    lanes[place] = {from.rank, head > 0 and seen_at(ctx, from, 0, head - 1) or '',
      runs_behind(ctx, from, head, share, run),
      head < from.length and seen_at(ctx, from, -1, -1) or ''}
    room = room - head
  end
  return {books[1] or '0', books[2] or '0', {leased_work(ctx)}, lanes}
end

register('queue_profile', queue_profile, 'no-writes')
