-- request.lua: ask an agent to drain or stop; it learns it with its next renewal, and is woken for that.
-- KEYS[1] prefix
-- ARGV[1] agent, request, actor
-- Returns known (false: no such agent).
local key = P .. 'agent:' .. A.agent
if call('EXISTS', key) == 0 then return done({known = false}) end
local before = call('HGET', key, 'request') or nil
even_when_full()
-- A stop that was asked for is not taken back by a drain.
if before ~= A.request and before ~= 'stop' then
  call('HSET', key, 'request', A.request)
  changed('agent:' .. A.agent, 'request', before, A.request)
end
nudge(A.agent, A.request, 2)
return done({known = true})
