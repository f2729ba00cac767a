--[[ An endpoint comes and goes.

Nobody could renew while no endpoint had the store open: the first one that comes gives every
lease time. One that was killed stays among the owners until the store has been silent. ]]

local MAX_OWNERS = 1000

-- What the store is called, from its founding on; stores from before it had a name get one.
local function named(ctx, identity)
  local mark = ctx.tag .. 'mark'
  local known = redis.call('HGET', mark, 'id')
  if not known then
    redis.call('HSET', mark, 'id', identity)
  end
  return known or identity
end

-- Forget the numbers of the callers that have been silent longest, which are the lowest.
local function forget_callers(ctx)
  local mark = ctx.tag .. 'mark'
  local flat, callers = redis.call('HGETALL', mark), {}
  if #flat <= 2 * MAX_OWNERS then
    return
  end
  for at = 1, #flat, 2 do
    if flat[at] ~= 'id' and flat[at] ~= 'shards' then
      callers[#callers + 1] = {flat[at], tonumber(flat[at + 1])}
    end
  end
  table.sort(callers, function(one, other) return one[2] < other[2] end)
  for at = 1, #callers - MAX_OWNERS / 2 do
    redis.call('HDEL', mark, callers[at][1])
  end
end

-- Whoever replaces an endpoint must find what that one served. Writes nothing.
local function refuse_new(keys, args)
  local ctx = look(keys, args, nil, true)
  if ctx.books.layout == 0 and not ctx.asked[5] then
    damaged('its keys are gone: it was emptied, or another server is at its address')
  end
end

-- asked: now, owner, epoch for a new store, its name if it has none, whether it may be new. Answers
-- its name, whether it is new, how often a backup was restored into it.
local function open(keys, args)
  refuse_new(keys, args)
  local ctx = begin(keys, args, nil, true)
  local owners, books = ctx.prefix .. 'owners', ctx.prefix .. 'books'
  local founded = ctx.books.layout == 0
  local identity = named(ctx, ctx.asked[4])
  if founded then
    redis.call('HSET', books, 'layout', LAYOUT, 'epoch', ctx.asked[3])
  end
  if ctx.silent_ms > SILENT_MS then
    redis.call('DEL', owners)
  end
  if redis.call('EXISTS', owners) == 0 then
    give_time(ctx, true)
  end
  redis.call('ZADD', owners, ctx.now_ms, ctx.asked[2])
  redis.call('ZREMRANGEBYRANK', owners, 0, -MAX_OWNERS - 1)
  forget_callers(ctx)
  finish(ctx)
  return {identity, founded and 1 or 0, ctx.books.restores}
end

-- asked: now, owner.
local function close(keys, args)
  local ctx = begin(keys, args)
  redis.call('ZREM', ctx.prefix .. 'owners', ctx.asked[2])
  redis.call('HDEL', ctx.tag .. 'mark', ctx.caller[3])
  finish(ctx)
  return 0
end

-- asked: now. Writes the caller's number, whatever it is: proof that changes are taken.
local function probe(keys, args)
  local ctx = begin(keys, args)
  redis.call('HSET', ctx.tag .. 'mark', ctx.caller[3],
    string.format('%.0f', math.max(ctx.caller[5], ctx.noted)))
  finish(ctx)
  return 0
end

register('open', open, 'allow-oom')
register('close', close, 'allow-oom')
register('probe', probe, 'allow-oom')
