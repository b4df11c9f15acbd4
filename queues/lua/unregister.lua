-- unregister.lua: an agent leaves: what it still holds goes back into line, not counted as a loss.
-- KEYS[1] prefix
-- ARGV[1] agent, instance, reason
-- Returns left (false: the name belongs to another instance by now, and nothing was changed), released (ids).
if call('HGET', P .. 'agent:' .. A.agent, 'instance') ~= A.instance then return done({left = false, released = {}}) end

even_when_full()
local released = {}
for _, id in ipairs(call('SMEMBERS', P .. 'agentruns:' .. A.agent)) do
  local run, problem, needs = peek(id)
  if run and not problem and not needs and HELD[run.state] and run.agent == A.agent then
    give_back(run, 'agent:' .. A.agent, A.reason)
    released[#released + 1] = id
  end
end
unidle(A.agent, call('GET', P .. 'idling:' .. A.agent) or '')
strike(A.agent, NOW)
call('DEL', P .. 'rq:worker:' .. A.agent .. ':executions', P .. 'agentruns:' .. A.agent)
return done({left = true, released = released})
