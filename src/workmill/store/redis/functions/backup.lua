--[[ Backup and restore.

A record is complete by itself and every index follows from the records, so no instant has to be
frozen: a backup walks the pages in slices, each job as it stands when its turn comes, while verbs
go on. What two slices may contradict each other in is settled when the records are loaded: work
that is running is queued again, attached to whoever leads it in the file, or done when its result
is in the file. Jobs come in the order of their seqs, and a leader has the lowest of its group.

A restore fills the generation that does not live, in slices, while the other one serves, and then
changes the letter. Whoever restores holds `loading`, which expires when nothing comes any more: a
live one says something every 5 s at least, and is told no after a silence, having changed nothing.

A word of a restore may arrive after it was given up: a network that was cut delivers what it still
has. So what is left of a failed one is removed under another name (`load_begin`): were its
`load_switch` to come while half of its keys are gone, the other half would be the store. ]]

local LOADING_MS = 20000

local function flat_hash(name)
  return function(keys, args)
    return redis.call('HGETALL', look(keys, args).prefix .. name)
  end
end

-- asked: now, how many were read, how many to read.
local function dump_known(keys, args)
  local ctx = look(keys, args)
  local _, first, amount = unpack(ctx.asked)
  local seqs = redis.call('LRANGE', ctx.prefix .. 'known', first, first + amount - 1)
  local found = {}
  for place, work in ipairs(standing(ctx, seqs)) do
    found[place] = work and pack_known(work) or ''
  end
  return found
end

-- A backup that lacks jobs would take the place of one that has them: `found` on a page must be no
-- fewer than are counted there.
local function check_page(ctx, page, found)
  if found < tonumber(redis.call('HGET', ctx.prefix .. 'live', page) or 0) then
    damaged('keys of its jobs are missing, so a backup would lack jobs')
  end
end

-- The pages that are counted must be there, and count no fewer jobs than the books do.
local function check_pages(ctx)
  local flat, counted = redis.call('HGETALL', ctx.prefix .. 'live'), 0
  for at = 2, #flat, 2 do
    counted = counted + flat[at]
  end
  for _, jobs in ipairs(redis.call('HMGET', ctx.prefix .. 'books', unpack(COUNTED))) do
    counted = counted - (jobs or 0)
  end
  if counted < 0 or redis.call('ZCARD', ctx.prefix .. 'pages') < #flat / 2 then
    damaged('pages of its jobs are missing, so a backup would lack jobs')
  end
end

