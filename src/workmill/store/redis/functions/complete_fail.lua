--[[ How a leased job leaves its worker: `complete`, `fail`, and a lease that has run out.

Jobs attached to it go the same way, except that a retry does not touch them. ]]

local WORD = '>c16I8I8I8'  -- id, token, done, ms (or whether to retry); then a state or a reason
local WORD_REST_AT = 41

-- Hear each word of a batch: one letter each, A applied, S stale, U unknown, R refused. A word
-- counts that comes from the holder of the lease and can be true; `act` carries it out.
local function hear(ctx, words, act, has_state)
  local ids, verdicts = {}, {}
  for place, word in ipairs(words) do
    ids[place] = string.sub(word, 1, 16)
  end
  for place, job in ipairs(by_id(ctx, ids)) do
    local _, token, done, ms = struct.unpack(WORD, words[place])
    local rest = string.sub(words[place], WORD_REST_AT)
    if not job then
      verdicts[place] = 'U'
    elseif job.status ~= LEASED or job.token ~= token then
      verdicts[place] = 'S'
    elseif has_state and (#rest ~= #job.state or done > job.total) then
      verdicts[place] = 'R'
    else
      act(job, rest, done, ms)
      verdicts[place] = 'A'
    end
  end
  return table.concat(verdicts)
end

local function unlease(ctx, jobs)
  local seqs = {}
  for place, job in ipairs(jobs) do
    seqs[place] = job.seq
  end
  in_chunks('ZREM', ctx.prefix .. 'leased', seqs)
end

-- All that are attached to a job whose work has ended, and no trace of the group.
local function dissolve(ctx, leader)
  local group = group_of(ctx, leader)
  local seqs = redis.call('ZRANGE', ctx.prefix .. 'a' .. group, 0, -1)
  if #seqs > 0 then
    redis.call('DEL', ctx.prefix .. 'a' .. group)
  end
  redis.call('HDEL', ctx.prefix .. 'heirs', 'g' .. leader.seq, 'l' .. group)
  local there = {}
  for _, job in ipairs(by_seq(ctx, seqs)) do
    there[#there + 1] = is_attached(job, group) and job or nil
  end
  return there
end

local function settle(ctx, leader)
  for _, job in ipairs(dissolve(ctx, leader)) do
    moved(ctx, job.status, AFTER_SETTLE[job.status])
    count(ctx, 'completed_total', 1)
    count(ctx, 'iterations_saved_total', job.total - job.done)
    job.status, job.state, job.done = AFTER_SETTLE[job.status], leader.state, job.total
    job.ended_ms, job.ref = ctx.now_ms, 0
    offer(ctx, job)
    save(ctx, job)
  end
end

-- asked: now, words, max_known_bytes.
local function complete(keys, args)
  local ctx = begin(keys, args)
  local finished, left = {}, 0
  local verdicts = hear(ctx, ctx.asked[2], function(job, state)
    left = left + job.total - job.done
    moved(ctx, LEASED, AFTER_COMPLETE[LEASED])
    job.status, job.state, job.done = AFTER_COMPLETE[LEASED], state, job.total
    job.ended_ms, job.text = ctx.now_ms, nil
    offer(ctx, job)
    save(ctx, job)
    finished[#finished + 1] = job
  end, true)
  if #finished > 0 then
    unlease(ctx, finished)
    count(ctx, 'completed_total', #finished)
    count(ctx, 'backlog_iterations', -left)
    count(ctx, 'iterations_done_total', left)
    remember(ctx, finished, ctx.asked[3])
    if ctx.books[COUNTED[ATTACHED]] > 0 then
      for _, job in ipairs(finished) do
        settle(ctx, job)
      end
    end
  end
  finish(ctx)
  return verdicts
end

local function after_lost_lease(job)
  return job.attempts >= MAX_ATTEMPTS and AFTER_BURY or AFTER_RETRY
end

local function end_failed(ctx, job, reason)
  moved(ctx, job.status, AFTER_BURY[job.status])
  count(ctx, 'failed_total', 1)
  job.status, job.ended_ms, job.ref, job.text = AFTER_BURY[job.status], ctx.now_ms, 0, reason
  append(ctx, 'ended', job.seq)
  save(ctx, job)
end

local function bury(ctx, job, reason)
  reason = within_bound(reason)
  count(ctx, 'backlog_iterations', job.done - job.total)
  drop_work(ctx, job.key, job.total, job.seq)
  end_failed(ctx, job, reason)
  if ctx.books[COUNTED[ATTACHED]] > 0 then
    for _, other in ipairs(dissolve(ctx, job)) do
      end_failed(ctx, other, reason)
    end
  end
end

local function retry(ctx, job)
  moved(ctx, LEASED, AFTER_RETRY[LEASED])
  job.status = AFTER_RETRY[LEASED]
  push_back(ctx, job)
  save(ctx, job)
end

-- asked: now, words (their ms says whether the job may be tried again).
local function fail(keys, args)
  local ctx = begin(keys, args)
  local left = {}
  local verdicts = hear(ctx, ctx.asked[2], function(job, reason, _, retryable)
    left[#left + 1] = job
    if retryable == 0 then
      bury(ctx, job, reason)
    elseif after_lost_lease(job) == AFTER_BURY then
      bury(ctx, job, string.format(BURIED, job.attempts, reason))
    else
      retry(ctx, job)
    end
  end, false)
  unlease(ctx, left)
  finish(ctx)
  return verdicts
end

local RECLAIM_JOBS = 2000  -- how many lost leases one call brings back; the next one goes on

local function reclaim(ctx)
  local seqs = redis.call('ZRANGEBYSCORE', ctx.prefix .. 'leased', '-inf', ctx.now_ms,
    'LIMIT', 0, RECLAIM_JOBS)
  for _, job in ipairs(by_seq(ctx, seqs)) do
    if job and job.status == LEASED then
      count(ctx, 'expired_leases_total', 1)
      if after_lost_lease(job) == AFTER_BURY then
        bury(ctx, job, string.format(BURIED, job.attempts, string.format(LOST, job.text)))
      else
        retry(ctx, job)
      end
    end
  end
  in_chunks('ZREM', ctx.prefix .. 'leased', seqs)
end

register('complete', complete, 'allow-oom')
register('fail', fail, 'allow-oom')
