--[[ The verb `lease`: reclaim what has run out, then grant from the head of the queue.

An answer may be lost, or its group not be confirmed: then nobody has the leases, and each that ran
out would count as an attempt of its job, which is buried in the end. So each caller's last grants
are noted with the number of their group. With the next lease it says which of its groups that leased
was confirmed last, and what came after that one is handed back.

`heads` says what a lease would grant, in order, for a store that is made of several. ]]

local NOTE_MS = 600000  -- longer than an endpoint that lives is without a call
local GRANT, GRANT_BYTES = '>I5I6', 11

local function note_name(ctx)
  return ctx.prefix .. 'g' .. ctx.caller[3]
end

local function numbers_of(ctx, names)
  local numbers, seen = {}, {}
  for _, name in ipairs(names) do
    local number = find_number(ctx, 'w', name)
    if number > 0 and not seen[number] then
      seen[number] = true
      numbers[#numbers + 1] = number
    end
  end
  return numbers
end

-- Note the jobs that `walk` shows until there are enough of them.
local function collector(chosen, least, most, max_cost)
  local cost = 0
  return function(job)
    chosen[#chosen + 1] = job
    cost = cost + job.total - job.done
    return true, #chosen < most and (#chosen < least or cost < max_cost)
  end
end

-- The same for a grant: a suspect is granted alone.
local function chooser(chosen, least, most, max_cost)
  local collect = collector(chosen, least, most, max_cost)
  return function(job)
    local suspect = job.attempts >= SUSPECT_ATTEMPTS
    if suspect and #chosen > 0 then
      return false, false
    end
    local taken, more = collect(job)
    return taken, more and not suspect
  end
end

local function amount_for(least, most)
  return math.min(most, math.max(least, 32))
end

local function grant(ctx, jobs, worker, until_ms)
  local due, until_text = {}, string.format('%.0f', until_ms)
  count(ctx, COUNTED[QUEUED], -#jobs)
  count(ctx, COUNTED[AFTER_LEASE[QUEUED]], #jobs)
  for place, job in ipairs(jobs) do
    job.status, job.attempts, job.text = AFTER_LEASE[job.status], job.attempts + 1, worker
    -- A restore and a purge raise first_token above every token that was ever issued.
    job.token = math.max(job.token, ctx.books.first_token) + 1
    if job.token > ctx.books.highest_token then
      set_book(ctx, 'highest_token', job.token)
    end
    due[2 * place - 1], due[2 * place] = until_text, job.seq
    save(ctx, job)
  end
  in_chunks('ZADD', ctx.prefix .. 'leased', due, 2)
end

local function hand_back(ctx)
  local seqs, tokens = {}, {}
  for _, grants in ipairs(redis.call('LRANGE', note_name(ctx), 1, -1)) do
    for at = 1, #grants, GRANT_BYTES do
      seqs[#seqs + 1], tokens[#tokens + 1] = struct.unpack(GRANT, grants, at)
    end
  end
  for place, job in ipairs(by_seq(ctx, seqs)) do
    if job and job.status == LEASED and job.token == tokens[place] then
      moved(ctx, job.status, AFTER_RELEASE[job.status])
      job.status, job.attempts = AFTER_RELEASE[job.status], math.max(0, job.attempts - 1)
      unlease(ctx, {job})
      push_back(ctx, job)
      save(ctx, job)
    end
  end
end

-- The group of this caller's note, 0 for none, after handing back what nobody has heard of; nil for a
-- call that comes when a later group has leased already: nobody waits for it.
local function settle_note(ctx, group, heard)
  local noted = tonumber(redis.call('LRANGE', note_name(ctx), 0, 0)[1] or 0)
  if noted > group then
    return nil
  elseif noted > heard and noted < group then
    hand_back(ctx)
  end
  return noted
end

-- A group may have many leases, so each adds to the note. That of an earlier group goes.
local function write_note(ctx, noted, group, jobs)
  local name, grants = note_name(ctx), {}
  for place, job in ipairs(jobs) do
    grants[place] = struct.pack(GRANT, job.seq, job.token)
  end
  if noted > 0 and noted < group then
    redis.call('DEL', name)
  end
  if #jobs == 0 then
    return
  elseif noted == group then
    redis.call('RPUSH', name, table.concat(grants))
  else
    redis.call('RPUSH', name, string.format('%.0f', group), table.concat(grants))
    redis.call('PEXPIRE', name, NOTE_MS)
  end
end

-- asked: now, worker, workloads, min_jobs, max_jobs, max_cost, lease_ms, the caller's group, the
-- last one of it that leased and was confirmed.
local function lease(keys, args)
  local ctx = begin(keys, args)
  local _, worker, workloads, least, most, max_cost, lease_ms, group, heard = unpack(ctx.asked)
  local noted = settle_note(ctx, group, heard)
  if not noted then
    return {{}, {}}
  end
  reclaim(ctx)
  local jobs, strings = {}, {}
  local read = walk(ctx, numbers_of(ctx, workloads), amount_for(least, most),
    chooser(jobs, least, most, max_cost))
  grant(ctx, jobs, worker, ctx.now_ms + lease_ms)
  write_note(ctx, noted, group, jobs)
  cut(ctx, read)
  finish(ctx)
  for place, job in ipairs(jobs) do
    strings[place] = job.id .. job.raw
  end
  return answer_jobs(ctx, jobs, strings)
end

-- asked: now, workloads, min_jobs, max_jobs, max_cost. Answers (rank 2, age 7, cost 6, suspect 1)
-- for each job, with suspects where they stand: whoever merges several answers decides there.
local function heads(keys, args)
  local ctx = begin(keys, args)
  local _, workloads, least, most, max_cost = unpack(ctx.asked)
  reclaim(ctx)
  local found, packed = {}, {}
  walk(ctx, numbers_of(ctx, workloads), amount_for(least, most),
    collector(found, least, most, max_cost))
  for place, age in ipairs(ages_of(ctx, found)) do
    local job = found[place]
    packed[place] = struct.pack('>i2I7I6B', rank_of(job), age, job.total - job.done,
      job.attempts >= SUSPECT_ATTEMPTS and 1 or 0)
  end
  finish(ctx)
  return table.concat(packed)
end

register('lease', lease, 'allow-oom')
register('heads', heads, 'allow-oom')
