--[[ What every verb begins and ends with: the time, the books, and what is to be written.

A verb reads the numbers it needs, decides in tables, and writes at its end: jobs with MSET,
counters with one HINCRBY each. Lists and sets it changes as it goes. Nothing else runs meanwhile.

Time is this server's, or the caller's in tests. It never goes back: where the clock is behind what
the books have seen, the difference is kept in `ahead_ms`. When nobody has called for SILENT_MS,
nobody could renew either (the server was away, or every endpoint was), so leases are given time.
Open endpoints write every second. So when nothing was written for LEAP_MS, either nobody could
fetch anything meanwhile or the clock has leapt: the store cannot tell which, and what is kept for
a time is kept for that time again (`leapt_ms`).

A caller says which store it opened, and the last number that it noted here (`mark`). Another store
at this address, or an older copy of this one, is refused before anything is read or written. So is
once each caller who has not heard of a restore (`restores`). ]]

local SILENT_MS = 10000
local LEAP_MS = 3600000
local NUMBERS = {'layout', 'last_ms', 'ahead_ms', 'next_seq', 'last_age', 'first_token',
  'highest_token', 'next_receipt', 'next_beat', 'known_bytes', 'restores', 'delivered_bytes', 'leapt_ms',
  COUNTED[ATTACHED], COUNTED[PULLED], COUNTED[LEASED]}
local EXACT = 2 ^ 50
local MOST_NAMES = 65535
local SCAN_KEYS = 2000

local function clock_ms(given)
  if given > 0 then
    return given
  end
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

local function damaged(why)
  error({err = 'WMDAMAGED ' .. why})
end

-- The letter of the generation that does not live.
local function idle_letter(tag)
  return (redis.call('GET', tag) or 'a') == 'a' and 'b' or 'a'
end

-- Remove a slice of the keys of that one; the cursor to go on with, '0' at the end.
local function clear_idle(tag, cursor)
  local names = tag .. idle_letter(tag) .. '*'
  local found = redis.call('SCAN', cursor, 'MATCH', names, 'COUNT', SCAN_KEYS)
  in_turns('UNLINK', found[2])
  return found[1]
end

-- What the caller knows of the store is true of this one. Gives the number that it noted last.
local function recognise(tag, caller)
  local _, identity, owner, noted = unpack(caller)
  local marked = redis.call('HMGET', tag .. 'mark', 'id', owner)
  if not marked[1] then
    damaged('its keys are gone: it was emptied, or another server is at its address')
  elseif marked[1] ~= identity then
    damaged('another store is at its address')
  end
  local number = tonumber(marked[2] or 0)
  if number < noted then
    error({err = 'WMOLDER ' .. string.format('%.0f', noted - number)})
  end
  return number
end

-- The session of a verb that writes nothing. `opening`: the store need not be known yet.
local function look(keys, args, letter, opening)
  local asked = cmsgpack.unpack(args[1])
  local tag, caller = keys[1], asked[1]
  local noted = not opening and recognise(tag, caller) or 0
  local prefix = tag .. (letter or redis.call('GET', tag) or 'a')
  local read = redis.call('HMGET', prefix .. 'books', unpack(NUMBERS))
  local books = {}
  for place, name in ipairs(NUMBERS) do
    books[name] = tonumber(read[place] or 0)
  end
  if books.layout ~= LAYOUT and books.layout ~= 0 then
    error('WMLAYOUT this store has layout ' .. books.layout .. ', the endpoint knows ' .. LAYOUT)
  end
  if books.layout == 0 and not letter
      and not (opening and not redis.call('HGET', tag .. 'mark', 'id')) then
    damaged('its books are missing')
  end
  if not opening and not letter and books.restores ~= caller[6] then
    error({err = 'WMRESTORED ' .. string.format('%.0f', books.restores)})
  end
  local clock = clock_ms(caller[1]) + books.ahead_ms
  return {tag = tag, caller = caller, noted = noted, prefix = prefix, asked = asked, books = books, clock_ms = clock,
    now_ms = math.max(clock, books.last_ms), jobs = {}, dirty = {}, counts = {}, set = {},
    lists = {}, outbox = {}}
end

local function set_book(ctx, name, value)
  ctx.books[name] = value
  ctx.set[name] = value
end

local function count(ctx, name, by)
  local sum = (ctx.counts[name] or 0) + by
  if sum > EXACT or sum < -EXACT then
    redis.call('HINCRBY', ctx.prefix .. 'books', name, string.format('%.0f', sum))
    sum = 0
  end
  ctx.counts[name] = sum
end

-- One job went from one status to another; either may be nil.
local function moved(ctx, from, to)
  if from then count(ctx, COUNTED[from], -1) end
  if to then count(ctx, COUNTED[to], 1) end
end

