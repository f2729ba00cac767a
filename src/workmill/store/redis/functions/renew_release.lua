--[[ The verbs of a lease that goes on or is handed back: `renew` and `release`. ]]

-- Move the job to a checkpoint further on; any other is kept as it was.
local function advance(ctx, job, done, state)
  if done <= job.done then
    return
  end
  count(ctx, 'backlog_iterations', job.done - done)
  count(ctx, 'iterations_done_total', done - job.done)
  job.done, job.state, job.attempts = done, state, 1
  save(ctx, job)
end

-- asked: now, words (ms: how long the lease lives from now).
local function renew(keys, args)
  local ctx = begin(keys, args)
  local due = {}
  local verdicts = hear(ctx, ctx.asked[2], function(job, state, done, ms)
    job.status = AFTER_RENEW[job.status]
    advance(ctx, job, done, state)
    due[#due + 1] = ctx.now_ms + ms
    due[#due + 1] = job.seq
  end, true)
  in_chunks('ZADD', ctx.prefix .. 'leased', due, 2)
  finish(ctx)
  return verdicts
end

-- asked: now, words.
local function release(keys, args)
  local ctx = begin(keys, args)
  local left = {}
  local verdicts = hear(ctx, ctx.asked[2], function(job, state, done)
    advance(ctx, job, done, state)
    moved(ctx, job.status, AFTER_RELEASE[job.status])
    job.status, job.attempts = AFTER_RELEASE[job.status], job.attempts - 1
    push_back(ctx, job)
    left[#left + 1] = job
    save(ctx, job)
  end, true)
  unlease(ctx, left)
  finish(ctx)
  return verdicts
end

register('renew', renew, 'allow-oom')
register('release', release, 'allow-oom')
