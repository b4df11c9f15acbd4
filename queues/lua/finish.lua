-- finish.lua: end a run or plan its next try, and free its slots. A cancelled run ends CANCELLED whatever is said here.
-- KEYS[1] prefix
-- ARGV[1] agent, run, token, claim, state, name?, reason, retry_in_us?, fields (map), data (map of bytes)
-- Returns answer (ok or lost) and state, what the run is now; sent again, the same. A lost claim changes nothing.
local run = load(A.run)
even_when_full()
local actor = 'agent:' .. A.agent
local mark = 'finish ' .. us(A.token) .. ' ' .. A.claim

if not run then return done({answer = 'lost'}) end
if not owned(run) then
  if run.settled == mark then return done({answer = 'ok', state = 'SCHEDULED'}) end
  return done({answer = ended_owned(run) and 'ok' or 'lost', state = run.state})
end

local function retry(changes)
  local before = {id = run.id, held = run.held, agent = run.agent}
  changes.state_name, changes.due, changes.settled = 'AwaitingRetry', NOW + A.retry_in_us, mark
  changes.failures = tonumber(run.failures or 0) + 1
  changes.claim, changes.held, changes.agent = false, false, false
  move(run, 'SCHEDULED', actor, A.reason, changes)
  rq_job(run)
  delay(run)
  free(before)
end

for name, value in pairs(A.data) do call('HSET', P .. 'data:' .. run.id, name, value) end
local changes = A.fields
if run.state == 'CANCELLING' then
  settle(run, 'CANCELLED', actor, run.reason or A.reason, changes)
elseif A.retry_in_us then
  retry(changes)
else
  -- The confirm of a run that completed can only be missing when Redis lost the end of its log.
  if not may(run, A.state) then move(run, 'RUNNING', actor, 'its confirm was lost', {started = AT}) end
  changes.state_name = A.name
  settle(run, A.state, actor, A.reason, changes)
end
return done({answer = 'ok', state = run.state})
