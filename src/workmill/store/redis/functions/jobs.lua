--[[ Finding jobs: by id, by seq, and the pages that lead from a seq to its id. ]]

local NEAR_BYTES = 32 * ENTRY_BYTES

local function page_of(seq)
  local place = seq % PAGE_JOBS
  return (seq - place) / PAGE_JOBS, place * ENTRY_BYTES
end

local function drop_page(ctx, page)
  redis.call('HDEL', ctx.prefix .. 'live', page)
  redis.call('ZREM', ctx.prefix .. 'pages', page)
  redis.call('DEL', ctx.prefix .. 'p' .. page)
end

-- Note the entries (id and age, 23 bytes each) of jobs under rising seqs from `first` on.
local function write_pages(ctx, first, entries)
  local at = 1
  while at <= #entries do
    local page, offset = page_of(first + at - 1)
    local last = math.min(#entries, at + PAGE_JOBS - offset / ENTRY_BYTES - 1)
    local key = ctx.prefix .. 'p' .. page
    if redis.call('HINCRBY', ctx.prefix .. 'live', page, last - at + 1) == last - at + 1 then
      -- Written once at its full length, the page is allocated exactly, not doubled as it grows.
      redis.call('SETRANGE', key, PAGE_JOBS * ENTRY_BYTES - 1, '\0')
      redis.call('ZADD', ctx.prefix .. 'pages', page, page)
      if redis.call('HGET', ctx.prefix .. 'live', page - 1) == '0' then
        drop_page(ctx, page - 1)
      end
    end
    redis.call('SETRANGE', key, offset, table.concat(entries, '', at, last))
    at = last + 1
  end
end

-- The entries of these seqs, in their order; runs that lie close together are read in one step.
local function entries_of(ctx, seqs)
  local found, at, most = {}, 1, #seqs
  while at <= most do
    local page, offset = page_of(seqs[at])
    local base = page * PAGE_JOBS
    local last, top = at, offset
    while last < most do
      local following = (seqs[last + 1] - base) * ENTRY_BYTES
      if following < top or following > top + NEAR_BYTES
          or following >= PAGE_JOBS * ENTRY_BYTES then
        break
      end
      last, top = last + 1, following
    end
    local bytes = redis.call('GETRANGE', ctx.prefix .. 'p' .. page, offset, top + ENTRY_BYTES - 1)
    for place = at, last do
      local start = (seqs[place] - base) * ENTRY_BYTES - offset
      found[place] = string.sub(bytes, start + 1, start + ENTRY_BYTES)
    end
    at = last + 1
  end
  return found
end

local function numbers(texts)
  for place = 1, #texts do
    texts[place] = tonumber(texts[place])
  end
  return texts
end

local function age_of(entry)
  return (struct.unpack('>I7', entry, 17))
end

local function age_bytes(entry)
  return string.sub(entry, 17)
end

-- The jobs of these ids, false for one that is not there. One job has one table in a call.
local function by_id(ctx, ids)
  local names, places, known = {}, {}, ctx.jobs
  local prefix = ctx.prefix .. 'j'
  for place = 1, #ids do
    local id = ids[place]
    if known[id] == nil then
      known[id] = false
      names[#names + 1] = prefix .. id
      places[#names] = id
    end
  end
  local found = mget(names)
  for place = 1, #names do
    if found[place] then
      known[places[place]] = unpack_job(places[place], found[place])
    end
  end
  local jobs = {}
  for place = 1, #ids do
    jobs[place] = known[ids[place]]
  end
  return jobs
end

-- The jobs under these seqs, false where the job is gone.
local function by_seq(ctx, seqs)
  local entries, ids = entries_of(ctx, numbers(seqs)), {}
  for place = 1, #entries do
    ids[place] = string.sub(entries[place], 1, 16)
  end
  local jobs = by_id(ctx, ids)
  for place = 1, #jobs do
    local job = jobs[place]
    jobs[place] = job and job.seq == seqs[place] and job
  end
  return jobs
end

-- The ages of these jobs, in their order.
local function ages_of(ctx, jobs)
  local seqs = {}
  for place, job in ipairs(jobs) do
    seqs[place] = job.seq
  end
  local ages = entries_of(ctx, seqs)
  for place, entry in ipairs(ages) do
    ages[place] = age_of(entry)
  end
  return ages
end

local function one_by_seq(ctx, seq)
  return by_seq(ctx, {seq})[1]
end

-- The job leaves for good, and its page with the last one of it.
local function remove_jobs(ctx, jobs)
  local names, pages = {}, {}
  for _, job in ipairs(jobs) do
    names[#names + 1] = ctx.prefix .. 'j' .. job.id
    ctx.jobs[job.id] = false
    local page = page_of(job.seq)
    pages[page] = (pages[page] or 0) + 1
  end
  delete(names)
  local newest = page_of(ctx.books.next_seq)
  for page, gone in pairs(pages) do
    if redis.call('HINCRBY', ctx.prefix .. 'live', page, -gone) == 0 and page ~= newest then
      drop_page(ctx, page)
    end
  end
end
