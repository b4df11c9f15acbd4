-- confirm.lua: PENDING becomes RUNNING; a process runs user code only after `ok`.
-- KEYS[1] prefix
-- ARGV[1] agent, run, token, claim
-- Returns ok, lost or cancelling; sent again, the same.
local run = load(A.run)
if not owned(run) then return done('lost') end
if run.state == 'CANCELLING' then return done('cancelling') end
even_when_full()
if run.state == 'PENDING' then move(run, 'RUNNING', 'agent:' .. A.agent, '', {started = AT}) end
return done('ok')
