-- due_schedules.lua: the schedules that the scheduler has to look at now, oldest first.
-- KEYS[1] prefix
-- ARGV[1] limit
-- Returns {now, items = list of {deployment, slug, text, cursor, revision, begun}}: `begun` has the instants after the cursor
--   that a pass decided to make runs for and did not come to the end of. Entries of schedules that are gone are removed.
local function begun(id, slug, cursor)
  local instants, noted = {}, call('ZRANGEBYSCORE', P .. 'scheduled:' .. id, '(' .. us(cursor), '+inf', 'WITHSCORES')
  for i = 1, #noted, 2 do
    if string.match(noted[i], '^%S+ (.*)$') == slug then instants[#instants + 1] = tonumber(noted[i + 1]) end
  end
  return instants
end

local items = {}
for _, member in ipairs(call('ZRANGEBYSCORE', P .. 'due', '-inf', us(NOW), 'LIMIT', 0, A.limit)) do
  local id, slug = string.match(member, '^([^/]*)/(.*)$')
  local held = call('HMGET', P .. 'schedule:' .. (id or ''), 'body:' .. (slug or ''), 'cursor:' .. (slug or ''))
  local standing = call('HMGET', P .. 'deployment:' .. (id or ''), 'revision', 'paused')
  if held[1] and standing[1] and standing[2] ~= '1' then
    local cursor = tonumber(held[2] or 0)
    items[#items + 1] = {deployment = id, slug = slug, text = held[1], cursor = cursor, revision = tonumber(standing[1]),
      begun = begun(id, slug, cursor)}
  else
    call('ZREM', P .. 'due', member)
  end
end
return cmsgpack.pack({now = NOW, items = items})