-- asked: now, page, below: the jobs of the next page that is there, under seqs below that one.
-- Answers the page to go on with (-1 at the end), then (age, id, record) for each job.
local function dump_jobs(keys, args)
  local ctx = look(keys, args)
  local _, page, below = unpack(ctx.asked)
  if page == 0 then
    check_pages(ctx)
  end
  page = redis.call('ZRANGEBYSCORE', ctx.prefix .. 'pages', page, '+inf', 'LIMIT', 0, 1)[1]
  if not page or page * PAGE_JOBS >= below then
    return {-1}
  end
  local seqs, there, found, answer = {}, {}, 0, {page + 1}
  for seq = page * PAGE_JOBS, (page + 1) * PAGE_JOBS - 1 do
    seqs[#seqs + 1] = seq
  end
  for place, job in ipairs(by_seq(ctx, seqs)) do
    found = found + (job and 1 or 0)
    there[#there + 1] = job and seqs[place] < below and job or nil
  end
  check_page(ctx, page, found)
  for place, age in ipairs(ages_of(ctx, there)) do
    local job = there[place]
    answer[place + 1] = struct.pack('>I8', age) .. job.id .. pack_job(job)
  end
  return answer
end

-- asked: now, who, who has failed and is followed by this one, if anybody. Says whether the restore
-- may begin.
local function load_begin(keys, args)
  local ctx = begin(keys, args)
  local _, who, failed = unpack(ctx.asked)
  local name = ctx.tag .. 'loading'
  if failed and redis.call('GET', name) == failed then
    redis.call('DEL', name)
  end
  local taken = redis.call('SET', name, who, 'NX', 'PX', LOADING_MS)
  if taken then
    redis.call('SET', ctx.tag .. 'rest', 0)
  end
  finish(ctx)
  return taken and 1 or 0
end

-- The session of one slice of a restore, on the generation that does not live.
local function loading(keys, args)
  local tag = keys[1]
  local ctx = begin(keys, args, idle_letter(tag))
  if redis.call('GET', tag .. 'loading') ~= ctx.asked[2] then
    error('WMLOADING this restore has been silent for too long and was given up')
  end
  redis.call('PEXPIRE', tag .. 'loading', LOADING_MS)
  ctx.fresh, ctx.lanes, ctx.left = {}, {}, {}
  return ctx
end

-- asked: now, who, cursor. Removes a slice of the idle generation; answers the next cursor.
local function load_clear(keys, args)
  local ctx = loading(keys, args)
  return clear_idle(ctx.tag, ctx.asked[3])
end

-- asked: now, who, flat fields of a hash. `names` come whole, of the books only what was counted.
local function load_hash(name)
  return function(keys, args)
    local ctx = loading(keys, args)
    in_chunks('HSET', ctx.prefix .. name, ctx.asked[3], 2)
    return 0
  end
end

-- asked: now, who, known work packed.
local function load_known(keys, args)
  local ctx = loading(keys, args)
  local copies = {}
  for _, raw in ipairs(ctx.asked[3]) do
    local work = unpack_known(raw)
    local seq = take_seq(ctx)
    local value, bucket, field = entries_for(ctx, work.key)
    add_work(ctx, work.key, work.total, seq, value, bucket, field)
    copies[#copies + 1] = known_name(ctx, seq)
    copies[#copies + 1] = raw
    append(ctx, 'known', seq)
    count_known(ctx, 1, #work.state + KNOWN_EXTRA_BYTES)
  end
  write_pairs(copies)
  finish(ctx)
  return 0
end

local function load_running(ctx, job)
  if job.status == LEASED then
    job.status, job.attempts = AFTER_RELEASE[job.status], math.max(0, job.attempts - 1)
  end
  job.text, job.ref, job.ended_ms = nil, nil, nil
  local value, bucket, field = entries_for(ctx, job.key)
  local leader, known
  if value then
    leader, known = find_work(ctx, job.key, job.total, value)
  end
  if known and known.total == job.total then
    job.status, job.state, job.done, job.ended_ms = DONE, known.state, job.total, ctx.now_ms
    offer(ctx, job)
  elseif leader then
    attach(ctx, job, leader)
  else
    queue_up(ctx, job)
    add_work(ctx, job.key, job.total, job.seq, value, bucket, field)
  end
end

local function load_job(ctx, job)
  if job.status == PULLED then
    job.status, job.ref = AFTER_LAPSE[job.status], 0
  end
  if job.status == QUEUED or job.status == LEASED or job.status == ATTACHED then
    load_running(ctx, job)
  elseif job.status == DONE then
    offer(ctx, job)
  elseif job.status == DELIVERED then
    append(ctx, 'delivered', job.seq)
    count(ctx, 'delivered_bytes', kept_bytes(job))
  else
    append(ctx, 'ended', job.seq)
  end
  moved(ctx, nil, job.status)
  save(ctx, job)
end

-- asked: now, who, (age, id, record) for each job. Answers 1, having loaded none, when one of them
-- is there already.
local function load_jobs(keys, args)
  local ctx = loading(keys, args)
  local entries, met = {}, {}
  for _, raw in ipairs(ctx.asked[3]) do
    local id = string.sub(raw, 9, 24)
    if met[id] or redis.call('EXISTS', ctx.prefix .. 'j' .. id) == 1 then
      return 1
    end
    met[id] = true
  end
  local first = ctx.books.next_seq
  for place, raw in ipairs(ctx.asked[3]) do
    local id = string.sub(raw, 9, 24)
    local job = unpack_job(id, string.sub(raw, 25))
    local seq, age = take_seq(ctx, (struct.unpack('>I8', raw)))
    job.seq = seq
    entries[place] = id .. struct.pack('>I7', age)
    load_job(ctx, job)
  end
  write_pages(ctx, first, entries)
  finish(ctx)
  cut(ctx, ctx.left)
  return 0
end

-- asked: now, who, what the restore of all parts is called. Notes in the living books that this part
-- is about to change over.
local function load_due(keys, args)
  loading(keys, args)
  local ctx = look(keys, args)
  redis.call('HSET', ctx.prefix .. 'books', 'due', ctx.asked[3])
  return 0
end

-- asked: now, who, epoch, by how much tokens step over the last one that was issued,
-- what the restore of all parts is called or ''. From here on the loaded generation lives. Its time does not go back behind the other one's.
local function load_switch(keys, args)
  local ctx = loading(keys, args)
  local live = look(keys, args).books
  local top = math.max(live.highest_token, ctx.books.highest_token) + ctx.asked[4]
  set_book(ctx, 'first_token', top)
  set_book(ctx, 'highest_token', top)
  set_book(ctx, 'next_receipt', math.max(live.next_receipt, ctx.books.next_receipt))
  set_book(ctx, 'last_ms', math.max(live.last_ms, ctx.books.last_ms, ctx.now_ms))
  set_book(ctx, 'restores', live.restores + 1)
  set_book(ctx, 'last_age', math.max(live.last_age, ctx.books.last_age))
  finish(ctx)
  redis.call('HSET', ctx.prefix .. 'books', 'layout', LAYOUT, 'epoch', ctx.asked[3],
    'made', ctx.asked[5])
  redis.call('SET', ctx.tag, string.sub(ctx.prefix, -1))
  return 0
end

-- asked: now, who, when all of the idle generation has been removed.
local function load_end(keys, args)
  local ctx = loading(keys, args)
  redis.call('DEL', ctx.tag .. 'loading', ctx.tag .. 'rest')
  return 0
end

register('dump_books', flat_hash('books'), 'no-writes')
register('dump_names', flat_hash('names'), 'no-writes')
register('dump_known', dump_known, 'no-writes')
register('dump_jobs', dump_jobs, 'no-writes')
register('load_begin', load_begin, 'allow-oom')
register('load_clear', load_clear, 'allow-oom')
register('load_books', load_hash('books'))
register('load_names', load_hash('names'))
register('load_known', load_known)
register('load_jobs', load_jobs)
register('load_due', load_due)
register('load_switch', load_switch)
register('load_end', load_end, 'allow-oom')
