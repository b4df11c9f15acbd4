-- forget.lua: remove every key and index entry of runs that have ended; others are left alone.
-- KEYS[1] prefix
-- ARGV[1] runs (list of ids)
-- Returns how many were removed.
local count = 0
for _, id in ipairs(A.runs) do
  local run, _, needs = peek(id)
  if run and not needs and TERMINAL[run.state] then
    call('UNLINK', P .. 'run:' .. id, P .. 'data:' .. id, P .. 'logs:' .. id, P .. 'tasks:' .. id, P .. 'rq:job:' .. id)
    call('ZREM', P .. 'runs:' .. run.state, id)
    call('HDEL', P .. 'alone', id)
    for _, group in ipairs(split(run.groups)) do call('ZREM', P .. 'group:' .. group, id) end
    count = count + 1
  end
end
return done(count)
