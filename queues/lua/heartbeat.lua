-- heartbeat.lua: the first part of renew, which answers most calls: runs that go on as they did, and that the agent is there.
-- It stands before what renew shares with the other verbs, whose loading costs more than all that is done here.
local deadlines, lost, cancelling, stalled, leases = {}, {}, {}, {}, {}
local extended = {} -- for one ZADD of leases: deadline, id …

local function extend(id, queue)
  leases[queue] = leases[queue] or lease_us(queue, A.lease_us)
  deadlines[id] = NOW + leases[queue]
  extended[#extended + 1] = us(deadlines[id])
  extended[#extended + 1] = id
end

-- Nearly all runs are RUNNING under this very claim, and extending those needs no more of the record than this.
local function plainly(id, token, claim)
  local found = redis.pcall('HMGET', P .. 'run:' .. id, 'claim', 'token', 'state', 'queue')
  local queue = found[4]
  if found[1] ~= claim or found[2] ~= us(token) or found[3] ~= 'RUNNING' or not queue or #queue >= BITE then return false end
  extend(id, queue)
  return true
end

local WORKER_TTL = 90 -- seconds that rq tools show an agent which fell silent
local SHOWN_FOR = 30000000 -- microseconds after which what rq tools read is written again though nothing changed
local SHOWN = 20 -- runs of an agent that rq tools see; the rest would only cost

-- What rq tools would see: the claims of the runs shown, and in which half minute.
local function view()
  local seen = {us(math.floor(NOW / SHOWN_FOR))}
  for i = 1, math.min(#A.held, SHOWN) do seen[i + 1] = A.held[i][3] end
  return redis.sha1hex(table.concat(seen, ' '))
end

-- What rq tools read about a worker stands in keys of its own, which expire when the agent falls silent.
local function show_rq(worker)
  local index = worker .. ':executions'
  mirror('HSET', worker, 'last_heartbeat', utc(NOW), 'state', #A.held > 0 and 'busy' or 'idle')
  mirror('EXPIRE', worker, WORKER_TTL)
  mirror('DEL', index)
  local at = string.format('%.6f', NOW / 1000000)
  for i = 1, math.min(#A.held, SHOWN) do
    local id, claim = A.held[i][1], A.held[i][3]
    local key = P .. 'rq:execution:' .. id .. ':' .. claim
    mirror('HSETNX', key, 'created_at', at)
    mirror('HSET', key, 'id', claim, 'job_id', id, 'worker_name', A.agent, 'last_heartbeat', at)
    mirror('EXPIRE', key, WORKER_TTL)
    mirror('SADD', index, id .. ':' .. claim)
  end
  if #A.held > 0 then mirror('EXPIRE', index, WORKER_TTL) end
end

-- The agent registers again when Redis does not know it, or another instance has its name by now.
local function heartbeat()
  local key, worker = P .. 'agent:' .. A.agent, P .. 'rq:worker:' .. A.agent
  local instance, shown, request = unpack(call('HMGET', key, 'instance', 'shown', 'request'))
  if not instance or A.info.instance and A.info.instance ~= instance then return false end
  if call('EXISTS', worker) == 0 then return false end
  local now_shown = view()
  local flat = {'state', A.state, 'seen', AT, 'shown', now_shown}
  for name, value in pairs(A.info) do
    flat[#flat + 1] = name
    flat[#flat + 1] = value
  end
  call('HSET', key, unpack(flat))
  call('ZADD', P .. 'agents', AT, A.agent)
  if shown ~= now_shown then show_rq(worker) end
  return true, request or nil
end

-- Extend all leases at once, and note that the agent was heard of; gives the answer of renew.
local function beaten()
  if #extended > 0 then call('ZADD', P .. 'leases', unpack(extended)) end
  local registered, request = heartbeat()
  return {
    deadlines = deadlines, lost = lost, cancelling = cancelling, stalled = stalled, registered = registered, request = request,
  }
end

even_when_full()
local others = {}
for _, held in ipairs(A.held) do
  if not plainly(unpack(held)) then others[#others + 1] = held end
end
if #others == 0 then return cmsgpack.pack(beaten()) end

