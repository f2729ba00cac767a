--[[ Who leads: the verb `lead`.

The term lies beside the generations: a restore, which changes them, must not bring back a term that
is over. A new token is above the last one and not below the time, so that even a store that lost
the last term, with the server that had it, does not give a token twice. ]]

-- asked: now, candidate, how long in ms. Answers token, holder, for how many ms yet.
local function lead(keys, args)
  local ctx = begin(keys, args)
  local candidate, lease_ms = ctx.asked[2], ctx.asked[3]
  local key = ctx.tag .. 'lead'
  local term = redis.call('HMGET', key, 'token', 'holder', 'until_ms')
  local token, holder, until_ms = tonumber(term[1] or 0), term[2], tonumber(term[3] or 0)
  if until_ms <= ctx.now_ms then
    token, holder = math.max(token + 1, ctx.now_ms), candidate
  end
  if holder == candidate then
    until_ms = ctx.now_ms + lease_ms
    redis.call('HSET', key, 'token', string.format('%.0f', token), 'holder', holder,
      'until_ms', string.format('%.0f', until_ms))
  end
  finish(ctx)
  return {token, holder, until_ms - ctx.now_ms}
end

register('lead', lead, 'allow-oom')
