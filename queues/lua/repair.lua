-- repair.lua: one look over all queues: compare counts, and set right at once what rq tools damage.
-- KEYS[1] prefix
-- ARGV[1] compare? (map line -> rank from which its mirror is compared by content), slice (entries compared),
--         forget_us (agents silent for longer are forgotten)
-- Returns counts (kind -> number set right), suspects (map: queued, delayed or held -> the two numbers that differ),
--         damaged (list of queues that could not be looked at).
local counts, suspects, damaged = {}, {}, {}

local function note(kind, n)
  if n > 0 then counts[kind] = (counts[kind] or 0) + n end
end

------------------------------------------------------------------------ the list that rq tools read
local CHUNK = 1000

local SORTED = 10000 -- entries up to which a list is written anew only because its order is another one

-- Whether the list has what the line has, as far as it is looked at. Second: whether in another order, which is no damage: a
-- run that comes back to the middle of a line stands at the end of the list.
local function mirror_fits(name, line, list)
  if call('LLEN', list) ~= call('ZCARD', line) then return false end
  local from = A.compare and A.compare[name]
  if not from then return true end
  local ours, theirs = call('ZRANGE', line, from, from + A.slice - 1), call('LRANGE', list, from, from + A.slice - 1)
  local sorted, met = true, {}
  for i, id in ipairs(theirs) do
    if ours[i] ~= id then
      sorted = false
      if met[id] or not call('ZSCORE', line, id) then return false end
    end
    met[id] = true
  end
  return true, not sorted
end

local function mend_mirror(name)
  local line, list = P .. 'waiting:' .. name, P .. 'rq:queue:' .. name
  local fits, unsorted = mirror_fits(name, line, list)
  if fits and not (unsorted and call('ZCARD', line) <= SORTED) then return end
  call('DEL', list)
  for from = 0, call('ZCARD', line) - 1, CHUNK do call('RPUSH', list, unpack(call('ZRANGE', line, from, from + CHUNK - 1))) end
  call('SADD', P .. 'rq:queues', list)
  if not fits then note('mirrors', 1) end
end

------------------------------------------------------------------------ the registries of stock workers
local REGISTRIES = {'failed', 'wip', 'finished', 'deferred', 'scheduled', 'canceled', 'ready'}
local touched = {} -- ids that a stock worker had in its hands

-- Members are job ids, in `wip` followed by `:` and the id of an execution. Jobs that are not ours stay.
local function clear_registry(key)
  for _, member in ipairs(call('ZRANGE', key, 0, 499)) do
    local id = string.match(member, '^[^:]+')
    if call('EXISTS', P .. 'run:' .. id) == 1 then
      call('ZREM', key, member)
      touched[#touched + 1] = id
      note('rq_registries', 1)
    end
  end
end

local function registries(line)
  local keys = {}
  for i, name in ipairs(REGISTRIES) do keys[i] = P .. 'rq:' .. name .. ':' .. line end
  local between = P .. 'rq:queue:' .. line .. ':intermediate'
  if call('EXISTS', between, unpack(keys)) == 0 then return end
  for _, key in ipairs(keys) do clear_registry(key) end
  for _, id in ipairs(call('LRANGE', between, 0, 499)) do
    if call('EXISTS', P .. 'run:' .. id) == 1 then
      call('LREM', between, 0, id)
      touched[#touched + 1] = id
      note('rq_registries', 1)
    end
  end
end

------------------------------------------------------------------------ parked runs of a limit that has room
local NEAR = 50 -- places of the line in which a run that needs the limit is looked for

local function stands_in_line(limit, line)
  for _, id in ipairs(call('ZRANGE', line, 0, NEAR - 1)) do
    local run = peek(id)
    for _, needed in ipairs(split(run and run.limits)) do
      if needed == limit then return true end
    end
  end
  return call('ZCARD', line) > NEAR
end

local function parked(line)
  local n = 0
  for _, limit in ipairs(call('SMEMBERS', P .. 'parked_in:' .. line)) do
    local key = P .. 'parked:' .. limit .. '|' .. line
    if room(limit) >= 1 and call('EXISTS', key) == 1 and not stands_in_line(limit, P .. 'waiting:' .. line) then
      offer(limit, line, 1)
      note('offers', 1)
    end
    n = n + call('ZCARD', key)
  end
  return n
end

------------------------------------------------------------------------ agents that died long ago
local function forget_agents()
  for _, name in ipairs(call('ZRANGEBYSCORE', P .. 'agents', '-inf', us(NOW - A.forget_us), 'LIMIT', 0, 10)) do
    if call('EXISTS', P .. 'agentruns:' .. name) == 0 then
      strike(name, tonumber(call('ZSCORE', P .. 'agents', name)))
      note('agents', 1)
    end
  end
end

------------------------------------------------------------------------ the pass
local queued, held = 0, 0

local function forget_line(line, queue)
  call('SREM', P .. 'lines:' .. queue, line)
  call('SREM', P .. 'rq:queues', P .. 'rq:queue:' .. line)
  if call('EXISTS', P .. 'lines:' .. queue) == 0 then call('HDEL', P .. 'queue:' .. queue, 'labelled') end
end

-- How many runs stand in a line; one of labels in which none does is forgotten, and rq's list of it with it.
local function standing_in(line, queue)
  mend_mirror(line)
  registries(line)
  local n = call('ZCARD', P .. 'waiting:' .. line) + parked(line)
  if n == 0 and line ~= queue then forget_line(line, queue) end
  return n
end

local function look_at(queue)
  local standing = 0
  for _, line in ipairs(lines_of(queue)) do standing = standing + standing_in(line, queue) end
  local holding = call('ZCARD', P .. 'holders:queue:' .. queue)
  queued, held = queued + standing, held + holding
end

even_when_full()
for _, queue in ipairs(call('SMEMBERS', P .. 'queues')) do
  -- A key of another type stops the look at its queue only.
  if not pcall(look_at, queue) then damaged[#damaged + 1] = queue end
end
if not pcall(forget_agents) then damaged[#damaged + 1] = '' end

local function size(state) return call('ZCARD', P .. 'runs:' .. state) end

local function compare()
  local in_state = size('QUEUED')
  if in_state ~= queued then suspects.queued = {in_state, queued} end
  local delayed = call('ZCARD', P .. 'delayed')
  if size('SCHEDULED') ~= delayed then suspects.delayed = {size('SCHEDULED'), delayed} end
  local leased, owned = call('ZCARD', P .. 'leases'), 0
  for state in pairs(HELD) do owned = owned + size(state) end
  if owned ~= leased or owned ~= held then suspects.held = {owned, leased, held} end
end
if #damaged == 0 and not pcall(compare) then damaged[#damaged + 1] = '' end

for kind, n in pairs(counts) do tally('repaired_' .. kind, n) end
return done({counts = counts, suspects = suspects, damaged = damaged, touched = touched})
