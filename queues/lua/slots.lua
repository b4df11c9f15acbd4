-- slots.lua: the sixth part of the prelude: where waiting runs stand, who holds slots, who is woken.
-- A QUEUED run is in exactly one of two places: waiting:<line>, which agents claim from, or parked:<limit>|<line>.
-- Whenever a limit has room and runs of a line are parked under it, a run that needs it stands in waiting:<line>.

------------------------------------------------------------------------ waking
-- The lists are short and expire: a wake-up is a hint, the poll of the agent is the truth.
local function nudge(name, word, most)
  local key = P .. 'wake:' .. name
  if call('LLEN', key) >= most then return end
  call('RPUSH', key, word)
  call('EXPIRE', key, 60)
end

local function unidle(agent, queues)
  for _, queue in ipairs(split(queues)) do call('ZREM', P .. 'idle:' .. queue, agent) end
  call('DEL', P .. 'idling:' .. agent)
end

local rooms = {}

-- How many more runs a limit lets in; infinite where it has no number. Negative after it was lowered. One that something
-- else spoilt lets none in, and `doctor` names it: no other limit may stop for it, and no cap may fall with it.
local function room(limit)
  if not rooms[limit] then
    local most = call('HGET', P .. 'limits', limit)
    rooms[limit] = most and (tonumber(most) or 0) - call('ZCARD', P .. 'holders:' .. limit) or math.huge
  end
  return rooms[limit]
end

local OTHERS = 20 -- idle agents looked at beyond those that are to be woken: some have stopped asking
local OTHERS_WITH_LABELS = 200 -- and some have other labels

-- The labels of an idle agent: `+label` among the queues that it is idle on.
local function labels_in(noted)
  local labels = {}
  for _, entry in ipairs(split(noted)) do
    if string.sub(entry, 1, 1) == '+' then labels[string.sub(entry, 2)] = true end
  end
  return labels
end

-- Wake as many idle agents of a line as runs became startable, longest idle first. Agents that stopped asking are dropped.
-- Those that have labels stand in idle:<queue>+ too. `all`: as many for each of the other lines of the queue.
local function wake(line, n, all)
  local queue = queue_of(line)
  local settings = call('HMGET', P .. 'queue:' .. queue, 'paused', 'labelled')
  if settings[1] == '1' then return end
  for _, other in ipairs(all and settings[2] and call('SMEMBERS', P .. 'lines:' .. queue) or {}) do wake(other, n) end
  n = math.min(n, call('ZCARD', P .. 'waiting:' .. line), room('queue:' .. queue))
  if n < 1 then return end
  local plain = line == queue
  local idle = P .. 'idle:' .. (plain and queue or queue .. '+')
  for _, agent in ipairs(call('ZRANGE', idle, 0, n + (plain and OTHERS or OTHERS_WITH_LABELS))) do
    if n < 1 then break end
    local queues = call('GET', P .. 'idling:' .. agent)
    if not queues then
      call('ZREM', idle, agent)
    elseif plain or fits(labels_in(queues), line) then
      unidle(agent, queues)
      nudge(agent, 'work', 1)
      n = n - 1
    end
  end
end

local opened, wholly = {}, {}

-- Note that n runs of a line may have become startable; agents are woken once, at the end of the script.
local function open(line, n) opened[line] = (opened[line] or 0) + n end

-- The same of a queue with all its lines.
local function open_all(queue, n)
  wholly[queue] = true
  open(queue, n)
end

