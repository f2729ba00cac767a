--[[ The verb `cancel`. It walks its batch job by job: a cancel may promote the very job that the
next item of the batch names. ]]

-- Put the eldest attached job in the place of the one that goes, at its checkpoint and no less
-- urgent. The group keeps its name; `heirs` says who leads it now.
local function promote_eldest(ctx, leader)
  local group = group_of(ctx, leader)
  local heirs = ctx.prefix .. 'heirs'
  local key = ctx.prefix .. 'a' .. group
  redis.call('HDEL', heirs, 'g' .. leader.seq, 'l' .. group)
  local heir
  repeat
    local seq = redis.call('ZPOPMIN', key)[1]
    if not seq then
      return
    end
    heir = one_by_seq(ctx, tonumber(seq))
  until is_attached(heir, group)
  moved(ctx, heir.status, AFTER_PROMOTE[heir.status])
  heir.status, heir.ref = AFTER_PROMOTE[heir.status], 0
  heir.done, heir.state = leader.done, leader.state
  heir.priority = math.max(heir.priority, leader.priority)
  count(ctx, 'backlog_iterations', heir.total - heir.done)
  local value, bucket, field = entries_for(ctx, heir.key)
  add_work(ctx, heir.key, heir.total, heir.seq, value, bucket, field)
  push_back(ctx, heir)
  save(ctx, heir)
  if redis.call('EXISTS', key) == 1 then
    redis.call('HSET', heirs, 'l' .. group, heir.seq, 'g' .. heir.seq, group)
  end
end

local function cancel_one(ctx, job, left)
  if not job then
    return 'U'
  end
  local status = AFTER_CANCEL[job.status]
  if not status then
    return 'R'
  end
  if job.status == ATTACHED then
    redis.call('ZREM', ctx.prefix .. 'a' .. job.ref, job.seq)
  else
    count(ctx, 'backlog_iterations', job.done - job.total)
    drop_work(ctx, job.key, job.total, job.seq)
    if ctx.books[COUNTED[ATTACHED]] > 0 then
      promote_eldest(ctx, job)
    end
    if job.status == LEASED then
      unlease(ctx, {job})
    else
      leave_queue(ctx, job, left)
    end
  end
  moved(ctx, job.status, status)
  count(ctx, 'cancelled_total', 1)
  job.status, job.ended_ms, job.ref, job.text = status, ctx.now_ms, 0, ''
  append(ctx, 'ended', job.seq)
  save(ctx, job)
  return 'A'
end

-- asked: now, ids.
local function cancel(keys, args)
  local ctx = begin(keys, args)
  local verdicts, left = {}, {}
  by_id(ctx, ctx.asked[2])
  for place, id in ipairs(ctx.asked[2]) do
    verdicts[place] = cancel_one(ctx, ctx.jobs[id], left)
  end
  cut(ctx, left)
  finish(ctx)
  return table.concat(verdicts)
end

register('cancel', cancel, 'allow-oom')
