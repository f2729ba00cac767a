--[[ The verbs of delivery: `pull` and `acknowledge`.

A receipt is the store's epoch and a number that no other receipt has. Its seqs stand in one
string, and one sorted set says when receipts lapse: a pull of thousands writes two small keys. A
late acknowledgement is honoured until somebody's `pull` has brought the results back. ]]

local LAPSE_JOBS = 10000
local DELIVERED_EXTRA_BYTES = 204

local function kept_bytes(job)
  return #job.state + DELIVERED_EXTRA_BYTES
end

local function seqs_under(ctx, receipt)
  local packed = redis.call('GET', ctx.prefix .. 'r' .. receipt) or ''
  local seqs = {}
  for at = 1, #packed, 5 do
    seqs[#seqs + 1] = seq_of(packed, at)
  end
  return seqs
end

local function drop_receipt(ctx, receipt)
  redis.call('DEL', ctx.prefix .. 'r' .. receipt)
  redis.call('ZREM', ctx.prefix .. 'receipts', receipt)
end

local function bring_back(ctx, job)
  moved(ctx, PULLED, AFTER_LAPSE[PULLED])
  job.status, job.ref = AFTER_LAPSE[PULLED], 0
  offer(ctx, job)
  save(ctx, job)
end

-- Bring back the results of receipts that have run out.
local function lapse(ctx)
  if ctx.books[COUNTED[PULLED]] == 0 then
    return
  end
  local looked = 0
  local ended = redis.call('ZRANGEBYSCORE', ctx.prefix .. 'receipts', '-inf', ctx.now_ms,
    'LIMIT', 0, LAPSE_JOBS)
  for _, receipt in ipairs(ended) do
    local jobs = by_seq(ctx, seqs_under(ctx, receipt))
    for _, job in ipairs(jobs) do
      if job and job.status == PULLED and job.ref == tonumber(receipt) then
        bring_back(ctx, job)
      end
    end
    drop_receipt(ctx, receipt)
    looked = looked + #jobs
    if looked >= LAPSE_JOBS then
      break
    end
  end
  write_jobs(ctx)  -- what came back must be in the outbox before this very call looks there
end

local function deliver(ctx, job, verb)
  moved(ctx, job.status, verb[job.status])
  job.status, job.ref = verb[job.status], ctx.now_ms
  append(ctx, 'delivered', job.seq)
  count(ctx, 'delivered_total', 1)
  count(ctx, 'delivered_bytes', kept_bytes(job))
  save(ctx, job)
end

local function put_under(ctx, jobs, until_ms)
  local epoch = redis.call('HGET', ctx.prefix .. 'books', 'epoch')
  if not epoch then
    damaged('its epoch is missing')
  end
  local receipt = ctx.books.next_receipt + 1
  set_book(ctx, 'next_receipt', receipt)
  local packed = {}
  for place, job in ipairs(jobs) do
    moved(ctx, job.status, AFTER_PULL[job.status])
    job.status, job.ref = AFTER_PULL[job.status], receipt
    packed[place] = seq_bytes(job.seq)
    save(ctx, job)
  end
  redis.call('SET', ctx.prefix .. 'r' .. receipt, table.concat(packed))
  redis.call('ZADD', ctx.prefix .. 'receipts', until_ms, receipt)
  return epoch .. struct.pack('>I8', receipt)
end

do  -- what nobody else needs: a chunk of Lua may have 200 names

-- asked: now, tenant, top, receipt_ms or -1. Answers with the receipt or '', then id and state.
local function pull(keys, args)
  local ctx = begin(keys, args)
  local _, tenant, top, receipt_ms = unpack(ctx.asked)
  lapse(ctx)
  local number = find_number(ctx, 't', tenant)
  local popped = redis.call('ZPOPMAX', ctx.prefix .. 'o' .. number, top)
  local seqs, jobs = {}, {}
  for at = #popped - 1, 1, -2 do  -- rising, as far as may be: then they lie together
    seqs[#seqs + 1] = seq_of(popped[at])
  end
  local found = by_seq(ctx, seqs)
  for at = #found, 1, -1 do
    if found[at] and found[at].status == DONE and found[at].tenant == number then
      jobs[#jobs + 1] = found[at]
    end
  end
  local answer = {''}
  if #jobs > 0 and receipt_ms >= 0 then
    answer[1] = put_under(ctx, jobs, ctx.now_ms + receipt_ms)
  end
  for place, job in ipairs(jobs) do
    if receipt_ms < 0 then
      deliver(ctx, job, AFTER_DELIVER)
    end
    answer[place + 1] = job.id .. job.state
  end
  finish(ctx)
  return answer
end

-- asked: now, tenant, top. What `pull` would hand out, in order: (ended_ms 6, age 7) each. The jobs
-- themselves are not looked at: the outbox knows the time, and the page the age.
local function latest(keys, args)
  local ctx = begin(keys, args)
  lapse(ctx)
  local number = find_number(ctx, 't', ctx.asked[2])
  local flat = redis.call('ZREVRANGE', ctx.prefix .. 'o' .. number, 0, ctx.asked[3] - 1,
    'WITHSCORES')
  local seqs, packed = {}, {}
  for at = #flat - 1, 1, -2 do  -- rising, as in `pull`
    seqs[#seqs + 1] = seq_of(flat[at])
  end
  for place, entry in ipairs(entries_of(ctx, seqs)) do
    local at = #seqs - place + 1
    packed[at] = struct.pack('>I6', tonumber(flat[2 * at])) .. age_bytes(entry)
  end
  finish(ctx)
  return table.concat(packed)
end

-- The jobs that one acknowledgement means: all under the receipt, or those that it names.
local function meant(ctx, receipt, ids)
  if ids then
    return by_id(ctx, ids)
  end
  return by_seq(ctx, seqs_under(ctx, receipt))
end

local function acknowledge_one(ctx, epoch, item)
  local receipt, tenant, ids = item[1], find_number(ctx, 't', item[2]), item[3]
  local returned = item[4]
  if #receipt ~= 16 or string.sub(receipt, 1, 8) ~= epoch then
    return 0
  end
  receipt = struct.unpack('>I8', receipt, 9)
  local settled = 0
  for _, job in ipairs(meant(ctx, receipt, ids)) do
    if job and job.status == PULLED and job.ref == receipt and job.tenant == tenant then
      if returned then
        bring_back(ctx, job)
      else
        deliver(ctx, job, AFTER_ACKNOWLEDGE)
      end
      settled = settled + 1
    end
  end
  if settled > 0 and not ids then
    drop_receipt(ctx, receipt)
  end
  return settled
end

-- asked: now, items of (receipt, tenant, ids or false, whether they come back undelivered).
local function acknowledge(keys, args)
  local ctx = begin(keys, args)
  local epoch = redis.call('HGET', ctx.prefix .. 'books', 'epoch')
  local counts = {}
  for place, item in ipairs(ctx.asked[2]) do
    counts[place] = acknowledge_one(ctx, epoch, item)
  end
  finish(ctx)
  return counts
end

register('pull', pull, 'allow-oom')
register('latest', latest, 'allow-oom')
register('acknowledge', acknowledge, 'allow-oom')

end
