--[[ The verb `purge`: what has been kept long enough goes, a bounded part at a time.

Each kind of end is kept for one time only, so its list is in the order in which jobs must go.
Delivered jobs go early, too, when they are more than the bound on their bytes; results that nobody
has fetched never do. ]]

local REST_SLICES = 10

local LISTED = {delivered = {[DELIVERED] = true}, ended = {[FAILED] = true, [CANCELLED] = true}}

-- Take jobs from the head of a list as long as `due` says so, at most `most`. A place of which the
-- job has not come to its end is one of a function that ended in its midst, or edited: it is passed
-- over, as one that is there twice.
local function take_due(ctx, list, most, due)
  local gone, passed = {}, 0
  if most < 1 then
    return gone
  end
  local seqs = redis.call('LRANGE', ctx.prefix .. list, 0, most - 1)
  for _, job in ipairs(by_seq(ctx, seqs)) do
    local here = job and LISTED[list][job.status] and not job.gone
    if here and not due(job) then
      break
    end
    passed = passed + 1
    if here then
      job.gone = true
      gone[#gone + 1] = job
    end
  end
  if passed > 0 then
    redis.call('LPOP', ctx.prefix .. list, passed)
  end
  return gone
end

local function delivered_due(ctx, kept_ms, max_bytes)
  return function(job)
    local over = ctx.books.delivered_bytes > max_bytes
    if job.ref + kept_ms > ctx.now_ms and not over then
      return false
    end
    ctx.books.delivered_bytes = ctx.books.delivered_bytes - kept_bytes(job)
    count(ctx, 'delivered_bytes', -kept_bytes(job))
    return true
  end
end

local function unpulled_due(ctx, most, ended_ms)
  local gone = {}
  for tenant = 1, last_number(ctx, 't') do
    local outbox = ctx.prefix .. 'o' .. tenant
    local members = most > #gone and redis.call('ZRANGEBYSCORE', outbox, '-inf', ended_ms,
      'LIMIT', 0, most - #gone) or {}
    local seqs = {}
    for place, member in ipairs(members) do
      seqs[place] = seq_of(member)
    end
    for _, job in ipairs(by_seq(ctx, seqs)) do
      if job and job.status == DONE and job.tenant == tenant then
        gone[#gone + 1] = job
      end
    end
    in_chunks('ZREM', outbox, members)
  end
  return gone
end

-- How long something is kept: after a leap of the clock nothing is due by it before it has been
-- there for its whole time once more.
local function kept_since_leap(ctx, kept_ms)
  return ctx.now_ms < ctx.books.leapt_ms + kept_ms and math.huge or kept_ms
end

-- A restore that was killed leaves a generation that nobody serves. The next one removes it, but
-- until then it would be in memory. A cursor of another server may miss some.
local function clear_rest(tag)
  local name = tag .. 'rest'
  local cursor = redis.call('GET', name)
  if not cursor or redis.call('EXISTS', tag .. 'loading') == 1 then
    return
  end
  for _ = 1, REST_SLICES do
    cursor = clear_idle(tag, cursor)
    if cursor == '0' then
      redis.call('DEL', name)
      return
    end
  end
  redis.call('SET', name, cursor)
end

-- asked: now, max_jobs, result_ms, delivered_ms, known_ms, max_delivered_bytes. Answers how much
-- went, when the clock leapt last, by how much, and until when results are kept for that.
local function purge(keys, args)
  local ctx = begin(keys, args)
  local _, most, result_ms, delivered_ms, known_ms, max_bytes = unpack(ctx.asked)
  local held_until_ms = ctx.books.leapt_ms + result_ms
  result_ms, delivered_ms, known_ms = kept_since_leap(ctx, result_ms),
    kept_since_leap(ctx, delivered_ms), kept_since_leap(ctx, known_ms)
  lapse(ctx)
  local forgotten = forget(ctx, most, function(work)
    return work.ended_ms + known_ms <= ctx.now_ms
  end)
  local removed = take_due(ctx, 'delivered', most, delivered_due(ctx, delivered_ms, max_bytes))
  local function take_over(jobs)
    for _, job in ipairs(jobs) do
      removed[#removed + 1] = job
    end
  end
  if result_ms < math.huge then
    take_over(unpulled_due(ctx, most - #removed, ctx.now_ms - result_ms))
  end
  take_over(take_due(ctx, 'ended', most - #removed, function(job)
    return job.ended_ms + result_ms <= ctx.now_ms
  end))
  for _, job in ipairs(removed) do
    moved(ctx, job.status, nil)
  end
  if #removed > 0 then
    -- An id that went may come back: its tokens must start above any that it ever had.
    set_book(ctx, 'first_token', ctx.books.highest_token)
    leave_copies(ctx, removed)
    remove_jobs(ctx, removed)
  end
  finish(ctx)
  clear_rest(ctx.tag)
  local leap_ms = redis.call('HGET', ctx.prefix .. 'books', 'leap_ms') or 0
  return {#removed + forgotten, ctx.books.leapt_ms, tonumber(leap_ms), held_until_ms}
end

register('purge', purge, 'allow-oom')
