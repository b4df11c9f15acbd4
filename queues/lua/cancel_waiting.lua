-- cancel_waiting.lua: end those of some runs that nobody has claimed; all others are left alone.
-- KEYS[1] prefix
-- ARGV[1] runs (list of ids), states (list), queue? (only runs that wait for it; absent: for any), actor, reason
-- Returns how many it has ended.
local wanted, count = {}, 0
for _, state in ipairs(A.states) do wanted[state] = true end
even_when_full()
for _, id in ipairs(A.runs) do
  local run, problem, needs = peek(id)
  local waits = run and not problem and not needs and wanted[run.state] and not HELD[run.state]
  if waits and (not A.queue or run.queue == A.queue) then
    withdraw(run, A.actor, A.reason)
    count = count + 1
  end
end
return done(count)