local function done(reply)
  for line, places in pairs(marks) do mirror('LREM', P .. 'rq:queue:' .. line, #places, GONE) end
  for line, n in pairs(opened) do wake(line, n, wholly[line]) end
  return cmsgpack.pack(reply)
end

------------------------------------------------------------------------ queues
local function make_queue(name, settings)
  local flat = {'schema', us(SCHEMA.queue), 'created', AT, 'paused', '0'}
  for field, value in pairs(settings) do
    flat[#flat + 1] = field
    flat[#flat + 1] = value
  end
  call('SADD', P .. 'queues', name)
  call('HSET', P .. 'queue:' .. name, unpack(flat))
end

-- Whether a queue is there; `default` is made when it is first asked for.
local function queue_exists(name)
  if call('SISMEMBER', P .. 'queues', name) == 1 then return true end
  if name ~= DEFAULT_QUEUE[1] then return false end
  make_queue(name, {id = DEFAULT_QUEUE[2]})
  return true
end

------------------------------------------------------------------------ standing in a line
-- Put a QUEUED run into a line, at the place of its due time.
local function line_up(id, line, due)
  local waiting = P .. 'waiting:' .. line
  note_line(line)
  call('ZADD', waiting, due, id)
  rq_list(line, id, call('ZRANK', waiting, id), call('ZCARD', waiting))
  open(line, 1)
end

local function unpark(id, limit, line)
  local key = P .. 'parked:' .. limit .. '|' .. line
  call('ZREM', key, id)
  if call('EXISTS', key) == 0 then
    call('SREM', P .. 'parked:' .. limit, line)
    call('SREM', P .. 'parked_in:' .. line, limit)
  end
end

-- Return up to n of the oldest runs of a line that are parked under a limit to it, if the limit has room.
local function offer(limit, line, n)
  if room(limit) < 1 then return end
  local oldest = call('ZRANGE', P .. 'parked:' .. limit .. '|' .. line, 0, n - 1, 'WITHSCORES')
  for i = 1, #oldest, 2 do
    unpark(oldest[i], limit, line)
    call('HDEL', P .. 'run:' .. oldest[i], 'parked')
    line_up(oldest[i], line, oldest[i + 1])
  end
end

local function offer_each(limits, line)
  for _, limit in ipairs(limits) do offer(limit, line, 1) end
end

-- After a run left its line: each of its limits that has room gets its next run into the line.
local function represent(run) offer_each(split(run.limits), line_of(run)) end

-- As represent, for every limit that runs of the line are parked under: which ones were needed is not known.
local function represent_all(line) offer_each(call('SMEMBERS', P .. 'parked_in:' .. line), line) end

local function step_out(id, line)
  local waiting = P .. 'waiting:' .. line
  local rank, size = call('ZRANK', waiting, id), call('ZCARD', waiting)
  call('ZREM', waiting, id)
  rq_unlist(line, id, rank, size)
end

-- Take a QUEUED run out of its line or out of its parking place.
local function leave_line(run)
  if run.parked then return unpark(run.id, run.parked, line_of(run)) end
  step_out(run.id, line_of(run))
end

-- Note a run that stands nowhere under a full limit of its own.
local function shelve(run, limit)
  local line = line_of(run)
  write(run, {parked = limit})
  note_line(line)
  call('ZADD', P .. 'parked:' .. limit .. '|' .. line, run.due, run.id)
  call('SADD', P .. 'parked:' .. limit, line)
  call('SADD', P .. 'parked_in:' .. line, limit)
end

-- Move a run of the line under a full limit, where no claim looks at it again until the limit has room.
local function park(run, limit)
  leave_line(run)
  shelve(run, limit)
  represent(run)
end

-- Let a SCHEDULED run wait for its due time; the scheduler is woken when no other is due earlier.
local function delay(run)
  local first = call('ZRANGE', P .. 'delayed', 0, 0, 'WITHSCORES')[2]
  call('ZADD', P .. 'delayed', run.due, run.id)
  if not first or tonumber(run.due) < tonumber(first) then nudge('scheduler', 'delayed', 1) end
end

-- Make a run QUEUED and put it into the line.
local function push(run, actor, reason, changes)
  move(run, 'QUEUED', actor, reason, changes)
  rq_job(run)
  line_up(run.id, line_of(run), run.due)
end

------------------------------------------------------------------------ slots
-- Say that a limit lets n more runs in: their places in line, and agents to start them.
local function grown(limit, n)
  local queue = string.match(limit, '^queue:(.*)$')
  if queue then return open_all(queue, n) end
  for _, name in ipairs(call('SMEMBERS', P .. 'parked:' .. limit)) do offer(limit, name, n) end
end

-- Change the number of a limit, nil removes it; holders stay, and count. When it grew, up to `offered` parked runs per queue
-- return to their lines at once. Gives whether that changed anything.
local function set_number(limit, number, offered)
  local stood = call('HGET', P .. 'limits', limit)
  local before = stood and (tonumber(stood) or 0) or nil
  if before == number then return false end
  if number then call('HSET', P .. 'limits', limit, us(number)) else call('HDEL', P .. 'limits', limit) end
  rooms[limit] = nil
  changed(limit, 'limit', before and us(before), number and us(number))
  if before and (not number or number > before) and room(limit) >= 1 then grown(limit, math.min(room(limit), offered)) end
  return true
end

-- The number that a limit will have again, '' for none, and when; nil while it has no number for a time only. A number that
-- somebody else has set since is there to stay.
local function reverting(limit)
  local number, back = string.match(call('HGET', P .. 'reverts_to', limit) or '', '^(%d*) (%d*)$')
  local at = number and number == (call('HGET', P .. 'limits', limit) or '') and call('ZSCORE', P .. 'reverts', limit)
  if at then return back, tonumber(at) end
end

local function forget_revert(limit)
  call('ZREM', P .. 'reverts', limit)
  call('HDEL', P .. 'reverts_to', limit)
end

-- Take an agent off every list. Of each queue it was the last, until another leaves: `<when it was heard of> <its name> <what it
-- was asked to do, or -> <host>`.
local function strike(agent, at)
  local key, worker = P .. 'agent:' .. agent, P .. 'rq:worker:' .. agent
  local queues, host, request = unpack(call('HMGET', key, 'queues', 'host', 'request'))
  local last = us(at) .. ' ' .. agent .. ' ' .. (request or '-') .. ' ' .. (host or '')
  for _, queue in ipairs(split(queues or '')) do
    call('SREM', P .. 'rq:workers:' .. queue, worker)
    if queue == DEFAULT_QUEUE[1] or call('SISMEMBER', P .. 'queues', queue) == 1 then call('HSET', P .. 'listened', queue, last) end
  end
  call('SREM', P .. 'rq:workers', worker)
  call('ZREM', P .. 'agents', agent)
  call('DEL', key, worker, P .. 'wake:' .. agent)
end

-- Whether the pair (A.token, A.claim) owns the run.
local function owned(run)
  return run and HELD[run.state] and run.token == us(A.token) and run.claim == A.claim
end

-- Whether the run ended under the pair (A.token, A.claim).
local function ended_owned(run)
  return run and TERMINAL[run.state] and run.token == us(A.token) and run.claim == string.sub(A.claim, 1, CLAIM_KEPT)
end

-- Take every slot a run needs; the caller has seen that all have room.
local function take(run, agent, lease_us)
  local needed = {'queue:' .. run.queue, unpack(split(run.limits))}
  for _, limit in ipairs(needed) do
    call('ZADD', P .. 'holders:' .. limit, AT, run.id)
    if rooms[limit] then rooms[limit] = rooms[limit] - 1 end
  end
  call('ZADD', P .. 'leases', us(NOW + lease_us), run.id)
  call('SADD', P .. 'agentruns:' .. agent, run.id)
  return table.concat(needed, '\n')
end

-- Free exactly the slots that a run, as it was, held; the state is moved by the caller.
local function free(run)
  local held = split(run.held)
  for _, limit in ipairs(held) do
    if call('ZREM', P .. 'holders:' .. limit, run.id) == 1 and rooms[limit] then rooms[limit] = rooms[limit] + 1 end
  end
  call('ZREM', P .. 'leases', run.id)
  if run.agent then call('SREM', P .. 'agentruns:' .. run.agent, run.id) end
  for _, limit in ipairs(held) do grown(limit, 1) end
end
