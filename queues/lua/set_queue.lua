-- set_queue.lua: make a work queue, or change its settings (paused, priority, lease, on_disconnect, description).
-- KEYS[1] prefix
-- ARGV[1] change (create or set), queue, settings (map of texts), actor
-- Returns created, changed; err unknown_queue for a change of a queue that is not there.
local key = P .. 'queue:' .. A.queue
if A.change == 'create' then
  if call('SISMEMBER', P .. 'queues', A.queue) == 1 then return done({created = false, changed = false}) end
  make_queue(A.queue, A.settings)
  changed('queue:' .. A.queue, 'created', nil, A.queue)
  return done({created = true, changed = true})
end

if not queue_exists(A.queue) then return refuse('unknown_queue', {queue = A.queue}) end
even_when_full()
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
