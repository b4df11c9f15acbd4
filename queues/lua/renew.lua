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
    token = token, claim = claim, agent = A.agent, held = held, parked = false, attempt = tonumber(run.attempt or 0) + 1,
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

local function renew(id, token, claim, confirmed)
  local run = load(id)
  local same = run and HELD[run.state] and run.token == us(token) and run.claim == claim
  if not same and not adopt(run, token, claim) then table.insert(lost, id) return end
  if run.state == 'PENDING' and confirmed then
    move(run, 'RUNNING', 'agent:' .. A.agent, 'its confirm was lost', {started = NOW})
  end
  if overdue(run) then table.insert(stalled, id) return end
  if run.state == 'CANCELLING' then table.insert(cancelling, id) end
  leases[run.queue] = leases[run.queue] or lease_us(run.queue, A.lease_us)
  deadlines[id] = NOW + leases[run.queue]
  call('ZADD', P .. 'leases', us(deadlines[id]), id)
end

-- What rq tools read about a worker stands in a hash of its own; it expires when the agent falls silent.
local function heartbeat()
  local key, worker = P .. 'agent:' .. A.agent, P .. 'rq:worker:' .. A.agent
  if call('EXISTS', key) == 0 then return false end
  local flat = {'state', A.state, 'seen', us(NOW)}
  for name, value in pairs(A.info) do
    flat[#flat + 1] = name
    flat[#flat + 1] = value
  end
  call('HSET', key, unpack(flat))
  call('ZADD', P .. 'agents', us(NOW), A.agent)
  if call('EXISTS', worker) == 1 then
    call('HSET', worker, 'last_heartbeat', utc(NOW), 'state', #A.held > 0 and 'busy' or 'idle')
    call('EXPIRE', worker, 90)
  end
  return true, call('HGET', key, 'request') or nil
end

for _, held in ipairs(A.held) do renew(unpack(held)) end
local registered, request = heartbeat()
return done({
  deadlines = deadlines, lost = lost, cancelling = cancelling, stalled = stalled, registered = registered, request = request,
})
