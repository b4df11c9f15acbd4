-- claim.lua: give an agent the next runs of its queues: every limit is checked before any slot is taken.
-- KEYS[1] prefix
-- ARGV[1] agent, queues (list), count, claim (id of this claim), lease_us, largest (bytes that parameters may have),
--         avoid (limits whose runs this agent leaves in line), from (map line -> place in line to look from), labels? (list),
--         prefixes? (list: also all queues whose names begin so)
-- Returns claims (list of {id, record, deadline, lease_us, parameters?, environment?}), environments (map queue -> its
--         variables), more (stopped early, ask again, with `from`), hold_us, bad, orphans, unreadable (ids of runs that were
--         ended or dropped for what their records hold), stopped (queues that a key of another type stops), newer? (the
--         version that runs or queues left alone need), queues? (all that were looked at, when prefixes were given).
-- Sent again with the same claim id it answers with the runs of the first call that are still held, and takes no other.
local LOOKS = 200 -- runs that one call looks at
local MOST_BYTES = 4194304 -- of parameters in one answer

local bad, orphans, stopped, newest, bytes = {}, {}, {}, nil, 0
local from = A.from or {}

-- Also the queues that a prefix names: those of now, hence also those made since the agent started.
if A.prefixes then
  local known, all = set_of(A.queues), call('SMEMBERS', P .. 'queues')
  table.sort(all)
  for _, queue in ipairs(all) do
    for _, prefix in ipairs(A.prefixes) do
      if not known[queue] and string.sub(queue, 1, #prefix) == prefix then table.insert(A.queues, queue) end
      known[queue] = known[queue] or string.sub(queue, 1, #prefix) == prefix
    end
  end
end

-- A claimed run as it is answered; `lease` is that of one that is claimed just now.
local function handed(run, lease)
  return {
    id = run.id,
    record = run,
    deadline = lease and math.floor(NOW + lease) or tonumber(call('ZSCORE', P .. 'leases', run.id) or NOW),
    lease_us = lease or lease_us(run.queue, A.lease_us),
    parameters = call('HGET', P .. 'data:' .. run.id, 'parameters') or nil,
    environment = call('HGET', P .. 'data:' .. run.id, 'environment') or nil,
  }
end

local function start(run)
  leave_line(run)
  if run.alone then call('HDEL', P .. 'alone', run.id) end
  local lease = lease_us(run.queue, A.lease_us)
  local held = take(run, A.agent, lease)
  holding = holding + 1
  move(run, 'PENDING', 'agent:' .. A.agent, '', {
    token = next_token(run), claim = A.claim, agent = A.agent, held = held, started = false, beside = false, parked = false,
    alone = run.alone and (holding == 1 and 'now' or 'beside'), attempt = tonumber(run.attempt or 0) + 1,
  })
  rq_job(run)
  represent(run)
  emptying = run.alone == 'now'
  return handed(run, lease)
end

-- What is wrong with the parameters or variables of a run: they are not decoded here, and not even read when they are too
-- large.
local function unfit(run)
  for name, what in pairs({parameters = 'parameters', environment = 'variables'}) do
    local size = redis.pcall('HSTRLEN', P .. 'data:' .. run.id, name)
    if type(size) ~= 'number' then return 'the key of its parameters is no hash' end
    if size > A.largest then return 'its ' .. what .. ' have ' .. us(size) .. ' bytes, allowed are ' .. us(A.largest) end
    bytes = bytes + size
  end
end

-- The variables that the queues of some claims set for their runs: fields `env:NAME` of the queue.
local function environments(claims)
  local found = {}
  for _, claimed in ipairs(claims) do
    local queue = claimed.record.queue
    if not found[queue] then
      found[queue] = {}
      local flat = redis.pcall('HGETALL', P .. 'queue:' .. queue) -- a claim sent again may meet a spoilt key
      for i = 1, #flat, 2 do
        if string.sub(flat[i], 1, 4) == 'env:' then found[queue][string.sub(flat[i], 5)] = flat[i + 1] end
      end
    end
  end
  return found
end

------------------------------------------------------------------------ the lines
-- Leave a run where it stands, and look at the one behind it: also at runs that are parked behind this one, since a limit
-- that has room brings only its oldest into line. `limits` of a run that can not be read are all that have any parked.
local function pass_over(line, limits)
  if limits then offer_each(split(limits), line.name) else represent_all(line.name) end
  line.from = line.from + 1
  from[line.name] = line.from
end

local function drop(line)
  step_out(line.id, line.name)
  represent_all(line.name)
end

local function reject(run, problem)
  condemn(run, 'agent:' .. A.agent, problem)
  bad[#bad + 1] = run.id
end

-- Look at the next run of a line: claim it, park it, pass it over, or drop it when it should not stand there. Gives what was
-- claimed.
local function look(line)
  line.fresh = false
  local run, problem, needs = peek(line.id)
  if needs then
    newest = needs
    return pass_over(line)
  end
  if run and problem and not TERMINAL[run.state] then
    reject(run, problem)
    return drop(line)
  end
  if not run or run.state ~= 'QUEUED' or line_of(run) ~= line.name then
    if not run and not problem then orphans[#orphans + 1] = line.id end
    return drop(line)
  end
  if is_avoided(run) then return pass_over(line, run.limits or '') end
  local limit = full_limit(run)
  if limit then return park(run, limit) end
  if run.alone and holding > 0 and promise(run) then return pass_over(line, run.limits or '') end
  problem = unfit(run)
  if problem then return reject(run, problem) end
  return start(run)
end

-- Do something about a queue. A key of another type stops this queue only.
local function guarded(queue, work, ...)
  local ok, result = pcall(work, ...)
  if ok then return result end
  if not wrong_type(result) then error(result, 0) end
  stopped[#stopped + 1] = queue
  stopped[queue] = true
end

-- Add the lines of a queue that this agent may start runs of.
local function add_lines(lines, queue, i)
  local settings = call('HMGET', P .. 'queue:' .. queue, 'paused', 'priority', 'schema', 'needs')
  local needs = newer('queue', settings[3] or nil, settings[4] or nil)
  newest = needs or newest
  if settings[1] == '1' or needs or avoided['queue:' .. queue] then return end
  local priority, limit = tonumber(settings[2] or 100) or 100, 'queue:' .. queue
  for _, name in ipairs(A.labels and lines_of(queue) or {queue}) do
    if name == queue or fits(labels, name) then
      lines[#lines + 1] = {name = name, queue = queue, limit = limit, priority = priority, at = i, from = tonumber(from[name] or 0)}
    end
  end
end

local function before(a, b)
  if a.priority ~= b.priority then return a.priority < b.priority end
  if a.due ~= b.due then return a.due < b.due end
  if a.at ~= b.at then return a.at < b.at end
  return a.id < b.id
end

local function read_head(line)
  if not line.fresh then
    local head = call('ZRANGE', P .. 'waiting:' .. line.name, line.from, line.from, 'WITHSCORES')
    line.id, line.due, line.fresh = head[1], tonumber(head[2]), true
  end
  return line.id and room(line.limit) >= 1 and line.id or nil
end

-- The line to take from next: of those with a run and room, the first by priority, then by due time of its head.
local function next_line(lines)
  local best
  for _, line in ipairs(lines) do
    if not stopped[line.queue] and guarded(line.queue, read_head, line) and (not best or before(line, best)) then
      best = line
    end
  end
  return best
end

-- Take what this agent promised to take alone, or nothing while it still holds other runs. Second: whether to leave it at that.
local function keep_promise()
  local mine = promised()
  if is_alone() or mine and holding > 0 and promise(mine) then
    emptying = true
    return {}, true
  end
  local claimed = mine and holding == 0 and look({id = mine.id, queue = mine.queue, name = line_of(mine)})
  return {claimed or nil}, claimed
end

local function claim()
  local claims, enough = keep_promise()
  if enough then return claims, false end
  local lines, looks = {}, 0
  for i, queue in ipairs(A.queues) do guarded(queue, add_lines, lines, queue, i) end
  while #claims < A.count and not emptying do
    local line = next_line(lines)
    if not line then break end
    if looks == LOOKS or bytes > MOST_BYTES then return claims, true end
    looks = looks + 1
    claims[#claims + 1] = guarded(line.queue, look, line)
  end
  return claims, false
end

-- Where this agent is idle, for those who wake it: on its queues, and with labels on `queue+` too (slots.lua).
local function idle_places()
  local places = {}
  for _, queue in ipairs(A.queues) do
    places[#places + 1] = queue
    places[#places + 1] = queue .. '+'
  end
  return places
end

local function note_idle(count, more)
  even_when_full()
  local places = A.labels and idle_places() or A.queues
  local noted = table.concat(places, '\n')
  if count >= A.count or more or emptying then return unidle(A.agent, noted) end
  for _, place in ipairs(places) do call('ZADD', P .. 'idle:' .. place, 'NX', AT, A.agent) end
  if A.labels then noted = noted .. '\n+' .. table.concat(A.labels, '\n+') end
  call('SET', P .. 'idling:' .. A.agent, noted, 'EX', 15)
end

local kept, clash = remembered('claim', A.claim)
if clash then return clash end
if kept then
  local claims = {}
  for _, id in ipairs(split(kept)) do
    local run = peek(id)
    if run and HELD[run.state] and run.claim == A.claim then claims[#claims + 1] = handed(run) end
  end
  return done({claims = claims, environments = environments(claims), more = false, hold_us = 0})
end

local hold = tonumber(call('HGET', P .. 'recovery', 'no_claims_before') or 0) - NOW
if hold > 0 then return done({claims = {}, more = false, hold_us = hold}) end

local claims, more = claim()
note_idle(#claims, more)
local ids = {}
for i, claimed in ipairs(claims) do ids[i] = claimed.id end
if #ids > 0 then remember('claim', A.claim, table.concat(ids, '\n')) end
if #orphans > 0 then tally('orphan_entries', #orphans) end
local names = {}
for i, queue in ipairs(stopped) do names[i] = queue end
return done({
  claims = claims, environments = environments(claims), more = more, hold_us = 0, from = more and from or nil,
  bad = bad, orphans = orphans, unreadable = unreadable, stopped = names, newer = newest,
  queues = A.prefixes and A.queues or nil,
})
