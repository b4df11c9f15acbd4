-- mend.lua: put some runs where their records say they belong, and take them out of where they do not.
-- KEYS[1] prefix
-- ARGV[1] runs (list of ids), place? (key behind the prefix, a sorted set or a set, in which they were found), lease_us
-- Returns counts (kind -> number set right), damaged (list of ids whose keys can not be read).
-- The record is the truth: an id without one is dropped from the place; a held run without a lease gets one, so that it
-- ends when nobody renews it.
local counts, damaged = {}, {}

local function note(kind, n)
  n = n or 1
  if n > 0 then counts[kind] = (counts[kind] or 0) + n end
end

local function drop(id, kind)
  if not A.place then return end
  local gone = call('TYPE', P .. A.place).ok == 'zset' and call('ZREM', P .. A.place, id) or call('SREM', P .. A.place, id)
  note(kind, gone)
  -- Whoever needs a limit that has room must have a place in line.
  local line = gone == 1 and string.match(A.place, '^waiting:(.+)$')
  if line then represent_all(line) end
  local limit = gone == 1 and string.match(A.place, '^holders:(.+)$')
  if limit then
    rooms[limit] = nil
    grown(limit, 1)
  end
end

------------------------------------------------------------------------ putting a run where it belongs
local function in_set(key, id) return call('ZSCORE', P .. key, id) end

local function queued(run)
  local line = line_of(run)
  note('lines', note_line(line))
  if run.parked then
    if in_set('parked:' .. run.parked .. '|' .. line, run.id) then return end
    call('ZADD', P .. 'parked:' .. run.parked .. '|' .. line, run.due, run.id)
    call('SADD', P .. 'parked:' .. run.parked, line)
    call('SADD', P .. 'parked_in:' .. line, run.parked)
    offer(run.parked, line, 1)
    note('parked')
  elseif not in_set('waiting:' .. line, run.id) then
    -- Only the line: the list of rq is written anew by the next pass, at once for all, since their lengths differ.
    call('ZADD', P .. 'waiting:' .. line, run.due, run.id)
    open(line, 1)
    note('waiting')
  end
end

local function held(run)
  if not in_set('leases', run.id) then
    call('ZADD', P .. 'leases', us(NOW + lease_us(run.queue, A.lease_us)), run.id)
    note('leases')
  end
  for _, limit in ipairs(split(run.held)) do
    if not in_set('holders:' .. limit, run.id) then
      call('ZADD', P .. 'holders:' .. limit, us(NOW), run.id)
      rooms[limit] = nil
      note('holders')
    end
  end
end

-- A version before leaves what has ended in the one index of its group, which is no damage.
local function indexed(run)
  if in_set('runs:' .. run.state, run.id) then
    if TERMINAL[run.state] and run.groups then index(run) end
    return
  end
  call('ZADD', P .. 'runs:' .. run.state, run.created, run.id)
  index(run)
  note('indexes')
end

------------------------------------------------------------------------ what rq tools read of a run
local STATUS = {QUEUED = 'queued', PENDING = 'started', RUNNING = 'started', CANCELLING = 'started'}

local function job(run)
  local key = P .. 'rq:job:' .. run.id
  local seen = call('HMGET', key, 'status', 'data', 'origin')
  local status, wanted = seen[1], STATUS[run.state]
  if not wanted and (not status or status == 'scheduled' and not TERMINAL[run.state]) then return end
  if wanted and status == wanted and seen[2] == RQ_DATA and seen[3] == line_of(run) then return end
  call('DEL', key, key .. ':dependents', P .. 'rq:results:' .. run.id, P .. 'rq:executions:' .. run.id)
  note('rq_jobs')
  if not wanted then return end
  local state = run.state
  run.state = 'QUEUED'
  rq_job(run)
  run.state = state
  if wanted == 'started' then
    call('HSET', key, 'status', 'started', 'worker_name', run.agent, 'started_at', utc(tonumber(run.started or NOW)))
  end
end

local function mend(id)
  local run, problem, needs = peek(id)
  if needs then return end
  -- A record that is no hash blocks the place it stands in: its id leaves, the key stays for people to look at.
  if not run then return drop(id, problem and 'unreadable' or 'orphans') end
  if A.place and not belongs(run, A.place) then drop(id, 'misplaced') end
  if problem and not TERMINAL[run.state] then
    condemn(run, 'scheduler', problem)
    return note('bad_records')
  elseif problem then
    return
  end
  indexed(run)
  if run.state == 'QUEUED' then
    queued(run)
  elseif HELD[run.state] then
    held(run)
  elseif run.state == 'SCHEDULED' and not in_set('delayed', id) then
    delay(run)
    note('delayed')
  end
  job(run)
end

even_when_full()
for _, id in ipairs(A.runs) do
  if not pcall(mend, id) then damaged[#damaged + 1] = id end
end
for _, id in ipairs(unreadable) do damaged[#damaged + 1] = id end
for kind, n in pairs(counts) do tally('repaired_' .. kind, n) end
return done({counts = counts, damaged = damaged})
