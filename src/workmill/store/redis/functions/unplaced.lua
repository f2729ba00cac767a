--[[ Jobs that nobody would come upon: counted as queued, leased or done, and in no queue, lease or
outbox. Somebody has removed, cut or replaced such a key by hand, or has let it expire.

Counts and places are changed together, so one look at both tells: there must be no fewer places than
jobs. There may be more, for a list keeps the places of those that were cancelled until its head has
passed them. So this is the least that are amiss, and what is missing behind such places is seen later.

It writes nothing. Places cannot be put back beside a queue that is served without doubt about what
stands there already; a restore makes them anew from the jobs, in a generation that nobody serves. ]]

local MOST_LOOKS = 2000  -- a store of more lanes, or tenants, is not judged by them: it would wait

-- What a command answers, or `other` where something else has taken the place of that key.
local function asked(other, ...)
  local reply = redis.pcall(...)
  if type(reply) ~= 'table' or not reply.err then
    return reply
  elseif string.find(reply.err, 'WRONGTYPE', 1, true) then
    return other
  end
  error(reply)  -- a right that is missing is no sign of anything
end

local function last_of(ctx, kind)
  return tonumber(asked(false, 'HGET', ctx.prefix .. 'names', 'last_' .. kind) or 0)
end

-- How many of `least` entries a list lacks.
local function lacks(key, least)
  if least < 1 then
    return 0
  end
  local entry = asked(false, 'LRANGE', key, least - 1, least - 1)
  if not entry then
    return least
  end
  return #entry > 0 and 0 or least - length_of({listed = true, key = key})
end

local function queued_amiss(ctx, queued)
  local looks = 0
  for workload = 1, last_of(ctx, 'w') do
    local ranks = asked({}, 'ZRANGE', ctx.prefix .. 'ranks' .. workload, 0, -1)
    looks = looks + 1 + #ranks
    if queued < 1 or looks > MOST_LOOKS then
      return 0
    end
    for _, rank in ipairs(ranks) do
      queued = queued - asked(0, 'ZCARD', lane(ctx, 'b', workload, rank))
      queued = lacks(lane(ctx, 'q', workload, rank), queued)
    end
  end
  return queued
end

local function done_amiss(ctx, done)
  local tenants = last_of(ctx, 't')
  for tenant = 1, math.min(tenants, MOST_LOOKS) do
    done = done - asked(0, 'ZCARD', ctx.prefix .. 'o' .. tenant)
    if done < 1 then
      return 0
    end
  end
  return tenants > MOST_LOOKS and 0 or done
end

-- asked: now. Answers how many jobs are amiss at least.
local function unplaced(keys, args)
  local ctx = look(keys, args)
  local counts = redis.call('HMGET', ctx.prefix .. 'books', COUNTED[QUEUED], COUNTED[LEASED],
    COUNTED[DONE], COUNTED[PULLED], COUNTED[ATTACHED])
  for place = 1, #counts do
    counts[place] = tonumber(counts[place] or 0)
  end
  local queued, leased, done, pulled, attached = unpack(counts)
  local amiss = math.max(0, queued_amiss(ctx, queued)) + math.max(0, done_amiss(ctx, done))
    + math.max(0, leased - asked(0, 'ZCARD', ctx.prefix .. 'leased'))
  if asked(0, 'ZCARD', ctx.prefix .. 'receipts') == 0 then
    amiss = amiss + pulled
  end
  return amiss + (queued + leased == 0 and attached or 0)
end

register('unplaced', unplaced, 'no-writes')
