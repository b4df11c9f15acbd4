-- read_queues.lua: what stands on work queues; reads only.
-- KEYS[1] prefix
-- ARGV[1] queues (list), late_us (waiting longer than this is late), alive_us (agents heard of within this listen)
-- Returns per queue {settings (map), limit?, limit_until? and limit_then? (when the limit was changed for a time), queued, late,
--         oldest? (due time of the run that waits longest), running, agents}.
local listening = {}
for _, agent in ipairs(call('ZRANGEBYSCORE', P .. 'agents', us(NOW - A.alive_us), '+inf')) do
  for _, queue in ipairs(split(call('HGET', P .. 'agent:' .. agent, 'queues') or '')) do
    listening[queue] = (listening[queue] or 0) + 1
  end
end

local function settings_of(queue)
  local flat, settings = call('HGETALL', P .. 'queue:' .. queue), {}
  for i = 1, #flat, 2 do settings[flat[i]] = flat[i + 1] end
  return settings
end

local rows = {}
for i, queue in ipairs(A.queues) do
  local places = {}
  for _, line in ipairs(lines_of(queue)) do
    places[#places + 1] = P .. 'waiting:' .. line
    for _, limit in ipairs(call('SMEMBERS', P .. 'parked_in:' .. line)) do
      places[#places + 1] = P .. 'parked:' .. limit .. '|' .. line
    end
  end
  local queued, late, oldest = 0, 0, nil
  for _, place in ipairs(places) do
    queued = queued + call('ZCARD', place)
    late = late + call('ZCOUNT', place, '-inf', us(NOW - A.late_us))
    local first = tonumber(call('ZRANGE', place, 0, 0, 'WITHSCORES')[2])
    if first and (not oldest or first < oldest) then oldest = first end
  end
  local back, ends = reverting('queue:' .. queue)
  rows[i] = {
    limit_until = ends, limit_then = tonumber(back),
    settings = settings_of(queue), limit = tonumber(call('HGET', P .. 'limits', 'queue:' .. queue) or nil),
    queued = queued, late = late, oldest = oldest,
    running = call('ZCARD', P .. 'holders:queue:' .. queue), agents = listening[queue] or 0,
  }
end
return done(rows)
