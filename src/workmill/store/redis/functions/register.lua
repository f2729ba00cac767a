--[[ The functions under the name of this library. Whatever makes the store smaller, or keeps it
going, is allowed when memory is short; only new work is refused then. ]]

local function register(name, callback, flag)
  redis.register_function{function_name = LIBRARY .. '_' .. name, callback = callback,
    flags = {flag}}
end

register('submit', submit)
register('lease', lease, 'allow-oom')
register('heads', heads, 'allow-oom')
register('renew', renew, 'allow-oom')
register('complete', complete, 'allow-oom')
register('fail', fail, 'allow-oom')
register('release', release, 'allow-oom')
register('cancel', cancel, 'allow-oom')
register('pull', pull, 'allow-oom')
register('latest', latest, 'allow-oom')
register('acknowledge', acknowledge, 'allow-oom')
register('purge', purge, 'allow-oom')
register('beat', beat, 'allow-oom')
register('open', open, 'allow-oom')
register('close', close, 'allow-oom')
register('get', get, 'no-writes')
register('find', find, 'no-writes')
register('stats', stats, 'no-writes')
register('nodes', nodes, 'no-writes')
