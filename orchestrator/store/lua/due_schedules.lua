-- due_schedules.lua: the schedules that the scheduler has to look at now, oldest first.
-- ARGV[1]: limit
-- Returns {now, items = list of {deployment, slug, body, cursor, revision}}. Entries of schedules that are gone are removed.
local items = {}
for _, member in ipairs(call('ZRANGEBYSCORE', P .. 'due', '-inf', us(NOW), 'LIMIT', 0, A.limit)) do
  local id, slug = string.match(member, '^([^/]*)/(.*)$')
  local held = call('HMGET', P .. 'schedule:' .. (id or ''), 'body:' .. (slug or ''), 'cursor:' .. (slug or ''))
  local standing = call('HMGET', P .. 'deployment:' .. (id or ''), 'revision', 'paused')
  if held[1] and standing[1] and standing[2] ~= '1' then
    items[#items + 1] = {deployment = id, slug = slug, body = held[1], cursor = tonumber(held[2] or 0),
      revision = tonumber(standing[1])}
  else
    call('ZREM', P .. 'due', member)
  end
end
return cmsgpack.pack({now = NOW, items = items})
