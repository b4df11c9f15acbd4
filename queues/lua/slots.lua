-- slots.lua: the third part of the prelude: where waiting runs stand, who holds slots, who is woken.
-- A QUEUED run is in exactly one of two places: waiting:<queue>, which agents claim from, or parked:<limit>|<queue>.
-- Whenever a limit has room and runs of a queue are parked under it, a run that needs it stands in waiting:<queue>.

------------------------------------------------------------------------ rq's view: a list of ids and a small hash per run
local function rq_job(run)
  local key = P .. 'rq:job:' .. run.id
  if TERMINAL[run.state] then mirror('DEL', key) return end
  if run.state == 'QUEUED' then
    mirror('HSET', key, 'status', 'queued', 'created_at', utc(run.created), 'enqueued_at', utc(NOW), 'origin', run.queue,
      'description', run.name or run.id, 'timeout', '-1', 'data', RQ_DATA)
    mirror('HDEL', key, 'worker_name', 'started_at')
  elseif run.state == 'PENDING' then
    mirror('HSET', key, 'status', 'started', 'started_at', utc(NOW), 'worker_name', run.agent)
  elseif mirror('EXISTS', key) == 1 then
    mirror('HSET', key, 'status', 'scheduled')
    mirror('HDEL', key, 'worker_name', 'started_at')
  end
end

local NEAR = 100 -- entries from an end of a list up to which one is sought

-- Put an id into a list at its rank in line, of `size`; in the middle of a long one it would have to be sought: it goes to the
-- end there, and the next look of repair may sort it in.
local function rq_list(queue, id, rank, size)
  local list, behind = P .. 'rq:queue:' .. queue, size - 1 - rank
  mirror('SADD', P .. 'rq:queues', list)
  if rank == 0 then return mirror('LPUSH', list, id) end
  if behind > 0 and rank <= NEAR then
    local before = call('ZRANGE', P .. 'waiting:' .. queue, rank - 1, rank - 1)[1]
    local length = mirror('LINSERT', list, 'AFTER', before, id)
    if type(length) == 'number' and length > 0 then return end
  end
  local later = behind > 0 and behind <= NEAR and rank > NEAR and mirror('RPOP', list, behind) or {}
  mirror('RPUSH', list, id)
  for i = #later, 1, -1 do mirror('RPUSH', list, later[i]) end
end

local GONE = '' -- stands in the place of an id that leaves the middle of a list
local marks = {} -- queue -> the places in its list where such stand, in order

-- Take an id out of a list; `rank` is its place in line, of `size`. A search goes through all that stands before: of a hundred
-- runs that leave the middle of a long line each is marked where its rank says it stands, and one search removes the marks.
local function rq_unlist(queue, id, rank, size)
  local list, marked, at = P .. 'rq:queue:' .. queue, marks[queue] or {}, rank
  if rank and rank >= NEAR and rank < size - NEAR then
    for _, place in ipairs(marked) do at = place <= at and at + 1 or at end
    if mirror('LINDEX', list, at) == id then
      mirror('LSET', list, at, GONE)
      table.insert(marked, at)
      table.sort(marked)
      marks[queue] = marked
      return
    end
  end
  mirror('LREM', list, rank and 2 * rank > size and -1 or 1, id)
end

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

-- Wake as many idle agents of a queue as runs became startable, longest idle first. Agents that stopped asking are dropped.
local function wake(queue, n)
  if call('HGET', P .. 'queue:' .. queue, 'paused') == '1' then return end
  n = math.min(n, call('ZCARD', P .. 'waiting:' .. queue), room('queue:' .. queue))
  if n < 1 then return end
  for _, agent in ipairs(call('ZRANGE', P .. 'idle:' .. queue, 0, n + 20)) do
    if n < 1 then break end
    local queues = call('GET', P .. 'idling:' .. agent)
    if queues then
      unidle(agent, queues)
      nudge(agent, 'work', 1)
      n = n - 1
    else
      call('ZREM', P .. 'idle:' .. queue, agent)
    end
  end
end

local opened = {}

-- Note that n runs of a queue may have become startable; agents are woken once, at the end of the script.
local function open(queue, n) opened[queue] = (opened[queue] or 0) + n end

local function done(reply)
  for queue, places in pairs(marks) do mirror('LREM', P .. 'rq:queue:' .. queue, #places, GONE) end
  for queue, n in pairs(opened) do wake(queue, n) end
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

------------------------------------------------------------------------ the line of a queue
-- Put a QUEUED run into the line of its queue, at the place of its due time.
local function line_up(id, queue, due)
  local line = P .. 'waiting:' .. queue
  call('ZADD', line, due, id)
  rq_list(queue, id, call('ZRANK', line, id), call('ZCARD', line))
  open(queue, 1)
end

local function unpark(id, limit, queue)
  local key = P .. 'parked:' .. limit .. '|' .. queue
  call('ZREM', key, id)
  if call('EXISTS', key) == 0 then
    call('SREM', P .. 'parked:' .. limit, queue)
    call('SREM', P .. 'parked_in:' .. queue, limit)
  end
end

-- Return up to n of the oldest runs parked under a limit to the line of a queue, if the limit has room.
local function offer(limit, queue, n)
  if room(limit) < 1 then return end
  local oldest = call('ZRANGE', P .. 'parked:' .. limit .. '|' .. queue, 0, n - 1, 'WITHSCORES')
  for i = 1, #oldest, 2 do
    unpark(oldest[i], limit, queue)
    call('HDEL', P .. 'run:' .. oldest[i], 'parked')
    line_up(oldest[i], queue, oldest[i + 1])
  end
end

-- After a run left the line: each of its limits that has room gets its next run into the line.
local function represent(run)
  for _, limit in ipairs(split(run.limits)) do offer(limit, run.queue, 1) end
end

-- Take a QUEUED run out of the line or out of its parking place.
local function leave_line(run)
  if run.parked then return unpark(run.id, run.parked, run.queue) end
  local line = P .. 'waiting:' .. run.queue
  local rank, size = call('ZRANK', line, run.id), call('ZCARD', line)
  call('ZREM', line, run.id)
  rq_unlist(run.queue, run.id, rank, size)
end

-- Note a run that stands nowhere under a full limit of its own.
local function shelve(run, limit)
  write(run, {parked = limit})
  call('ZADD', P .. 'parked:' .. limit .. '|' .. run.queue, run.due, run.id)
  call('SADD', P .. 'parked:' .. limit, run.queue)
  call('SADD', P .. 'parked_in:' .. run.queue, limit)
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
  line_up(run.id, run.queue, run.due)
end

------------------------------------------------------------------------ slots
-- Say that a limit lets n more runs in: their places in line, and agents to start them.
local function grown(limit, n)
  local queue = string.match(limit, '^queue:(.*)$')
  if queue then return open(queue, n) end
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
