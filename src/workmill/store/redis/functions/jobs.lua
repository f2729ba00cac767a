--[[ Finding jobs: by id, by seq, and the pages that lead from a seq to its id. ]]

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
  local found, at = {}, 1
  while at <= #seqs do
    local page, offset = page_of(tonumber(seqs[at]))
    local first = seqs[at] - offset / ENTRY_BYTES
    local last, top = at, offset
    while last < #seqs do
      local next_offset = (seqs[last + 1] - first) * ENTRY_BYTES
      if next_offset < top or next_offset > top + 32 * ENTRY_BYTES
          or next_offset >= PAGE_JOBS * ENTRY_BYTES then
        break
      end
      last, top = last + 1, next_offset
    end
    local bytes = redis.call('GETRANGE', ctx.prefix .. 'p' .. page, offset, top + ENTRY_BYTES - 1)
    for place = at, last do
      local start = (seqs[place] - first) * ENTRY_BYTES - offset
      found[place] = string.sub(bytes, start + 1, start + ENTRY_BYTES)
    end
    at = last + 1
  end
  return found
end

local function age_of(entry)
  return (struct.unpack('>I7', entry, 17))
end

-- The jobs of these ids, false for one that is not there. One job has one table in a call.
local function by_id(ctx, ids)
  local names, places = {}, {}
  for _, id in ipairs(ids) do
    if ctx.jobs[id] == nil then
      ctx.jobs[id] = false
      names[#names + 1] = ctx.prefix .. 'j' .. id
      places[#names] = id
    end
  end
  for place, raw in ipairs(mget(names)) do
    if raw then
      ctx.jobs[places[place]] = unpack_job(places[place], raw)
    end
  end
  local jobs = {}
  for place, id in ipairs(ids) do
    jobs[place] = ctx.jobs[id]
  end
  return jobs
end

-- The jobs under these seqs, false where the job is gone. Their ages come along.
local function by_seq(ctx, seqs)
  local entries, ids = entries_of(ctx, seqs), {}
  for place, entry in ipairs(entries) do
    ids[place] = string.sub(entry, 1, 16)
  end
  local jobs = by_id(ctx, ids)
  for place, job in ipairs(jobs) do
    if job and job.seq == tonumber(seqs[place]) then
      job.age = age_of(entries[place])
    else
      jobs[place] = false
    end
  end
  return jobs
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
  for first = 1, #names, CHUNK do
    redis.call('DEL', unpack(names, first, math.min(first + CHUNK - 1, #names)))
  end
  local newest = page_of(ctx.books.next_seq)
  for page, gone in pairs(pages) do
    if redis.call('HINCRBY', ctx.prefix .. 'live', page, -gone) == 0 and page ~= newest then
      drop_page(ctx, page)
    end
  end
end
