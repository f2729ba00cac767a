--[[ What can be derived from the jobs is put back when somebody has removed it by hand.

A queue, the leases or an outbox that was deleted, renamed or cut, or that has expired, leaves jobs
counted as queued, leased or done that nobody would come upon any more. Counts and lists are changed
together, so one look at both tells: there must be no fewer places than jobs. There may be more, for
a list keeps the places of those that were cancelled until its head has passed them. So what is
missing behind them is seen later, when the queue has come that far.

Then `mend` walks the pages from the eldest job on, in slices, while verbs go on: the queues are
removed whole and lined up anew, everything else is added to. What is submitted meanwhile stands in
the queues already (`mend_below`) and may be granted before its turn. ]]

local MEND_PAGES = 4
local RECEIPT_MS = 60000  -- how long a receipt still stands of which only the results are known
local STEPS = {'mend_at', 'mend_below', 'mend_of', 'unfound'}

local function numbers_or_0(texts)
  for place = 1, #texts do
    texts[place] = tonumber(texts[place] or 0)
  end
  return texts
end

-- How many members a sorted set has: none when something else has taken its place, which goes.
local function size_of(key)
  local size = redis.pcall('ZCARD', key)
  if type(size) == 'table' then
    redis.call('DEL', key)
    return 0
  end
  return size
end

-- How many of `least` entries a list lacks, or 0.
local function lacks(key, least)
  if least < 1 then
    return 0
  end
  local entry = redis.pcall('LRANGE', key, least - 1, least - 1)
  if entry.err then
    return least
  end
  return #entry > 0 and 0 or least - length_of({listed = true, key = key})
end

