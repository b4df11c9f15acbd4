-- register.lua: an agent takes its name, or learns who has it.
-- KEYS[1] prefix
-- ARGV[1] agent, instance, identity (host, pid, boot_id, started), queues (list), limit, info (map of texts),
--         takeover? (instance that is known to be dead), silent_us (who is silent for longer has no claim to its name),
--         rq (map: what rq tools read of a worker), rq_ttl (seconds)
-- Returns registered, released (ids of runs taken from a dead holder) or clash (map: the living holder).
-- A name that is taken over gives its runs back at once: each counts as one loss. Sent again, the same.
local key, worker = P .. 'agent:' .. A.agent, P .. 'rq:worker:' .. A.agent

local function holder()
  local flat, found = call('HGETALL', key), {}
  for i = 1, #flat, 2 do found[flat[i]] = flat[i + 1] end
  if not found.instance or found.instance == A.instance or found.instance == A.takeover then return nil end
  -- Seen in the future: by a clock that was set back since. Who lives renews within seconds, and is seen now.
  return math.abs(NOW - tonumber(found.seen or 0)) < A.silent_us and found or nil
end

-- Give back every run of the holder before this one.
local function take_over()
  local released = {}
  for _, id in ipairs(call('SMEMBERS', P .. 'agentruns:' .. A.agent)) do
    local run, problem, needs = peek(id)
    if run and not problem and not needs and HELD[run.state] and run.agent == A.agent then
      lose(run, 'agent:' .. A.agent, 'agent ' .. A.agent .. ' died')
      released[#released + 1] = id
    else
      call('SREM', P .. 'agentruns:' .. A.agent, id)
    end
  end
  return released
end

local function worker_key_of(queue) return P .. 'rq:workers:' .. queue end

local function note_worker()
  local flat = {'birth', utc(NOW), 'last_heartbeat', utc(NOW), 'state', 'idle', 'queues', table.concat(A.queues, ',')}
  for name, value in pairs(A.rq) do
    flat[#flat + 1] = name
    flat[#flat + 1] = value
  end
  call('DEL', worker)
  call('HSET', worker, unpack(flat))
  call('EXPIRE', worker, A.rq_ttl)
  call('SADD', P .. 'rq:workers', worker)
  for _, queue in ipairs(A.queues) do
    call('SADD', worker_key_of(queue), worker)
    call('SADD', P .. 'rq:queues', P .. 'rq:queue:' .. queue)
  end
end

local living = holder()
if living then return done({clash = living}) end

local same = call('HGET', key, 'instance') == A.instance
local request = same and call('HGET', key, 'request') or nil
local running, registered = unpack(same and call('HMGET', key, 'running', 'registered') or {})
local released = A.takeover and not same and take_over() or {}
-- Runs of a holder that fell silent may still be alive behind a cut: their leases end them, not this name.
if not same then note_company(A.agent) end
if not same then call('DEL', P .. 'agentruns:' .. A.agent, P .. 'wake:' .. A.agent) end
for _, queue in ipairs(split(call('HGET', key, 'queues') or '')) do call('SREM', worker_key_of(queue), worker) end
local flat = {
  'schema', us(SCHEMA.agent), 'instance', A.instance, 'host', A.identity.host, 'pid', us(A.identity.pid), 'boot_id', A.identity.boot_id,
  'started', A.identity.started, 'queues', table.concat(A.queues, '\n'), 'limit', us(A.limit), 'state', 'running',
  'running', running or '0', 'registered', registered or us(NOW), 'seen', us(NOW),
}
for name, value in pairs(A.info) do
  flat[#flat + 1] = name
  flat[#flat + 1] = value
end
if request then flat[#flat + 1], flat[#flat + 2] = 'request', request end
call('DEL', key)
call('HSET', key, unpack(flat))
call('ZADD', P .. 'agents', us(NOW), A.agent)
note_worker()
return done({registered = true, released = released})
