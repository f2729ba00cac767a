--[[ The verb `submit`: each job once per id, and never work that is known or running already. ]]

local NEW = '>c16I2bI8I8I8c32'  -- id, place in the list of kinds, priority, total, done, age, key
local NEW_STATE_AT = 76
local CREATED, CONFLICT = 1, 2

-- An answer about one job: status, flags, done, and its state when that is a result.
local function told(status, flags, done, state)
  return struct.pack('>BBI6', status, flags, done) .. (FINISHED[status] and state or '')
end

local function already_there(ctx, new, old)
  local same = old.key == new.key and old.total == new.total and old.tenant == new.kind.tenant
    and old.workload == new.kind.workload
  local done = old.done
  if old.status == ATTACHED then
    done = (leader_of(ctx, old) or old).done
  elseif FINISHED[old.status] then
    done = old.total
  end
  return told(old.status, same and 0 or CONFLICT, done, old.state)
end

local function take_seq(ctx, age)
  local books = ctx.books
  local seq = books.next_seq
  set_book(ctx, 'next_seq', seq + 1)
  set_book(ctx, 'last_age', math.max(books.last_age + 1, age or 0))
  return seq, books.last_age
end

-- A job that was purged elsewhere may come back under its id here, where its tokens are not known.
-- So where ages come from outside, tokens begin with the time, which is ahead of any: no job is
-- leased every TOKEN_MS for long.
local TOKEN_MS = 4

local function first_token(ctx, age)
  local token = math.max(ctx.books.first_token, math.floor(age / (AGE_STEPS * TOKEN_MS)))
  if token > ctx.books.highest_token then
    set_book(ctx, 'highest_token', token)
  end
  return token
end

local function be_born_done(ctx, job)
  job.status, job.done, job.ended_ms = DONE, job.total, ctx.now_ms
  count(ctx, 'completed_total', 1)
  offer(ctx, job)
  return told(DONE, CREATED, job.total, job.state)
end

local function attach(ctx, job, leader)
  job.status, job.ref = ATTACHED, group_of(ctx, leader)
  raise(ctx, leader, job.priority, ctx.left)
  redis.call('ZADD', ctx.prefix .. 'a' .. job.ref, job.seq, job.seq)
  return told(ATTACHED, CREATED, leader.done)
end

local function queue_up(ctx, job)
  job.status = QUEUED
  count(ctx, 'backlog_iterations', job.total - job.done)
  local mark = job.workload * 1000 + job.priority
  if not ctx.lanes[mark] then
    note_rank(ctx, job.workload, rank_of(job))
    ctx.lanes[mark] = 'q' .. job.workload .. ':' .. rank_of(job)
  end
  append(ctx, ctx.lanes[mark], job.seq)
  ctx.fresh[job.seq] = job
  return job.done
end

-- Decide where one new job begins. Answers a number, how far it is, when it is simply queued.
local function place(ctx, job)
  local value, bucket, field = entries_for(ctx, job.key)
  local leader, known
  if value then
    leader, known = find_work(ctx, job.key, job.total, value)
  end
  local began = job.done
  if known and known.total > began and (known.total == job.total or not leader) then
    job.done, job.state = known.total, known.state
  end
  local answer
  if job.done == job.total then
    answer = be_born_done(ctx, job)
  elseif leader then
    answer = attach(ctx, job, leader)
    count(ctx, 'attached_total', 1)
  else
    answer = queue_up(ctx, job)
    add_work(ctx, job.key, job.total, job.seq, value, bucket, field)
  end
  if job.status ~= ATTACHED and job.done > began then
    count(ctx, 'known_hits_total', 1)
    count(ctx, 'iterations_saved_total', job.done - began)
  end
  moved(ctx, nil, job.status)
  return answer
end

local function kinds_of(ctx, names)
  local kinds = {}
  for at, pair in ipairs(names) do
    kinds[at] = {workload = number_of(ctx, 'w', pair[1]), tenant = number_of(ctx, 't', pair[2])}
  end
  return kinds
end

local function read_new(kinds, blob)
  local id, kind, priority, total, done, age, key = struct.unpack(NEW, blob)
  kind = kinds[kind]
  return {id = id, kind = kind, workload = kind.workload, tenant = kind.tenant, attempts = 0,
    priority = priority, total = total, done = done, age = age, key = key,
    state = string.sub(blob, NEW_STATE_AT)}
end

-- The seqs of what is new are taken before any place is written under them: a function that ends in
-- its midst leaves such places, and they must never mean another job. Redis takes nothing back.
local function reserve_seqs(ctx, ids)
  local fresh, amount = {}, 0
  for _, id in ipairs(ids) do
    if not ctx.jobs[id] and not fresh[id] then
      fresh[id], amount = true, amount + 1
    end
  end
  if amount > 0 then
    redis.call('HSET', ctx.prefix .. 'books', 'next_seq',
      string.format('%.0f', ctx.books.next_seq + amount))
  end
end

-- asked: now, kinds of (workload, tenant), one blob a job.
local function submit(keys, args)
  local ctx = begin(keys, args)
  local kinds, ids, answers, entries = kinds_of(ctx, ctx.asked[2]), {}, {}, {}
  ctx.fresh, ctx.lanes, ctx.left = {}, {}, {}
  for at, blob in ipairs(ctx.asked[3]) do
    ids[at] = string.sub(blob, 1, 16)
  end
  local first = ctx.books.next_seq
  by_id(ctx, ids)
  reserve_seqs(ctx, ids)
  for at, blob in ipairs(ctx.asked[3]) do
    local new = read_new(kinds, blob)
    local old = ctx.jobs[new.id]
    if old then
      answers[at] = already_there(ctx, new, old)
    else
      new.token = first_token(ctx, new.age)
      new.seq, new.age = take_seq(ctx, new.age > 0 and new.age or ctx.now_ms * AGE_STEPS)
      answers[at] = place(ctx, new)
      ctx.jobs[new.id] = new
      entries[#entries + 1] = new.id .. struct.pack('>I7', new.age)
      save(ctx, new)
    end
  end
  if #entries > 0 then
    count(ctx, 'submitted_total', #entries)
    write_places(ctx)
    write_pages(ctx, first, entries)
  end
  finish(ctx)
  cut(ctx, ctx.left)  -- after what is new has come to the lists
  return answers
end

register('submit', submit)
