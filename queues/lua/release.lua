-- release.lua: an agent gives a run back unfinished: to its place in line, or, as a loss, by the run's policy.
-- KEYS[1] prefix
-- ARGV[1] agent, run, token, claim, reason, loss (whether it counts as one), unstarted? (no process of it was started:
--         its try does not count)
-- Returns ok or lost; sent again, the same.
local run = load(A.run)
local mark = 'release ' .. us(A.token) .. ' ' .. A.claim

if not owned(run) then
  local again = run and run.settled == mark or ended_owned(run)
  return done(again and 'ok' or 'lost')
end
even_when_full()
write(run, {settled = mark})
if A.loss then
  lose(run, 'agent:' .. A.agent, A.reason, true)
else
  local changes = A.unstarted and run.state == 'PENDING' and {attempt = math.max(tonumber(run.attempt or 0) - 1, 0)} or nil
  give_back(run, 'agent:' .. A.agent, A.reason, changes)
end
return done('ok')
