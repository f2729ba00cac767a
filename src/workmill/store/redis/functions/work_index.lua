--[[ Finding work by its content: what is running now, and what is known already.

The index has an entry (total, seq) for a key from the submit of the job that leads its work until
the result is forgotten. Seven bytes of a digest tell millions of keys apart, and every hit is
checked against the whole key: two keys that share them cost a missed reuse, never a wrong one. ]]

local TOTAL_SEQ = 11

local function bucket_of(ctx, key)
  local first, second = string.byte(key, 1, 2)
  return ctx.prefix .. 'w' .. string.char(first, second - second % 2), string.sub(key, 2, 7)
end

local function many_name(ctx, key)
  return ctx.prefix .. 't' .. string.sub(key, 1, 7)
end

-- What the index holds for a key: nil for nothing, '' when it has a sorted set of its own.
local function entries_for(ctx, key)
  local bucket, field = bucket_of(ctx, key)
  return redis.call('HGET', bucket, field) or nil, bucket, field
end

-- Packed entries as a flat list: total, seq, total, seq, by total.
local function unpacked(value)
  local flat = {}
  for at = 1, #value, TOTAL_SEQ do
    flat[#flat + 1], flat[#flat + 2] = struct.unpack('>I6I5', value, at)
  end
  return flat
end

-- The nearest entries at or below a total, the furthest first: their totals and their seqs.
local function near(ctx, key, total, value)
  local totals, seqs = {}, {}
  if value == '' then
    local found = redis.call('ZREVRANGEBYSCORE', many_name(ctx, key), total, '-inf',
      'WITHSCORES', 'LIMIT', 0, NEAR_TOTALS)
    for at = 1, #found, 2 do
      seqs[#seqs + 1], totals[#totals + 1] = tonumber(found[at]), tonumber(found[at + 1])
    end
    return totals, seqs
  end
  local flat = unpacked(value)
  for at = #flat - 1, 1, -2 do
    if flat[at] <= total then
      totals[#totals + 1], seqs[#seqs + 1] = flat[at], flat[at + 1]
    end
  end
  return totals, seqs
end

-- A job leads its work from now on. `value`, `bucket`, `field`: as entries_for gave them.
local function add_work(ctx, key, total, seq, value, bucket, field)
  local entry = struct.pack('>I6I5', total, seq)
  if not value then
    redis.call('HSET', bucket, field, entry)
  elseif value == '' then
    redis.call('ZADD', many_name(ctx, key), total, seq)
  elseif #value >= FIELD_TOTALS * TOTAL_SEQ then
    local flat = unpacked(value .. entry)
    redis.call('ZADD', many_name(ctx, key), unpack(flat))
    redis.call('HSET', bucket, field, '')
  else
    local at = 1
    while at <= #value and string.sub(value, at, at + TOTAL_SEQ - 1) < entry do
      at = at + TOTAL_SEQ
    end
    redis.call('HSET', bucket, field,
      string.sub(value, 1, at - 1) .. entry .. string.sub(value, at))
  end
end

-- The job ended without a result, or its result is forgotten.
local function drop_work(ctx, key, total, seq)
  local value, bucket, field = entries_for(ctx, key)
  if not value then
    return
  end
  if value == '' then
    local many = many_name(ctx, key)
    redis.call('ZREM', many, seq)
    if redis.call('EXISTS', many) == 0 then
      redis.call('HDEL', bucket, field)
    end
    return
  end
  local entry = struct.pack('>I6I5', total, seq)
  for at = 1, #value, TOTAL_SEQ do
    if string.sub(value, at, at + TOTAL_SEQ - 1) == entry then
      local rest = string.sub(value, 1, at - 1) .. string.sub(value, at + TOTAL_SEQ)
      if rest == '' then
        redis.call('HDEL', bucket, field)
      else
        redis.call('HSET', bucket, field, rest)
      end
      return
    end
  end
end

-- The job that leads this very work, and the furthest known state of its key; nil for either.
local function find_work(ctx, key, total, value)
  local totals, seqs = near(ctx, key, total, value)
  local leader, furthest
  for place, work in ipairs(standing(ctx, seqs)) do
    work = ctx.fresh[seqs[place]] or work
    if work and work.key == key then
      if work.status == QUEUED or work.status == LEASED then
        leader = leader or totals[place] == total and work or nil
      else
        furthest = furthest or work
      end
    end
  end
  return leader, furthest
end

-- Whether the index points to this job.
local function is_indexed(ctx, job)
  local value = entries_for(ctx, job.key)
  if value == '' then
    return redis.call('ZSCORE', many_name(ctx, job.key), job.seq)
  end
  local entry = struct.pack('>I6I5', job.total, job.seq)
  for at = 1, value and #value or 0, TOTAL_SEQ do
    if string.sub(value, at, at + TOTAL_SEQ - 1) == entry then
      return true
    end
  end
  return false
end

-- Where an attached job's work stands: the job that leads it.
local function leader_of(ctx, job)
  local seq = tonumber(redis.call('HGET', ctx.prefix .. 'heirs', 'l' .. job.ref) or job.ref)
  return (ctx.fresh and ctx.fresh[seq]) or one_by_seq(ctx, seq)
end

-- Whether a job, if it is there at all, is attached to this group: its key may have been removed.
local function is_attached(job, group)
  return job and job.status == ATTACHED and job.ref == group
end

local function group_of(ctx, leader)
  local group = redis.call('HGET', ctx.prefix .. 'heirs', 'g' .. leader.seq)
  return tonumber(group or leader.seq)
end

-- Forget known work from the eldest on: `take` says of each piece whether it goes.
local function forget(ctx, limit, take)
  local seqs = redis.call('LRANGE', ctx.prefix .. 'known', 0, limit - 1)
  local gone, names = 0, {}
  for place, work in ipairs(standing(ctx, seqs)) do
    if work and not take(work) then
      break
    end
    gone = place
    if work then
      drop_work(ctx, work.key, work.total, seqs[place])
      count_known(ctx, -1, -(#work.state + KNOWN_EXTRA_BYTES))
      names[#names + 1] = not work.seq and known_name(ctx, seqs[place]) or nil
    end
  end
  if gone > 0 then
    redis.call('LPOP', ctx.prefix .. 'known', gone)
    delete(names)
  end
  return gone
end

-- Keep the results of these finished jobs, within the bound on their bytes.
local function remember(ctx, jobs, max_bytes)
  local seqs, bytes = {}, 0
  for place, job in ipairs(jobs) do
    seqs[place] = job.seq
    bytes = bytes + #job.state + KNOWN_EXTRA_BYTES
  end
  in_chunks('RPUSH', ctx.prefix .. 'known', seqs)
  count_known(ctx, #jobs, bytes)
  local function over() return ctx.books.known_bytes > max_bytes end
  while over() and forget(ctx, math.max(#jobs, EVICT_WORK), over) > 0 do end
end

-- These jobs are purged: those that are known work leave a copy.
local function leave_copies(ctx, jobs)
  local copies = {}
  for _, job in ipairs(jobs) do
    if FINISHED[job.status] and is_indexed(ctx, job) then
      copies[#copies + 1] = known_name(ctx, job.seq)
      copies[#copies + 1] = pack_known(job)
    end
  end
  write_pairs(copies)
end
