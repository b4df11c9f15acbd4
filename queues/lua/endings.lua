-- endings.lua: the seventh part of the prelude: how held runs end, go back into line, or are lost; where a run belongs.

-- Count what should not happen, for `doctor`: how often, and when last.
local function tally(kind, n)
  call('HINCRBY', P .. 'counters', kind, n)
  call('HSET', P .. 'counted', kind, AT)
end

------------------------------------------------------------------------ where a run belongs
local function holds(run, limit)
  for _, held in ipairs(split(run.held)) do
    if held == limit then return true end
  end
  return false
end

-- Whether the record wants the run in the place where it was found.
local function belongs(run, place)
  local kind, rest = string.match(place, '^([a-z]+):?(.*)$')
  if kind == 'runs' then return run.state == rest end
  if kind == 'waiting' then return run.state == 'QUEUED' and not run.parked and run.queue and line_of(run) == rest end
  if kind == 'parked' then
    return run.state == 'QUEUED' and (run.parked or '') .. '|' .. (run.queue and line_of(run) or '') == rest
  end
  if kind == 'delayed' then return run.state == 'SCHEDULED' end
  if kind == 'leases' then return HELD[run.state] end
  if kind == 'holders' then return HELD[run.state] and holds(run, rest) end
  if kind == 'agentruns' then return HELD[run.state] and run.agent == rest end
  return true
end

------------------------------------------------------------------------ endings
-- End a run for good, slots included.
local function settle(run, to, actor, reason, changes)
  move(run, to, actor, reason, changes)
  rq_job(run)
  free(run)
end

-- End a run that nobody has claimed.
local function withdraw(run, actor, reason)
  call('ZREM', P .. 'delayed', run.id)
  leave_line(run)
  settle(run, 'CANCELLED', actor, reason, {cancel_requested = AT})
  represent(run)
end

-- End a waiting run at once, or ask the agent of a held one to end it; a cancel that comes again changes nothing. Gives whether
-- the run is cancelled or being so.
local function cancel_run(run, actor, reason)
  if run.state == 'CANCELLING' or run.state == 'CANCELLED' and run.cancel_requested then return true end
  if may(run, 'CANCELLING') then
    even_when_full()
    move(run, 'CANCELLING', actor, reason, {cancel_requested = AT})
    nudge(run.agent, 'cancel', 2)
  elseif may(run, 'CANCELLED') then
    even_when_full()
    withdraw(run, actor, reason)
  else
    return false
  end
  return true
end

-- How a run of many answers that a verb can not do it to: `state` and `since` when, or what is wrong with its record.
local function declined(run, problem, needs)
  if needs then return {needs = needs} end
  if problem or not run then return {problem = problem} end
  local last = string.match(run['h' .. (run.moves or '')] or '', '^%d+') or 0
  return {state = run.state, since = tonumber(run.ended or run.created + last)}
end

-- Remove the log of a run and its share of the total; `why`, one word, stays on the record of a run that is still listed. Gives
-- how many streams went, and the bytes that all logs have left.
local function drop_log(id, why)
  local sizes = P .. 'log_sizes'
  local known = call('HGET', sizes, id)
  local left
  if not known then
    left = tonumber(call('HGET', sizes, 'total') or 0) or 0
  else
    left = call('HINCRBY', sizes, 'total', us(0 - tonumber(string.match(known, '^%d+'))))
    if left <= 0 then call('HDEL', sizes, 'total') end
    call('HDEL', sizes, id)
  end
  call('ZREM', P .. 'log_ages', id)
  if why and known and call('EXISTS', P .. 'run:' .. id) == 1 then call('HSET', P .. 'run:' .. id, 'log_dropped', why) end
  return call('UNLINK', P .. 'logs:' .. id), left
end

-- Put a held run back into the line at its due place, with a new token, so that nobody can finish the old claim.
local function give_back(run, actor, reason, changes)
  if run.state == 'CANCELLING' then return settle(run, 'CANCELLED', actor, reason) end
  changes = changes or {}
  changes.token, changes.claim, changes.held, changes.agent = next_token(run), false, false, false
  local before = {id = run.id, held = run.held, agent = run.agent}
  push(run, actor, reason, changes)
  free(before)
