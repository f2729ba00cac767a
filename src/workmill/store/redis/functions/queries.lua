--[[ The verbs that change nothing: `get`, `find` and `stats`. ]]

local FIND_JOBS = 4000  -- how many jobs one `find` looks at; a page may be short and not the last
local HEAD_JOBS = 1000  -- how far `stats` looks along one list for a queued job

-- A job as its owner sees it, with its age in front: an attached one shows its leader's progress.
local function shown(ctx, job, age)
  if job.status == ATTACHED then
    local leader = leader_of(ctx, job) or job
    job.done, job.state = leader.done, leader.state
  end
  return struct.pack('>I8', age) .. job.id .. pack_job(job)
end

-- Where the work of these jobs is queued, as (rank 2, age 7), and '' for one whose is not: the job's
-- own place, or that of the job it is attached to.
local function waits_at(ctx, jobs)
  local queued, places = {}, {}
  for place, job in ipairs(jobs) do
    places[place] = ''
    local leads = job and job.status == ATTACHED and leader_of(ctx, job) or job
    if leads and leads.status == QUEUED then
      queued[#queued + 1] = leads
      places[place] = #queued
    end
  end
  local ages = ages_of(ctx, queued)
  for place, at in ipairs(places) do
    places[place] = at == '' and '' or struct.pack('>i2I7', rank_of(queued[at]), ages[at])
  end
  return places
end

local function show(ctx, jobs)
  local waits, there, strings, places = waits_at(ctx, jobs), {}, {}, {}
  for place, job in ipairs(jobs) do
    if job then
      there[#there + 1] = job
      places[#there] = place
    end
    strings[place] = ''
  end
  for at, age in ipairs(ages_of(ctx, there)) do
    strings[places[at]] = shown(ctx, there[at], age)
  end
  local answer = answer_jobs(ctx, there, strings)
  answer[3] = waits
  return answer
end

-- asked: now, ids. Answers the names, a job or '' for each id, and where each one's work is queued.
local function get(keys, args)
  local ctx = look(keys, args)
  return show(ctx, by_id(ctx, ctx.asked[2]))
end

-- The jobs below a seq on the page that holds the nearest of them, the newest first, and the seq
-- at which to go on.
local function jobs_below(ctx, below)
  local page = redis.call('ZREVRANGEBYSCORE', ctx.prefix .. 'pages', page_of(below - 1), '-inf',
    'LIMIT', 0, 1)[1]
  if not page then
    return {}, 0
  end
  local first, seqs = page * PAGE_JOBS, {}
  for seq = first, math.min(below, first + PAGE_JOBS, ctx.books.next_seq) - 1 do
    seqs[#seqs + 1] = seq
  end
  return by_seq(ctx, seqs), first
end

-- A tenant's jobs under seqs below this one, the newest first, and the seq from which the next page
-- goes on (-1 on the last one).
local function listed(ctx, number, status, below, limit)
  local found, looked = {}, 0
  while below > 0 and looked < FIND_JOBS do
    local jobs, first = jobs_below(ctx, below)
    for at = #jobs, 1, -1 do
      local job = jobs[at]
      if job and job.tenant == number and (status == 0 or job.status == status) then
        if #found == limit then
          return found, found[limit].seq
        end
        found[#found + 1] = job
      end
    end
    below, looked = first, looked + #jobs
  end
  return found, below > 0 and below or -1
end

-- asked: now, tenant, status or 0, below or -1, limit. Answers the seq from which the next page
-- goes on (-1 on the last one), then as `get`.
local function find(keys, args)
  local ctx = look(keys, args)
  local _, tenant, status, below, limit = unpack(ctx.asked)
  local number = find_number(ctx, 't', tenant)
  local found, following = listed(ctx, number, status, below < 0 and ctx.books.next_seq or below,
    limit)
  return {following, unpack(show(ctx, found))}
end

-- The age at a seq. One that a failed submit has taken has none: that of the next one on its page.
local function age_at(ctx, seq)
  for at = seq, seq - seq % PAGE_JOBS + PAGE_JOBS - 1 do
    local age = age_of(entries_of(ctx, {at})[1])
    if age > 0 then
      return age
    end
  end
  return ctx.books.last_age + 1
end

-- The first number from low up to high for which `is_young` holds; it holds for all behind it.
local function first_young(low, high, is_young)
  while low < high do
    local middle = math.floor((low + high) / 2)
    if is_young(middle) then
      high = middle
    else
      low = middle + 1
    end
  end
  return low
end

-- The first seq whose age is not below this one.
local function seq_of_age(ctx, age)
  local pages = ctx.prefix .. 'pages'
  local function page_at(place)
    return tonumber(redis.call('ZRANGE', pages, place, place)[1])
  end
  local place = first_young(0, redis.call('ZCARD', pages), function(middle)
    return age_at(ctx, page_at(middle) * PAGE_JOBS) >= age
  end)
  if place == 0 then
    return 0
  end
  local first = page_at(place - 1) * PAGE_JOBS
  return first_young(first, math.min(first + PAGE_JOBS, ctx.books.next_seq), function(seq)
    return age_at(ctx, seq) >= age
  end)
end

-- asked: now, tenant, status or 0, age or -1, limit. As `find`, for a store that is made of
-- several: the cursor is an age, below which the page begins.
local function find_aged(keys, args)
  local ctx = look(keys, args)
  local _, tenant, status, age, limit = unpack(ctx.asked)
  local number = find_number(ctx, 't', tenant)
  local below = age < 0 and ctx.books.next_seq or seq_of_age(ctx, age)
  local found, following = listed(ctx, number, status, below, limit)
  return {following > 0 and age_at(ctx, following) or -1, unpack(show(ctx, found))}
end

-- The eldest queued job of a lane, nil when it is empty.
local function eldest_in(ctx, workload, rank)
  local eldest_job
  for _, kind in ipairs({'q', 'b'}) do
    local from = source(ctx, kind, workload, rank)
    from.looked = LOOK_JOBS - HEAD_JOBS
    local job = head_of(ctx, from, 8)
    if job and (not eldest_job or job.seq < eldest_job.seq) then
      eldest_job = job
    end
  end
  return eldest_job
end

-- asked: now. Answers the age of the eldest queued job (-1 for none), then the books, flat, and
-- whether somebody is restoring.
local function stats(keys, args)
  local ctx = look(keys, args)
  local oldest
  for workload = 1, last_number(ctx, 'w') do
    for _, rank in ipairs(redis.call('ZRANGE', ctx.prefix .. 'ranks' .. workload, 0, -1)) do
      local job = eldest_in(ctx, workload, tonumber(rank))
      if job and (not oldest or job.seq < oldest.seq) then
        oldest = job
      end
    end
  end
  return {oldest and ages_of(ctx, {oldest})[1] or -1, redis.call('HGETALL', ctx.prefix .. 'books'),
    redis.call('EXISTS', ctx.tag .. 'loading')}
end

register('get', get, 'no-writes')
register('find', find, 'no-writes')
register('find_aged', find_aged, 'no-writes')
register('stats', stats, 'no-writes')
