--[[ The verb `lease`: reclaim what has run out, then grant from the head of the queue.

`heads` says what a lease would grant, in order, for a store that is made of several. ]]

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

-- asked: now, worker, workloads, min_jobs, max_jobs, max_cost, lease_ms.
local function lease(keys, args)
  local ctx = begin(keys, args)
  local _, worker, workloads, least, most, max_cost, lease_ms = unpack(ctx.asked)
  reclaim(ctx)
  local jobs, strings = {}, {}
  local read = walk(ctx, numbers_of(ctx, workloads), amount_for(least, most),
    chooser(jobs, least, most, max_cost))
  grant(ctx, jobs, worker, ctx.now_ms + lease_ms)
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