end

local ROAD = {
  SCHEDULED = 'QUEUED', QUEUED = 'PENDING', PENDING = 'FAILED', RUNNING = 'FAILED', PAUSED = 'FAILED', CANCELLING = 'CANCELLED',
}

-- End a run whose record no verb can work with: FAILED, BadRecord. What can not be read of it is replaced, so that what
-- remains can be shown.
local function condemn(run, actor, problem)
  local reason = 'rejected: ' .. problem
  for _, name in ipairs(NUMBERS) do
    if not sound(run, name) then run[name] = ALWAYS[name] and AT or nil end
  end
  if not run.moves then
    run.moves = '0'
    for name in pairs(run) do
      local n = string.match(name, '^h(%d+)$')
      if n and tonumber(n) > tonumber(run.moves) then run.moves = n end
    end
  end
  run.queue = run.queue or DEFAULT_QUEUE[1]
  if not ROAD[run.state] then run.state = 'PENDING' end
  call('ZREM', P .. 'delayed', run.id)
  call('HDEL', P .. 'alone', run.id)
  leave_line(run)
  while ROAD[run.state] do
    local to = ROAD[run.state]
    if TERMINAL[to] then
      settle(run, to, actor, reason, {state_name = to == 'FAILED' and 'BadRecord' or nil})
    else
      move(run, to, actor, reason)
    end
  end
  represent(run)
  tally('bad_records', 1)
end

------------------------------------------------------------------------ losses
-- The runs of an agent are lost one by one: note on each of them, while all are known, that it was not the only one.
local noted = {}

local function note_company(agent)
  if noted[agent] then return end
  noted[agent] = true
  local runs = redis.pcall('SMEMBERS', P .. 'agentruns:' .. agent)
  if #runs < 2 then return end
  for _, id in ipairs(runs) do
    if redis.pcall('HGET', P .. 'run:' .. id, 'agent') == agent then call('HSET', P .. 'run:' .. id, 'beside', '1') end
  end
end

-- A held run that was lost for the last time: one that was never the only run of its agent may have died of another one. It
-- gets one more try, alone (claim.lua); a run that takes its agent down while alone is poison.
local function last_loss(run, actor, reason, changes, alone)
  reason = reason .. ', loss ' .. us(changes.lost) .. ' of ' .. us(tonumber(run.max_lost or 3))
  if alone == false and not run.lost_alone and not run.alone then
    changes.alone = 'wanted'
    return give_back(run, actor, reason .. ', beside other runs each time: one more try, alone', changes)
  end
  if (run.lost_alone or changes.lost_alone) and changes.lost > 1 then
    local when = changes.lost_alone and 'alone' or 'once alone'
    changes.state_name, reason = 'Poison', reason .. ', ' .. when .. ' on its agent: it takes its agent down with it'
  end
  settle(run, 'CRASHED', actor, reason, changes)
end

-- A held run that was lost: back into the line, or CRASHED by its policy. `agent_lives`: only its own start failed. Gives the
-- state it has now.
local function lose(run, actor, reason, agent_lives)
  local changes, alone = {lost = tonumber(run.lost or 0) + 1}, nil
  if not agent_lives then
    note_company(run.agent or '')
    alone = call('HGET', P .. 'run:' .. run.id, 'beside') ~= '1'
    if alone and run.state == 'RUNNING' then changes.lost_alone = '1' end
  end
  if run.state == 'CANCELLING' then
    settle(run, 'CANCELLED', actor, reason)
  elseif run.on_lost == 'crash' then
    settle(run, 'CRASHED', actor, reason, changes)
  elseif changes.lost < tonumber(run.max_lost or 3) then
    give_back(run, actor, reason, changes)
  else
    last_loss(run, actor, reason, changes, alone)
  end
  return run.state
end
