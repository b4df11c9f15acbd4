-- claim.lua: give an agent the next runs of its queues: every limit is checked before any slot is taken.
-- KEYS[1] prefix
-- ARGV[1] agent, queues (list), count, claim (id of this claim), lease_us
-- Returns claims (list of {id, record, deadline, lease_us, parameters?}), more (stopped early, ask again), hold_us.
-- Sent again with the same claim id it answers with the runs of the first call that are still held, and takes no other.
local LOOKS = 200 -- runs that one call looks at

local function handed(run)
  return {
    id = run.id,
    record = run,
    deadline = tonumber(call('ZSCORE', P .. 'leases', run.id) or NOW),
    lease_us = lease_us(run.queue, A.lease_us),
    parameters = call('HGET', P .. 'data:' .. run.id, 'parameters') or nil,
  }
end

local function full_limit(run)
  for _, limit in ipairs(split(run.limits)) do
    if room(limit) < 1 then return limit end
  end
end

local function start(run)
  leave_line(run)
  local held = take(run, A.agent, lease_us(run.queue, A.lease_us))
  move(run, 'PENDING', 'agent:' .. A.agent, '', {
    token = call('INCR', P .. 'token'), claim = A.claim, agent = A.agent, held = held, started = false,
    attempt = tonumber(run.attempt or 0) + 1,
  })
  rq_job(run)
  represent(run)
  return handed(run)
end

-- Look at the head of a line: claim it, park it, or drop it when it should not stand there. Gives what was claimed.
local function look(line)
  line.fresh = false
  local run = load(line.id)
  if not run or run.state ~= 'QUEUED' or run.queue ~= line.queue then
    leave_line({id = line.id, queue = line.queue})
    local limits = run and run.limits or table.concat(call('SMEMBERS', P .. 'parked_in:' .. line.queue), '\n')
    represent({limits = limits, queue = line.queue})
    return nil
  end
  local limit = full_limit(run)
  if limit then park(run, limit) return nil end
  return start(run)
end

local function lines_of_queues()
  local lines = {}
  for i, queue in ipairs(A.queues) do
    local settings = call('HMGET', P .. 'queue:' .. queue, 'paused', 'priority')
    if settings[1] ~= '1' then
      lines[#lines + 1] = {queue = queue, limit = 'queue:' .. queue, priority = tonumber(settings[2] or 100), at = i}
    end
  end
  return lines
end

local function before(a, b)
  if a.priority ~= b.priority then return a.priority < b.priority end
  if a.due ~= b.due then return a.due < b.due end
  return a.at < b.at
end

-- The line to take from next: of those with a run and room, the first by priority, then by due time of its head.
local function next_line(lines)
  local best
  for _, line in ipairs(lines) do
    if room(line.limit) >= 1 then
      if not line.fresh then
        local head = call('ZRANGE', P .. 'waiting:' .. line.queue, 0, 0, 'WITHSCORES')
        line.id, line.due, line.fresh = head[1], tonumber(head[2]), true
      end
      if line.id and (not best or before(line, best)) then best = line end
    end
  end
  return best
end

local function claim()
  local lines, claims, ids, looks = lines_of_queues(), {}, {}, 0
  while #claims < A.count do
    local line = next_line(lines)
    if not line then break end
    if looks == LOOKS then return claims, ids, true end
    looks = looks + 1
    local claimed = look(line)
    if claimed then
      claims[#claims + 1] = claimed
      ids[#ids + 1] = claimed.id
    end
  end
  return claims, ids, false
end

local function note_idle(count, more)
  even_when_full()
  local queues = table.concat(A.queues, '\n')
  if count >= A.count or more then return unidle(A.agent, queues) end
  for _, queue in ipairs(A.queues) do call('ZADD', P .. 'idle:' .. queue, 'NX', AT, A.agent) end
  call('SET', P .. 'idling:' .. A.agent, queues, 'EX', 15)
end

local kept, clash = remembered('claim', A.claim)
if clash then return clash end
if kept then
  local claims = {}
  for _, id in ipairs(split(kept)) do
    local run = load(id)
    if run and HELD[run.state] and run.claim == A.claim then claims[#claims + 1] = handed(run) end
  end
  return done({claims = claims, more = false, hold_us = 0})
end

local hold = tonumber(call('HGET', P .. 'recovery', 'no_claims_before') or 0) - NOW
if hold > 0 then return done({claims = {}, more = false, hold_us = hold}) end

local claims, ids, more = claim()
note_idle(#claims, more)
if #ids > 0 then remember('claim', A.claim, table.concat(ids, '\n')) end
return done({claims = claims, more = more, hold_us = 0})
