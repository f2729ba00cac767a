--[[ One job as bytes, and as a table while a function works on it.

A queued job is the head, its key and its state: with a state of 64 bytes 124 bytes, the most that
jemalloc's class of 128 takes. Every other status adds the state's length and a tail:
ended_ms, ref (PULLED: receipt, DELIVERED: when, ATTACHED: group) and text (worker or reason).

A table with more than 16 fields is twice as dear to make, so a job has only those that it needs. ]]

local HEAD = '>BI5I2I2bI6I6I5c32'  -- attempts and status, seq, tenant, workload, priority, total,
local STATE_AT = 61                -- done, token, key
local TAIL = '>I6I6'

local function pack_job(job)
  local head = struct.pack(HEAD, job.attempts * 16 + job.status, job.seq, job.tenant, job.workload,
    job.priority, job.total, job.done, job.token, job.key)
  if job.status == QUEUED then
    return head .. job.state
  end
  return head .. struct.pack('>I2', #job.state) .. job.state
    .. struct.pack(TAIL, job.ended_ms or 0, job.ref or 0) .. (job.text or '')
end

local function unpack_job(id, raw)
  local mark, seq, tenant, workload, priority, total, done, token, key = struct.unpack(HEAD, raw)
  local status = mark % 16
  local job = {id = id, status = status, attempts = (mark - status) / 16, seq = seq,
    tenant = tenant, workload = workload, priority = priority, total = total, done = done,
    token = token, key = key}
  if status == QUEUED then
    job.state = string.sub(raw, STATE_AT)
  else
    local length = struct.unpack('>I2', raw, STATE_AT)
    local tail_at = STATE_AT + 2 + length
    job.state = string.sub(raw, STATE_AT + 2, tail_at - 1)
    if status ~= LEASED then
      job.ended_ms, job.ref = struct.unpack(TAIL, raw, tail_at)
    end
    if #raw >= tail_at + 12 then
      job.text = string.sub(raw, tail_at + 12)
    end
  end
  return job
end

local function rank_of(job)
  return 0 - job.priority  -- and not -job.priority, which may be written as -0
end

local function seq_bytes(seq)
  return struct.pack('>I5', seq)
end

local function seq_of(bytes, at)
  return (struct.unpack('>I5', bytes, at or 1))
end

-- A command with arguments in one flat list, which may be longer than one command takes.
local function in_chunks(command, key, list, step)
  local chunk = CHUNK - CHUNK % (step or 1)
  for first = 1, #list, chunk do
    redis.call(command, key, unpack(list, first, math.min(first + chunk - 1, #list)))
  end
end

local function write_pairs(flat)
  for first = 1, #flat, CHUNK do
    redis.call('MSET', unpack(flat, first, math.min(first + CHUNK - 1, #flat)))
  end
end

local function in_turns(command, names)
  for first = 1, #names, CHUNK do
    redis.call(command, unpack(names, first, math.min(first + CHUNK - 1, #names)))
  end
end

local function delete(names)
  in_turns('DEL', names)
end

local function mget(names)
  if #names <= CHUNK then
    return #names == 0 and {} or redis.call('MGET', unpack(names))
  end
  local found = {}
  for first = 1, #names, CHUNK do
    local last = math.min(first + CHUNK - 1, #names)
    for _, value in ipairs(redis.call('MGET', unpack(names, first, last))) do
      found[#found + 1] = value
    end
  end
  return found
end

-- As many whole characters as the bound allows, of text that is UTF-8.
local function within_bound(text)
  if #text <= MAX_REASON_CHARACTERS then
    return text
  end
  local count, at = 0, 1
  while at <= #text do
    local byte = string.byte(text, at)
    if byte < 128 or byte >= 192 then
      count = count + 1
      if count > MAX_REASON_CHARACTERS then
        return string.sub(text, 1, at - 1)
      end
    end
    at = at + 1
  end
  return text
end