-- How many queued jobs have no place in any queue.
local function queued_amiss(ctx, queued)
  local all, lists = {}, {}
  for workload = 1, last_number(ctx, 'w') do
    size_of(ctx.prefix .. 'ranks' .. workload)
    all[workload] = workload
  end
  for _, level in ipairs(levels(ctx, all)) do
    for _, workload in ipairs(level.workloads) do
      queued = queued - size_of(lane(ctx, 'b', workload, level.rank))
      lists[#lists + 1] = lane(ctx, 'q', workload, level.rank)
    end
  end
  for _, list in ipairs(lists) do
    queued = lacks(list, queued)
  end
  return math.max(0, queued)
end

local function done_amiss(ctx, done)
  for tenant = 1, last_number(ctx, 't') do
    done = done - size_of(ctx.prefix .. 'o' .. tenant)
  end
  return math.max(0, done)
end

-- How many jobs nobody would come upon.
local function all_amiss(ctx)
  local read = redis.call('HMGET', ctx.prefix .. 'books', COUNTED[QUEUED], COUNTED[LEASED],
    COUNTED[DONE], COUNTED[PULLED], COUNTED[ATTACHED])
  local queued, leased, done, pulled, attached = unpack(numbers_or_0(read))
  local amiss = queued_amiss(ctx, queued) + done_amiss(ctx, done)
    + math.max(0, leased - size_of(ctx.prefix .. 'leased'))
  if pulled > 0 and size_of(ctx.prefix .. 'receipts') == 0 then
    amiss = amiss + pulled
  end
  return amiss + (queued + leased == 0 and attached or 0)
end

local function steps_of(ctx)
  return numbers_or_0(redis.call('HMGET', ctx.prefix .. 'books', unpack(STEPS)))
end

-- The pages that `live` knows of, where the list of them has been lost.
local function find_pages(ctx)
  local flat, pages = redis.call('HGETALL', ctx.prefix .. 'live'), {}
  for at = 1, #flat, 2 do
    pages[at], pages[at + 1] = flat[at], flat[at]
  end
  local there = size_of(ctx.prefix .. 'pages')
  if there + #pages == 0 then
    damaged('places of its jobs are missing, and the pages from which they would be told')
  end
  in_chunks('ZADD', ctx.prefix .. 'pages', pages, 2)
end

local function clear_queues(ctx)
  for workload = 1, last_number(ctx, 'w') do
    local names = {ctx.prefix .. 'ranks' .. workload}
    for rank = -MAX_PRIORITY, -MIN_PRIORITY do
      names[#names + 1] = lane(ctx, 'q', workload, rank)
      names[#names + 1] = lane(ctx, 'b', workload, rank)
    end
    in_turns('UNLINK', names)
  end
end

-- Ready for the walk over all jobs that are there.
local function mend_from_start(ctx, amiss)
  find_pages(ctx)
  clear_queues(ctx)
  set_book(ctx, 'mend_at', 0)
  set_book(ctx, 'mend_below', ctx.books.next_seq)
  set_book(ctx, 'mend_of', amiss)
end

local function mend_attached(ctx, job)
  local leader = leader_of(ctx, job)
  if leader and leader.key == job.key
      and (leader.status == QUEUED or leader.status == LEASED) then
    redis.call('ZADD', ctx.prefix .. 'a' .. job.ref, job.seq, job.seq)
    return
  end
  place_again(ctx, job)
  moved(ctx, ATTACHED, job.status)
  save(ctx, job)
end

local MEND = {
  [QUEUED] = function(ctx, job)
    if not redis.call('ZSCORE', lane(ctx, 'b', job.workload, rank_of(job)), job.seq) then
      line_up(ctx, job)
    end
  end,
  [LEASED] = function(ctx, job)
    if not redis.call('ZSCORE', ctx.prefix .. 'leased', job.seq) then
      redis.call('ZADD', ctx.prefix .. 'leased', ctx.now_ms + GRACE_MS, job.seq)
    end
  end,
  [DONE] = offer,
  [PULLED] = function(ctx, job)
    if redis.call('EXISTS', ctx.prefix .. 'r' .. job.ref) == 0 then
      bring_back(ctx, job)
    elseif not redis.call('ZSCORE', ctx.prefix .. 'receipts', job.ref) then
      redis.call('ZADD', ctx.prefix .. 'receipts', ctx.now_ms + RECEIPT_MS, job.ref)
    end
  end,
  [ATTACHED] = mend_attached,
}

-- One slice. Gives the page at which the next one begins, nil at the end.
local function mend_slice(ctx, at, below)
  local pages = redis.call('ZRANGEBYSCORE', ctx.prefix .. 'pages', at, '+inf',
    'LIMIT', 0, MEND_PAGES)
  for _, page in ipairs(pages) do
    local seqs = {}
    for seq = page * PAGE_JOBS, math.min(below, (page + 1) * PAGE_JOBS) - 1 do
      seqs[#seqs + 1] = seq
    end
    for _, job in ipairs(by_seq(ctx, seqs)) do
      if job and MEND[job.status] then
        MEND[job.status](ctx, job)
      end
    end
  end
  return #pages == MEND_PAGES and pages[MEND_PAGES] + 1 or nil
end

-- The walk is over. What is amiss all the same is looked for once more, unless it was in vain.
local function mend_end(ctx, sought)
  local amiss = all_amiss(ctx)
  set_book(ctx, 'mend_below', 0)
  if amiss > 0 and amiss < sought then
    mend_from_start(ctx, amiss)
    finish(ctx)
    return {1, amiss, 0}
  end
  set_book(ctx, 'unfound', amiss)
  finish(ctx)
  return {0, sought, amiss}
end

-- asked: now. Answers 2 when it has begun, 1 when there is more to do, 0 at the end; how many jobs
-- were amiss, and how many of them are nowhere.
local function mend(keys, args)
  local ctx = begin(keys, args)
  local at, below, sought, unfound = unpack(steps_of(ctx))
  if below == 0 then
    local amiss = all_amiss(ctx)
    if amiss <= unfound then
      return {0, 0, 0}
    end
    mend_from_start(ctx, amiss)
    finish(ctx)
    return {2, amiss, 0}
  end
  ctx.fresh, ctx.lanes, ctx.left = {}, {}, {}
  local following = mend_slice(ctx, at, below)
  set_book(ctx, 'mend_at', following or at)
  finish(ctx)
  cut(ctx, ctx.left)
  if following then
    return {1, sought, 0}
  end
  ctx.set, ctx.counts = {}, {}
  return mend_end(ctx, sought)
end

register('mend', mend, 'allow-oom')
