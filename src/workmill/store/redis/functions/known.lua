--[[ Known work: the results of finished jobs, kept longer than the jobs, bounded by bytes and age.

It stands under the seq of the job that computed it, and the content index goes on pointing there:
a completion does not touch the index. ]]

local EVICT_WORK = 1000

local function known_name(ctx, seq)
  return ctx.prefix .. 'n' .. seq_bytes(seq)
end

local function pack_known(at_ms, total, key, state)
  return struct.pack('>I6I6c32', at_ms, total, key) .. state
end

local function unpack_known(raw)
  local at_ms, total, key = struct.unpack('>I6I6c32', raw)
  return {at_ms = at_ms, total = total, key = key, state = string.sub(raw, 45)}
end

-- Work that is known under each seq, false where there is none.
local function known_at(ctx, seqs)
  local names = {}
  for place, seq in ipairs(seqs) do
    names[place] = known_name(ctx, seq)
  end
  local found = mget(names)
  for place, raw in ipairs(found) do
    found[place] = raw and unpack_known(raw)
  end
  return found
end

local function count_known(ctx, jobs, bytes)
  count(ctx, 'known_jobs', jobs)
  count(ctx, 'known_bytes', bytes)
  ctx.books.known_bytes = ctx.books.known_bytes + bytes
end