-- Leases that end before GRACE_MS from now end then. `again`: also those that were given time once.
local function give_time(ctx, again)
  local key, until_ms = ctx.prefix .. 'leased', ctx.now_ms + GRACE_MS
  local ending = redis.call('ZRANGEBYSCORE', key, '-inf', '(' .. until_ms, 'WITHSCORES')
  local later = {}
  for at = 1, #ending, 2 do
    if again or tonumber(ending[at + 1]) % 1 == 0 then
      later[#later + 1] = until_ms - 0.5
      later[#later + 1] = ending[at]
    end
  end
  in_chunks('ZADD', key, later, 2)
end

-- Note the caller's number, which rises a few times a second.
local function note_caller(ctx)
  local _, _, owner, _, number = unpack(ctx.caller)
  if number > ctx.noted then
    redis.call('HSET', ctx.tag .. 'mark', owner, string.format('%.0f', number))
  end
end

-- A right that was taken away would end a verb in its midst, and Redis takes nothing back: a job
-- without a place in any queue, a result that nobody is offered. So all of them are asked for first.
local function check_rights(key)
  for _, command in ipairs(COMMANDS) do
    if not redis.acl_check_cmd(command, key) then
      error({err = "NOPERM the store's functions may not run the '" .. command .. "' command"})
    end
  end
end

local function begin(keys, args, letter, opening)
  check_rights(keys[1])
  local ctx = look(keys, args, letter, opening)
  local books, given = ctx.books, ctx.caller[1]
  ctx.silent_ms = ctx.now_ms - books.last_ms
  if ctx.clock_ms < books.last_ms then
    set_book(ctx, 'ahead_ms', books.ahead_ms + books.last_ms - ctx.clock_ms)
  end
  if given == 0 and ctx.silent_ms > SILENT_MS then
    give_time(ctx, false)
  end
  if given == 0 and ctx.silent_ms > LEAP_MS and books.last_ms > 0 then
    set_book(ctx, 'leapt_ms', ctx.now_ms)
    set_book(ctx, 'leap_ms', ctx.silent_ms)
  end
  if ctx.silent_ms >= 1000 then
    set_book(ctx, 'last_ms', ctx.now_ms)
  end
  note_caller(ctx)
  return ctx
end

-- Put a seq at the end of one of the lists.
local function append(ctx, name, seq)
  local list = ctx.lists[name] or {}
  ctx.lists[name] = list
  list[#list + 1] = seq
end

-- Put a finished job where `pull` finds it.
local function offer(ctx, job)
  local flat = ctx.outbox[job.tenant] or {}
  ctx.outbox[job.tenant] = flat
  flat[#flat + 1] = job.ended_ms
  flat[#flat + 1] = seq_bytes(job.seq)
end

local function save(ctx, job)
  if not job.dirty then
    job.dirty = true
    ctx.dirty[#ctx.dirty + 1] = job
  end
end

-- Write where jobs are to stand. It comes before the jobs: a place without a job is passed over, and
-- when somebody has put something else under one of these names, a function ends here. A job that
-- was there already would be told to whoever submits it again, and have no place.
local function write_places(ctx)
  for list, seqs in pairs(ctx.lists) do
    in_chunks('RPUSH', ctx.prefix .. list, seqs)
  end
  for tenant, flat in pairs(ctx.outbox) do
    in_chunks('ZADD', ctx.prefix .. 'o' .. tenant, flat, 2)
  end
  ctx.lists, ctx.outbox = {}, {}
end

-- Write the jobs and where they stand. Afterwards every saved job has its bytes in `raw`.
local function write_jobs(ctx)
  write_places(ctx)
  local name, pairs_ = ctx.prefix .. 'j', {}
  for place, job in ipairs(ctx.dirty) do
    job.raw = pack_job(job)
    job.dirty = nil
    pairs_[2 * place - 1] = name .. job.id
    pairs_[2 * place] = job.raw
  end
  write_pairs(pairs_)
  ctx.written = ctx.written or #pairs_ > 0
  ctx.dirty = {}
end

-- Write what was decided.
local function finish(ctx)
  write_jobs(ctx)
  local books, values = ctx.prefix .. 'books', {}
  for field, value in pairs(ctx.set) do
    values[#values + 1] = field
    values[#values + 1] = string.format('%.0f', value)
  end
  local written = ctx.written or #values > 0
  for field, by in pairs(ctx.counts) do
    if by ~= 0 then
      redis.call('HINCRBY', books, field, string.format('%.0f', by))
      written = true
    end
  end
  if written and not ctx.set.last_ms and ctx.now_ms > ctx.books.last_ms then
    values[#values + 1] = 'last_ms'
    values[#values + 1] = string.format('%.0f', ctx.now_ms)
  end
  if #values > 0 then
    redis.call('HSET', books, unpack(values))
  end
end

-- The number of a name, made if it is new. `kind`: w for workloads, t for tenants.
local function number_of(ctx, kind, name)
  local key = ctx.prefix .. 'names'
  local number = redis.call('HGET', key, kind .. name)
  if not number then
    number = redis.call('HINCRBY', key, 'last_' .. kind, 1)
    if number > MOST_NAMES then
      error('WMNAMES there are more tenants or workloads than this store can number')
    end
    redis.call('HSET', key, kind .. name, number, string.upper(kind) .. number, name)
  end
  return tonumber(number)
end

-- The number of a name that may not be there.
local function find_number(ctx, kind, name)
  return tonumber(redis.call('HGET', ctx.prefix .. 'names', kind .. name) or 0)
end

local function last_number(ctx, kind)
  return tonumber(redis.call('HGET', ctx.prefix .. 'names', 'last_' .. kind) or 0)
end

-- An answer about jobs: the names that their bytes mean by numbers, then one string for each job.
local function answer_jobs(ctx, jobs, strings)
  local names, tenants, workloads = {}, {}, {}
  for _, job in ipairs(jobs) do
    tenants[job.tenant], workloads[job.workload] = true, true
  end
  for kind, numbers in pairs({T = tenants, W = workloads}) do
    for number in pairs(numbers) do
      names[#names + 1] = kind .. number
      names[#names + 1] = redis.call('HGET', ctx.prefix .. 'names', kind .. number)
    end
  end
  return {names, strings}
end
