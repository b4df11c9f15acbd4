-- pause_deployment.lua: switch the schedules of a deployment off or on. Manual runs and runs that wait are not touched.
-- KEYS[1] prefix
-- ARGV[1] id, paused (boolean), actor, due: list of {slug, next} to look at again when it is switched on
-- Returns whether that changed anything; nil when there is no such deployment.
local key = P .. 'deployment:' .. A.id
local before = call('HMGET', key, 'name', 'paused')
if not before[1] then return done(nil) end
local was = before[2] == '1'
if was ~= A.paused then
  call('HSET', key, 'paused', A.paused and '1' or '0')
  changed('deployment:' .. A.id, 'paused', was and '1' or '0', A.paused and '1' or '0')
end
if A.paused then
  for _, field in ipairs(call('HKEYS', P .. 'schedule:' .. A.id)) do
    local slug = string.match(field, '^body:(.*)$')
    if slug then call('ZREM', P .. 'due', A.id .. '/' .. slug) end
  end
else
  for _, schedule in ipairs(A.due) do
    if call('HEXISTS', P .. 'schedule:' .. A.id, 'body:' .. schedule.slug) == 1 then
      call('ZADD', P .. 'due', 'NX', us(schedule.next), A.id .. '/' .. schedule.slug)
    end
  end
  nudge('scheduler', 'due', 1)
end
return done(was ~= A.paused)
