--[[ Who is alive: the verbs `beat` and `nodes`. ]]

local FORGET_NODES = 1000

local function forget_nodes(ctx, names)
  in_chunks('ZREM', ctx.prefix .. 'beats', names)
  in_chunks('HDEL', ctx.prefix .. 'nodes', names)
end

local function oldest_beat(ctx)
  return '(' .. string.format('%.0f', (ctx.now_ms - NODE_MS + 1) * AGE_STEPS)
end

-- asked: now, then incarnation and packed node for each, flat. Over MAX_NODES, whoever has been
-- silent longest is forgotten.
local function beat(keys, args)
  local ctx = begin(keys, args)
  local order = math.max(ctx.books.next_beat, ctx.now_ms * AGE_STEPS)
  local beats, nodes = {}, {}
  for at = 1, #ctx.asked[2], 2 do
    local name, node = ctx.asked[2][at], ctx.asked[2][at + 1]
    beats[at], beats[at + 1] = string.format('%.0f', order), name
    nodes[at], nodes[at + 1] = name, struct.pack('>I6', ctx.now_ms) .. node
    order = order + 1
  end
  set_book(ctx, 'next_beat', order)
  in_chunks('ZADD', ctx.prefix .. 'beats', beats, 2)
  in_chunks('HSET', ctx.prefix .. 'nodes', nodes, 2)
  local key = ctx.prefix .. 'beats'
  forget_nodes(ctx, redis.call('ZRANGEBYSCORE', key, '-inf', oldest_beat(ctx),
    'LIMIT', 0, FORGET_NODES))
  local over = redis.call('ZCARD', key) - MAX_NODES
  if over > 0 then
    forget_nodes(ctx, redis.call('ZRANGE', key, 0, over - 1))
  end
  finish(ctx)
  return 0
end

-- asked: now. Answers (seen_at 6, packed node) for each, the longest silent first.
local function nodes(keys, args)
  local ctx = look(keys, args)
  local names = redis.call('ZRANGEBYSCORE', ctx.prefix .. 'beats',
    string.sub(oldest_beat(ctx), 2), '+inf')
  local found = {}
  for first = 1, #names, CHUNK do
    local last = math.min(first + CHUNK - 1, #names)
    for _, node in ipairs(redis.call('HMGET', ctx.prefix .. 'nodes', unpack(names, first, last))) do
      found[#found + 1] = node or nil
    end
  end
  return found
end

register('beat', beat, 'allow-oom')
register('nodes', nodes, 'no-writes')
