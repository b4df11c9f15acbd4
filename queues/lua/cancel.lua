-- cancel.lua: end a waiting run at once, or ask the agent of a held one to end it.
-- KEYS[1] prefix
-- ARGV[1] run, actor, reason, request_id?
-- Returns before, state; cancelling twice is one cancel. err unknown_run, or refused when the run ended otherwise.
local kept, clash = remembered('cancel', A.request_id)
if kept or clash then return kept or clash end

local run = load(A.run)
if not run then return refuse('unknown_run', {run = A.run}) end
local needs = newer('run', run.schema, run.needs)
if needs then return refuse('newer', {what = 'the run ' .. run.id, needs = needs}) end
local before = run.state
if before == 'CANCELLING' or before == 'CANCELLED' and run.cancel_requested then
  return done({before = before, state = before})
end

even_when_full()
if may(run, 'CANCELLING') then
  move(run, 'CANCELLING', A.actor, A.reason, {cancel_requested = AT})
  nudge(run.agent, 'cancel', 2)
elseif may(run, 'CANCELLED') then
  withdraw(run, A.actor, A.reason)
else
  return refuse_move(run)
end
return remember('cancel', A.request_id, done({before = before, state = run.state}))
