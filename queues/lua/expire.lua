-- expire.lua: one pass over leases that ended longer ago than the grace: a new token, and back into line or CRASHED.
-- KEYS[1] prefix
-- ARGV[1] limit, grace_us, lease_us (of queues that have none of their own), fresh_us? (how long ago the scheduler's beat may be)
-- Returns requeued, crashed, cancelled, rejected (lists of ids; rejected for what their records hold), hold_us, more.
local recovery = call('HMGET', P .. 'recovery', 'no_expiry_before', 'beat')
local hold = tonumber(recovery[1] or 0) - NOW
-- A scheduler that was frozen since its beat does not know whether Redis took writes meanwhile: it beats again first.
if A.fresh_us and math.abs(NOW - tonumber(recovery[2] or 0)) > A.fresh_us then hold = math.max(hold, 1) end
if hold > 0 then return done({requeued = {}, crashed = {}, cancelled = {}, rejected = {}, hold_us = hold, more = false}) end

even_when_full()

-- A clock that went back leaves deadlines too far ahead; none may be later than now + lease.
for _, id in ipairs(call('ZREVRANGEBYSCORE', P .. 'leases', '+inf', us(NOW + A.lease_us), 'LIMIT', 0, A.limit)) do
  local latest = NOW + lease_us(call('HGET', P .. 'run:' .. id, 'queue') or '', A.lease_us)
  if tonumber(call('ZSCORE', P .. 'leases', id)) > latest then call('ZADD', P .. 'leases', us(latest), id) end
end

local ended = call('ZRANGEBYSCORE', P .. 'leases', '-inf', us(NOW - A.grace_us), 'WITHSCORES', 'LIMIT', 0, A.limit)
local ids = {QUEUED = {}, CRASHED = {}, CANCELLED = {}, FAILED = {}}

local function end_lease(id, deadline)
  local run, problem, needs = peek(id)
  if needs then
    call('ZADD', P .. 'leases', us(NOW + LATER), id)
  elseif run and problem and not TERMINAL[run.state] then
    condemn(run, 'scheduler', problem)
    table.insert(ids[run.state], id)
  elseif run and not problem and HELD[run.state] then
    local what = run.state == 'PENDING' and ' did not start it' or ' was lost'
    local since = deadline >= tonumber(run.created) and utc(deadline) or 'before it began'
    table.insert(ids[lose(run, 'scheduler', 'agent ' .. (run.agent or '?') .. what .. ', lease ended ' .. since)], id)
  else
    call('ZREM', P .. 'leases', id)
    tally('orphan_leases', 1)
  end
end

for i = 1, #ended, 2 do end_lease(ended[i], tonumber(ended[i + 1])) end
return done({
  requeued = ids.QUEUED, crashed = ids.CRASHED, cancelled = ids.CANCELLED, rejected = ids.FAILED, hold_us = 0,
  more = #ended == 2 * A.limit,
})
