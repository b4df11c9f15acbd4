-- delete_deployment.lua: remove a deployment with its specs, schedules, skips and limit. Its runs stay: the caller cancels
-- those that wait; finished ones are listed until retention forgets them.
-- KEYS[1] prefix
-- ARGV[1] id, actor, offer (runs parked under its limit that return to their lines at once)
-- Returns whether it was there.
local key, limit = P .. 'deployment:' .. A.id, 'deployment:' .. A.id
local name = call('HGET', key, 'name')
if not name then return done(false) end
call('HDEL', P .. 'deployments', name)
for _, field in ipairs(call('HKEYS', P .. 'schedule:' .. A.id)) do
  local slug = string.match(field, '^body:(.*)$')
  if slug then call('ZREM', P .. 'due', A.id .. '/' .. slug) end
end
call('DEL', key, P .. 'specs:' .. A.id, P .. 'schedule:' .. A.id, P .. 'skips:' .. A.id, P .. 'scheduled:' .. A.id)
if call('HDEL', P .. 'limits', limit) == 1 then grown(limit, A.offer) end
changed(limit, 'deleted', name, nil)
return done(true)
