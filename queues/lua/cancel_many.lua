-- cancel_many.lua: end those of some runs that wait, and ask the agents of those that are held to end them.
-- KEYS[1] prefix
-- ARGV[1] runs (list of ids), states? (list; a run that is in none of them any more is left alone), actor, reason
-- Returns per run before and state; or, where nothing was done: state and since (it has ended otherwise, or moved on), problem or needs (its
-- record can not be worked with), nothing (there is no such run). Cancelling twice is one cancel.
local answers, wanted = {}, A.states and {}
for _, state in ipairs(A.states or {}) do wanted[state] = true end

local function fits(run) return not wanted or wanted[run.state] or run.cancel_requested end

for i, id in ipairs(A.runs) do
  local run, problem, needs = peek(id)
  local before = run and run.state
  local can = run and not problem and not needs and fits(run) and cancel_run(run, A.actor, A.reason)
  answers[i] = can and {before = before, state = run.state} or declined(run, problem, needs)
end
return done(answers)
