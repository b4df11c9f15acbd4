-- due_schedules.lua: the schedules that the scheduler has to look at now, oldest first.
-- KEYS[1] prefix
-- ARGV[1] limit
-- Returns {now, items = list of {deployment, slug, text, cursor, revision, begun}, stopped = those of which a key has another
--   type, <deployment>/<slug>; they are looked at again in a minute}: `begun` has the instants after the cursor
--   that a pass decided to make runs for and did not come to the end of. Entries of schedules that are gone are removed. A
--   cursor that something else spoilt goes on from now: what is before it is lost, what comes is made, and no other one waits.
local function begun(id, slug, cursor)
  local instants, noted = {}, call('ZRANGEBYSCORE', P .. 'scheduled:' .. id, '(' .. us(cursor), '+inf', 'WITHSCORES')
  for i = 1, #noted, 2 do
    if string.match(noted[i], '^%S+ (.*)$') == slug then instants[#instants + 1] = tonumber(noted[i + 1]) end
  end
  return instants
end

local function cursor_of(id, slug, stored)
  if stored and #stored <= 16 and string.match(stored, '^%d+$') then return tonumber(stored) end
  call('HSET', P .. 'schedule:' .. id, 'cursor:' .. slug, AT)
  tally('repaired_cursors', 1)
  return NOW
end

-- A schedule as the scheduler needs it; nil when it is gone. A key of another type is an error here, and nowhere else.
local function read(id, slug)
  local held = call('HMGET', P .. 'schedule:' .. id, 'body:' .. slug, 'cursor:' .. slug)
  local standing = call('HMGET', P .. 'deployment:' .. id, 'revision', 'paused')
  local revision = tonumber(string.match(standing[1] or '', '^%d+$') or nil)
  if not held[1] or not revision or standing[2] == '1' then return nil end
  call('HEXISTS', P .. 'specs:' .. id, us(revision))
  call('XLEN', P .. 'skips:' .. id)
  local cursor = cursor_of(id, slug, held[2])
  return {deployment = id, slug = slug, text = held[1], cursor = cursor, revision = revision, begun = begun(id, slug, cursor)}
end

local items, stopped = {}, {}
for _, member in ipairs(call('ZRANGEBYSCORE', P .. 'due', '-inf', us(NOW), 'LIMIT', 0, A.limit)) do
  local id, slug = string.match(member, '^([^/]*)/(.*)$')
  local ok, item = pcall(read, id or '', slug or '')
  if ok and item then
    items[#items + 1] = item
  elseif ok then
    call('ZREM', P .. 'due', member)
  elseif wrong_type(item) then
    call('ZADD', P .. 'due', us(NOW + LATER), member)
    stopped[#stopped + 1] = member
  else
    error(item, 0)
  end
end
return cmsgpack.pack({now = NOW, items = items, stopped = stopped})
