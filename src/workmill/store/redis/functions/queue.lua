--[[ The queue: for each workload and rank a list of those that were submitted and a small sorted
set of those that came back. Both are ordered by seq, and a lease merges their heads.

A list is only touched at its ends. A job that is cancelled, or raised to another rank, stays in it
until the head reaches it and passes it over; whoever moves a head leaves it at a job that is queued
there, unless more than LOOK_JOBS lie before it. ]]

local LOOK_JOBS = 10000

local function lane(ctx, kind, workload, rank)
  return ctx.prefix .. kind .. workload .. ':' .. rank
end

local function note_rank(ctx, workload, rank)
  redis.call('ZADD', ctx.prefix .. 'ranks' .. workload, rank, rank)
end

-- A job is queued again: retried, handed back or promoted.
local function push_back(ctx, job)
  local rank = rank_of(job)
  note_rank(ctx, job.workload, rank)
  redis.call('ZADD', lane(ctx, 'b', job.workload, rank), job.seq, job.seq)
end

-- One list or sorted set, read from its head.
local function source(ctx, kind, workload, rank)
  return {key = lane(ctx, kind, workload, rank), listed = kind == 'q', workload = workload,
    rank = rank, jobs = {}, at = 1, dry = false, looked = 0}
end

local function refill(ctx, from, amount)
  local first = #from.jobs
  local command = from.listed and 'LRANGE' or 'ZRANGE'
  local seqs = redis.call(command, from.key, first, first + amount - 1)
  from.dry = #seqs < amount
  for place, job in ipairs(by_seq(ctx, seqs)) do
    from.jobs[first + place] = job and job.status == QUEUED and rank_of(job) == from.rank
      and job.workload == from.workload and job
  end
end

-- The next queued job, nil at the end. What is not queued here any more is passed over.
local function head_of(ctx, from, amount)
  while true do
    local job = from.jobs[from.at]
    if job and not job.chosen then
      return job
    elseif job ~= nil then
      from.at = from.at + 1
      from.looked = from.looked + 1
    elseif from.dry or from.looked > LOOK_JOBS then
      return nil
    else
      refill(ctx, from, amount)
    end
  end
end

-- How many entries a list or set has. The command that tells it of a list is not among the rights
-- that an endpoint has on hosts that were set up before, so its end is searched for.
local function length_of(from)
  if not from.listed then
    return redis.call('ZCARD', from.key)
  end
  local function has(at)
    return #redis.call('LRANGE', from.key, at, at) > 0
  end
  local low, high = 0, 256
  while has(high) do
    low, high = high + 1, high * 2
  end
  while low < high do
    local middle = math.floor((low + high) / 2)
    if has(middle) then
      low = middle + 1
    else
      high = middle
    end
  end
  return low
end

-- The ranks at which any of these workloads has jobs, the most urgent first: {rank, workloads}.
local function levels(ctx, workloads)
  local by_rank, ranks = {}, {}
  for _, workload in ipairs(workloads) do
    for _, text in ipairs(redis.call('ZRANGE', ctx.prefix .. 'ranks' .. workload, 0, -1)) do
      local rank = tonumber(text)
      if not by_rank[rank] then
        by_rank[rank] = {rank = rank, workloads = {}}
        ranks[#ranks + 1] = by_rank[rank]
      end
      table.insert(by_rank[rank].workloads, workload)
    end
  end
  table.sort(ranks, function(one, other) return one.rank < other.rank end)
  return ranks
end

local function open_sources(ctx, level)
  local sources = {}
  for _, workload in ipairs(level.workloads) do
    sources[#sources + 1] = source(ctx, 'q', workload, level.rank)
    sources[#sources + 1] = source(ctx, 'b', workload, level.rank)
  end
  return sources
end

-- The source with the eldest head.
local function eldest(ctx, sources, amount)
  local best, lowest
  for place = #sources, 1, -1 do
    local from = sources[place]
    local job = from.jobs[from.at]
    if not job or job.chosen then
      job = head_of(ctx, from, amount)
    end
    if not job then
      table.remove(sources, place)
    elseif not lowest or job.seq < lowest then
      best, lowest = from, job.seq
    end
  end
  return best
end

-- Walk the queued jobs in the order of their grants. `take` says whether it takes a job, and whether
-- it wants more. Gives the sources that were read: what lies before their `at` was taken, or is
-- queued no more.
local function walk(ctx, workloads, amount, take)
  local read = {}
  for _, level in ipairs(levels(ctx, workloads)) do
    local sources = open_sources(ctx, level)
    for _, from in ipairs(sources) do
      from.workload_ranks = level
      read[#read + 1] = from
    end
    local from = eldest(ctx, sources, amount)
    while from do
      local job = from.jobs[from.at]
      local taken, more = take(job)
      if taken then
        from.at = from.at + 1
        job.chosen = true  -- whatever else has its seq: keys that were edited may hold it twice
      end
      if not more then
        return read
      end
      from = eldest(ctx, sources, amount)
    end
  end
  return read
end

-- Cut off what lies before the `at` of each source, and forget lanes that are empty.
local function cut(ctx, sources)
  for _, from in ipairs(sources) do
    head_of(ctx, from, 8)
    if from.at > 1 then
      if from.listed then
        redis.call('LPOP', from.key, from.at - 1)
      else
        redis.call('ZREMRANGEBYRANK', from.key, 0, from.at - 2)
      end
    end
  end
  for _, from in ipairs(sources) do
    for _, workload in ipairs(from.workload_ranks.workloads) do
      local rank = from.workload_ranks.rank
      if redis.call('EXISTS', lane(ctx, 'q', workload, rank), lane(ctx, 'b', workload, rank)) == 0
      then
        redis.call('ZREM', ctx.prefix .. 'ranks' .. workload, rank)
      end
    end
  end
end

-- A queued job leaves its lane. `left` gathers the lists whose heads are to be cut afterwards.
local function leave_queue(ctx, job, left)
  local rank = rank_of(job)
  redis.call('ZREM', lane(ctx, 'b', job.workload, rank), job.seq)
  local mark = job.workload .. ':' .. rank
  if not left[mark] then
    left[mark] = source(ctx, 'q', job.workload, rank)
    left[mark].workload_ranks = {rank = rank, workloads = {job.workload}}
    left[#left + 1] = left[mark]
  end
end

-- Somebody who is more urgent waits for this job's work.
local function raise(ctx, job, priority, left)
  if priority <= job.priority then
    return
  end
  if job.status == QUEUED then
    leave_queue(ctx, job, left)
  end
  job.priority = priority
  if job.status == QUEUED then
    push_back(ctx, job)
  end
  save(ctx, job)
end
