--[[ Known work: the results of finished jobs, kept longer than the jobs, bounded by bytes and age.

It stands under the seq of the job that computed it. As long as that job is there its record is
the known work, and the content index goes on pointing to it, so a completion writes no second copy
and does not touch the index; a purge leaves a copy behind. ]]

local EVICT_WORK = 100

local function known_name(ctx, seq)
  return ctx.prefix .. 'n' .. seq_bytes(seq)
end

local function pack_known(work)
  return struct.pack('>I6I6c32', work.ended_ms, work.total, work.key) .. work.state
end

local function unpack_known(raw)
  local ended_ms, total, key = struct.unpack('>I6I6c32', raw)
  return {ended_ms = ended_ms, total = total, key = key, state = string.sub(raw, 45)}
end

-- What the index points to under each seq: a job, else the copy of one that was purged, else false.
local function standing(ctx, seqs)
  local found, names, places = by_seq(ctx, seqs), {}, {}
  for place, job in ipairs(found) do
    if not job then
      names[#names + 1] = known_name(ctx, seqs[place])
      places[#names] = place
    end
  end
  for at, raw in ipairs(mget(names)) do
    found[places[at]] = raw and unpack_known(raw)
  end
  return found
end

local function count_known(ctx, jobs, bytes)
  count(ctx, 'known_jobs', jobs)
  count(ctx, 'known_bytes', bytes)
  ctx.books.known_bytes = ctx.books.known_bytes + bytes
end
