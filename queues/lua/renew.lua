-- renew.lua: an agent's heartbeat: extend the leases of the runs it lists, and only those.
-- KEYS[1] prefix
-- ARGV[1] agent, held (list of {run, token, claim, confirmed}), state, info (map of texts), lease_us, start_timeout_us
-- Returns deadlines (run -> us), lost, cancelling, stalled (lists of ids), registered, request?
-- heartbeat.lua has extended the plain ones by now; `others` are left, and most calls never come this far.
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

local function renew(id, token, claim, confirmed)
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

for _, held in ipairs(others) do renew(unpack(held)) end
return done(beaten())
