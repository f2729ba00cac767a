--[[ What a store needs that is one part of several: its number, and the directory.

An id that the endpoint made says where its job lies. One that a client chose does not: the part
where it is at home notes where the job went. The first note stands, whatever comes later under the
same id. It has the hour of its last use: a note without a job is removed, but never one that a
submit under way may rely on. ]]

local HERE, NOWHERE = 255, 254
local HOUR_MS = 3600000
local UNUSED_HOURS = 2

local function note_of(ctx, id)
  return ctx.prefix .. 'h' .. string.sub(id, 15, 16), string.sub(id, 1, 14)
end

local function is_here(ctx, id)
  return redis.call('EXISTS', ctx.prefix .. 'j' .. id) == 1
end

-- asked: now, ids, the part for each as one byte. Answers one byte each: where the job belongs.
local function claim(keys, args)
  local ctx = begin(keys, args)
  local hour, answer = math.floor(ctx.now_ms / HOUR_MS), {}
  for place, id in ipairs(ctx.asked[2]) do
    local part = HERE
    if not is_here(ctx, id) then
      local bucket, field = note_of(ctx, id)
      local note = redis.call('HGET', bucket, field)
      part = string.byte(note or ctx.asked[3], note and 1 or place)
      local fresh = struct.pack('>BI3', part, hour)
      if note ~= fresh then
        redis.call('HSET', bucket, field, fresh)
      end
    end
    answer[place] = string.char(part)
  end
  finish(ctx)
  return table.concat(answer)
end

-- asked: now, ids. Answers one byte each: a part, HERE or NOWHERE.
local function locate(keys, args)
  local ctx = look(keys, args)
  local answer = {}
  for place, id in ipairs(ctx.asked[2]) do
    local part = HERE
    if not is_here(ctx, id) then
      local note = redis.call('HGET', note_of(ctx, id))
      part = note and string.byte(note) or NOWHERE
    end
    answer[place] = string.char(part)
  end
  return table.concat(answer)
end

-- asked: now, first bucket, how many. Answers id and note, flat, of those not used for long.
local function old_notes(keys, args)
  local ctx = look(keys, args)
  local _, first, amount = unpack(ctx.asked)
  local newest, answer = math.floor(ctx.now_ms / HOUR_MS) - UNUSED_HOURS, {}
  for number = first, first + amount - 1 do
    local tail = struct.pack('>I2', number)
    local flat = redis.call('HGETALL', ctx.prefix .. 'h' .. tail)
    for at = 1, #flat, 2 do
      local _, hour = struct.unpack('>BI3', flat[at + 1])
      if hour <= newest then
        answer[#answer + 1] = flat[at] .. tail
        answer[#answer + 1] = flat[at + 1]
      end
    end
  end
  return answer
end

-- asked: now, ids, notes. Removes each note that is still the one given.
local function unclaim(keys, args)
  local ctx = begin(keys, args)
  for place, id in ipairs(ctx.asked[2]) do
    local bucket, field = note_of(ctx, id)
    if redis.call('HGET', bucket, field) == ctx.asked[3][place] then
      redis.call('HDEL', bucket, field)
    end
  end
  finish(ctx)
  return 0
end

-- asked: now. Answers what `join` noted or '', the next seq, the last age, the time,
-- how many shards its store has.
local function part(keys, args)
  local ctx = look(keys, args)
  return {redis.call('GET', ctx.tag .. 'part') or '', ctx.books.next_seq, ctx.books.last_age,
    ctx.now_ms, redis.call('HGET', ctx.tag .. 'mark', 'shards') or '0'}
end

-- asked: now, how many shards this store has.
local function count_shards(keys, args)
  local ctx = begin(keys, args)
  redis.call('HSET', ctx.tag .. 'mark', 'shards', ctx.asked[2])
  finish(ctx)
  return 0
end

-- asked: now, "<number> <since ms> <family>". From now on this is a part of that store; the first
-- word stands.
local function join(keys, args)
  local ctx = begin(keys, args)
  redis.call('SET', ctx.tag .. 'part', ctx.asked[2], 'NX')
  finish(ctx)
  return 0
end

register('claim', claim)
register('locate', locate, 'no-writes')
register('old_notes', old_notes, 'no-writes')
register('unclaim', unclaim, 'allow-oom')
register('part', part, 'no-writes')
register('join', join)
register('count', count_shards, 'allow-oom')
