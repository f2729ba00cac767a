--[[ The verb `queue_profile`: the queue in outline, at a cost that hardly grows with its length.

Each list or sorted set of the queue is looked at by itself. The first of them are read from their
heads until `head` entries are read; of what lies behind, short runs are read at evenly spaced
places. What stands in a list and is queued there no more counts in no run. ]]

local PROFILE_LEASED = 500  -- of more leased jobs the work is estimated from so many

-- The jobs at these places of a list or set that are queued there, as (age 7, work 6) each.
local function seen_at(ctx, from, first, last)
  local command = from.listed and 'LRANGE' or 'ZRANGE'
  local there = {}
  for _, job in ipairs(by_seq(ctx, redis.call(command, from.key, first, last))) do
    if job and job.status == QUEUED and rank_of(job) == from.rank then
      there[#there + 1] = job
    end
  end
  for at, age in ipairs(ages_of(ctx, there)) do
    there[at] = struct.pack('>I7I6', age, there[at].total - there[at].done)
  end
  return table.concat(there)
end

local function sources_of(ctx)
  local all, sources = {}, {}
  for workload = 1, last_number(ctx, 'w') do
    all[workload] = workload
  end
  for _, level in ipairs(levels(ctx, all)) do
    for _, from in ipairs(open_sources(ctx, level)) do
      from.length = redis.call(from.listed and 'LLEN' or 'ZCARD', from.key)
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
  local seen, work = 0, 0
  for _, job in ipairs(by_seq(ctx, redis.call('ZRANGE', key, 0, PROFILE_LEASED - 1))) do
    if job then
      seen, work = seen + 1, work + job.total - job.done
    end
  end
  return redis.call('ZCARD', key), seen, work
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
