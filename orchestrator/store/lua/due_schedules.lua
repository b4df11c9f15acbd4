-- due_schedules.lua: the schedules that the scheduler has to look at now, oldest first.
-- KEYS[1] prefix
-- ARGV[1] limit, largest (bytes of a spec; a larger one is not read), most (bytes of specs after which a call ends early)
-- Returns {now, items = list of {deployment, slug, text, cursor, revision, begun}, deployments = id -> {its fields, size (of its
--   spec), spec?}, stopped = those of which a key has another type, <deployment>/<slug>; they are looked at again in a minute}:
--   `begun` has the instants after the cursor that a pass decided to make runs for and did not come to the end of. Entries of
--   schedules that are gone are removed. A cursor that something else spoilt goes on from now: what is before it is lost, what
--   comes is made, and no other one waits.
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

local FIELDS = {'revision', 'paused', 'name', 'schema', 'needs', 'created', 'updated'}
local deployments, bytes = {}, 0

-- A deployment with the spec of its revision, read once for all its schedules; nil when it is gone.
local function deployment_of(id)
  if deployments[id] then return deployments[id] end
  local values, found = call('HMGET', P .. 'deployment:' .. id, unpack(FIELDS)), {}
  for i, name in ipairs(FIELDS) do found[name] = values[i] or nil end
  found.revision = string.match(found.revision or '', '^%d+$')
  if not found.revision then return nil end
  local key, field = P .. 'specs:' .. id, us(tonumber(found.revision))
  found.size = call('HSTRLEN', key, field)
  if found.size > 0 and found.size <= A.largest then found.spec = call('HGET', key, field) end
  return found
end

-- A schedule as the scheduler needs it; nil when it is gone. A key of another type is an error here, and nowhere else.
local function read(id, slug)
  local held = call('HMGET', P .. 'schedule:' .. id, 'body:' .. slug, 'cursor:' .. slug)
  local deployment = deployment_of(id)
  if not held[1] or not deployment or deployment.paused == '1' then return nil end
  call('XLEN', P .. 'skips:' .. id)
  local cursor = cursor_of(id, slug, held[2])
  local revision = tonumber(deployment.revision)
  local item = {deployment = id, slug = slug, text = held[1], cursor = cursor, revision = revision, begun = begun(id, slug, cursor)}
  if not deployments[id] then deployments[id], bytes = deployment, bytes + #(deployment.spec or '') end
  return item
end

local items, stopped = {}, {}
for _, member in ipairs(call('ZRANGEBYSCORE', P .. 'due', '-inf', us(NOW), 'LIMIT', 0, A.limit)) do
  local id, slug = string.match(member, '^([^/]*)/(.*)$')
  local ok, item = pcall(read, id or '', slug or '')
  if ok and item then
    items[#items + 1] = item
    if bytes >= A.most then break end
  elseif ok then
    call('ZREM', P .. 'due', member)
  elseif wrong_type(item) then
    call('ZADD', P .. 'due', us(NOW + LATER), member)
    stopped[#stopped + 1] = member
  else
    error(item, 0)
  end
end
return cmsgpack.pack({now = NOW, items = items, deployments = deployments, stopped = stopped})
