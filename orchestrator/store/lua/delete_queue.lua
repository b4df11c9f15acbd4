-- delete_queue.lua: remove a work queue, its settings and its limit, unless a run or a deployment needs it.
-- KEYS[1] prefix
-- ARGV[1] queue, actor, deployments (map id -> revision: all there were, none of which names the queue), since (microseconds;
--   no run that was made before waits for the queue anywhere but in its line)
-- Returns removed: whether it is gone (also before this call); false when something changed since the caller looked, who looks again.
local key, limit = P .. 'queue:' .. A.queue, 'queue:' .. A.queue
local settings = call('HMGET', key, 'schema', 'needs')
local needs = newer('queue', settings[1] or nil, settings[2] or nil)
if needs then return refuse('newer', {what = 'the work queue ' .. A.queue, needs = needs}) end

local lines = lines_of(A.queue)

local function needed()
  if call('EXISTS', P .. 'holders:queue:' .. A.queue) == 1 then return true end
  for _, line in ipairs(lines) do
    if call('EXISTS', P .. 'waiting:' .. line, P .. 'parked_in:' .. line) > 0 then return true end
  end
  for _, state in ipairs({'SCHEDULED', 'PAUSED'}) do
    for _, id in ipairs(call('ZRANGEBYSCORE', P .. 'runs:' .. state, us(A.since), '+inf')) do
      if call('HGET', P .. 'run:' .. id, 'queue') == A.queue then return true end
    end
  end
  for _, id in ipairs(call('HVALS', P .. 'deployments')) do
    if tonumber(call('HGET', P .. 'deployment:' .. id, 'revision') or nil) ~= A.deployments[id] then return true end
  end
end

if call('SISMEMBER', P .. 'queues', A.queue) == 0 then return done({removed = true}) end
if needed() then return done({removed = false}) end
even_when_full()
call('SREM', P .. 'queues', A.queue)
call('HDEL', P .. 'limits', limit)
call('HDEL', P .. 'listened', A.queue)
forget_revert(limit)
call('DEL', key, P .. 'idle:' .. A.queue, P .. 'idle:' .. A.queue .. '+', P .. 'lines:' .. A.queue)
for _, line in ipairs(lines) do
  call('DEL', P .. 'rq:queue:' .. line)
  call('SREM', P .. 'rq:queues', P .. 'rq:queue:' .. line)
end
changed(limit, 'deleted', A.queue, nil)
return done({removed = true})
