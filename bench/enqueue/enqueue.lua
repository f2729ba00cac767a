-- Every request has a body of its own, so that no submit is known work to the server.
local count = 0
local rest

function init(args)
  local bytes = tonumber(args[1])
  math.randomseed(tonumber(args[2]))
  local made = {}
  for i = 1, bytes - 24 do made[i] = string.char(math.random(0, 255)) end
  rest = string.format("%08d", tonumber(args[2])) .. table.concat(made)
end

function request()
  count = count + 1
  return wrk.format("PUT", nil, nil, string.format("%016d", count) .. rest)
end
