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
if not cancel_run(run, A.actor, A.reason) then return refuse_move(run) end
local reply = done({before = before, state = run.state})
return before == run.state and reply or remember('cancel', A.request_id, reply)
