-- renew.lua: an agent's heartbeat: extend the leases of the runs it lists, and only those.
-- KEYS[1] prefix
-- ARGV[1] agent, held (list of {run, token, claim, confirmed}), state, info (map of texts), lease_us, start_timeout_us
-- Returns deadlines (run -> us), lost, cancelling, stalled (lists of ids), registered, request?
local deadlines, lost, cancelling, stalled, leases = {}, {}, {}, {}, {}

-- A run whose claim was in the part of the log that Redis lost stands in line again: until the window ends, whoever
-- proves a newer token than the record's takes it back.
local returning = tonumber(call('HGET', P .. 'recovery', 'no_expiry_before') or 0) > NOW

local function adopt(run, token, claim)
  if not (returning and run and run.state == 'QUEUED' and tonumber(run.token or 0) < token) then return false end
  if tonumber(call('GET', P .. 'token') or 0) < token then call('SET', P .. 'token', us(token)) end
  leave_line(run)
  local held = take(run, A.agent, A.lease_us)
  move(run, 'PENDING', 'agent:' .. A.agent, 'taken back after Redis lost the claim', {
    token = token, claim = claim, agent = A.agent, held = held, parked = false, beside = false, attempt = tonumber(run.attempt or 0) + 1,
  })
  rq_job(run)
  represent(run)
  return true
end

local function overdue(run)
  if run.state ~= 'PENDING' then return false end
  local taken = tonumber(call('ZSCORE', P .. 'holders:queue:' .. run.queue, run.id) or NOW)
  return NOW - taken > A.start_timeout_us
end

local extended = {} -- for one ZADD of leases: deadline, id …

local function extend(id, queue)
  leases[queue] = leases[queue] or lease_us(queue, A.lease_us)
  deadlines[id] = NOW + leases[queue]
  extended[#extended + 1] = us(deadlines[id])
  extended[#extended + 1] = id
end

-- Nearly all are RUNNING under this very claim, and extending those needs no more of the record than this.
local function plainly(id, token, claim)
  local found = redis.pcall('HMGET', P .. 'run:' .. id, 'claim', 'token', 'state', 'queue')
  local queue = found[4]
  if found[1] ~= claim or found[2] ~= us(token) or found[3] ~= 'RUNNING' or not queue or #queue >= BITE then return false end
  extend(id, queue)
  return true
end

local function renew(id, token, claim, confirmed)
  if plainly(id, token, claim) then return end
  local run, problem = reach(id)
  if run then problem = flaw(run, problem) end
  if problem then table.insert(lost, id) return end
  -- A larger one is sound: a copy of the claim's call that came late, after Redis had lost the claim, was given it.
  if run and HELD[run.state] and run.claim == claim and tonumber(run.token) < token then
    condemn(run, 'agent:' .. A.agent, 'its token is ' .. (run.token or 'missing') .. ', its claim was given ' .. us(token))
    table.insert(lost, id)
    return
  end
  local same = run and HELD[run.state] and run.token == us(token) and run.claim == claim
  if not same and not adopt(run, token, claim) then table.insert(lost, id) return end
  if run.state == 'PENDING' and confirmed then
    move(run, 'RUNNING', 'agent:' .. A.agent, 'its confirm was lost', {started = AT})
  end
  if overdue(run) then table.insert(stalled, id) return end
  if run.state == 'CANCELLING' then table.insert(cancelling, id) end
  extend(id, run.queue)
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

even_when_full()
for _, held in ipairs(A.held) do renew(unpack(held)) end
if #extended > 0 then call('ZADD', P .. 'leases', unpack(extended)) end
local registered, request = heartbeat()
return done({
  deadlines = deadlines, lost = lost, cancelling = cancelling, stalled = stalled, registered = registered, request = request,
})
