-- promote.lua: put delayed runs whose time has come on their queues, oldest first.
-- KEYS[1] prefix
-- ARGV[1] limit
-- Returns count, more, next_due (us, absent when no run is delayed).
local due = call('ZRANGEBYSCORE', P .. 'delayed', '-inf', us(NOW), 'LIMIT', 0, A.limit)
local count = 0
for _, id in ipairs(due) do
  local run, problem, needs = peek(id)
  if needs then
    call('ZADD', P .. 'delayed', us(NOW + LATER), id) -- a newer scheduler promotes it
  else
    call('ZREM', P .. 'delayed', id)
    if run and problem and not TERMINAL[run.state] then
      condemn(run, 'scheduler', problem)
    elseif run and run.state == 'SCHEDULED' then
      push(run, 'scheduler', '')
      count = count + 1
    end
  end
end
local first = call('ZRANGE', P .. 'delayed', 0, 0, 'WITHSCORES')
return done({count = count, more = #due == A.limit, next_due = tonumber(first[2])})
