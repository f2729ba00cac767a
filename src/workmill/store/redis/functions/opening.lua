--[[ An endpoint comes and goes.

Nobody could renew while no endpoint had the store open: the first one that comes gives every
lease time. One that was killed stays among the owners until the store has been silent. ]]

local MAX_OWNERS = 1000

-- asked: now, owner, epoch for a new store.
local function open(keys, args)
  local ctx = begin(keys, args)
  local owners, books = ctx.prefix .. 'owners', ctx.prefix .. 'books'
  if ctx.books.layout == 0 then
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
  finish(ctx)
  return 0
end

-- asked: now, owner.
local function close(keys, args)
  local ctx = begin(keys, args)
  redis.call('ZREM', ctx.prefix .. 'owners', ctx.asked[2])
  finish(ctx)
  return 0
end

register('open', open, 'allow-oom')
register('close', close, 'allow-oom')
