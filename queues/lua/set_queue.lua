-- set_queue.lua: make a work queue, or change its settings (paused, priority, lease, on_disconnect, description).
-- KEYS[1] prefix
-- ARGV[1] change (create, set or env), queue, settings (map of texts), limit? (of one that is made), actor; for env: set (map
--         NAME -> value) and unset (list of names), the variables that its runs get, kept in fields `env:NAME`
-- Returns created, changed (for env: the list of names); err unknown_queue for a change of a queue that is not there.
local key = P .. 'queue:' .. A.queue
if A.change == 'create' then
  if call('SISMEMBER', P .. 'queues', A.queue) == 1 then return done({created = false, changed = false}) end
  make_queue(A.queue, A.settings)
  changed('queue:' .. A.queue, 'created', nil, A.queue)
  if A.limit then set_number('queue:' .. A.queue, A.limit, 0) end
  return done({created = true, changed = true})
end

if not queue_exists(A.queue) then return refuse('unknown_queue', {queue = A.queue}) end
even_when_full()
if A.change == 'env' then
  local names = {}
  -- A record of changes, not of values: long ones are cut there, and an empty one is told from none.
  local function note(name, old, new)
    names[#names + 1] = name
    changed('queue:' .. A.queue, 'env.' .. name, old and clip(old == '' and '""' or old), new and clip(new == '' and '""' or new))
  end
  for name, value in pairs(A.set) do
    local old = call('HGET', key, 'env:' .. name)
    if old ~= value then
      call('HSET', key, 'env:' .. name, value)
      note(name, old, value)
    end
  end
  for _, name in ipairs(A.unset) do
    local old = call('HGET', key, 'env:' .. name)
    if old then
      call('HDEL', key, 'env:' .. name)
      note(name, old, nil)
    end
  end
  return done({created = false, changed = names})
end

local any = false
for field, value in pairs(A.settings) do
  local old = call('HGET', key, field) or ''
  if old ~= value then
    call('HSET', key, field, value)
    changed('queue:' .. A.queue, field, old, value)
    any = true
    if field == 'paused' and value == '0' then open_all(A.queue, math.huge) end
  end
end
return done({created = false, changed = any})
