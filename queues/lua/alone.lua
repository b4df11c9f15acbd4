-- alone.lua: the first part of claim: which runs an agent may take, and those that get one more try, alone (endings.lua).
-- Such a run stands in line like any other. An empty agent takes it, and claims nothing else until it has ended. The first
-- busy agent that meets it promises to claim nothing more until it is empty; the others pass it over. P:alone has, per
-- run, `<first met> <agent> <until when the promise holds without being renewed>`.
local PATIENCE = 600000000 -- after so long without an agent that became empty, a run that should be alone starts anyway
local PROMISE = 15000000 -- an agent that does not ask for so long is not waited for

local holding = call('SCARD', P .. 'agentruns:' .. A.agent)
local emptying = false -- whether this agent claims nothing more now

local function set_of(list)
  local set = {}
  for _, member in ipairs(list or {}) do set[member] = true end
  return set
end

local avoided, labels = set_of(A.avoid), set_of(A.labels)

local function full_limit(run)
  for _, limit in ipairs(split(run.limits)) do
    if room(limit) < 1 then return limit end
  end
end

local function promise(run)
  local since, agent, ends = string.match(call('HGET', P .. 'alone', run.id) or '', '^(%d+) (%S+) (%d+)$')
  since, ends = tonumber(since or NOW), tonumber(ends or 0)
  if NOW - since > PATIENCE then return false end
  if not agent or agent == A.agent or ends <= NOW then
    call('HSET', P .. 'alone', run.id, us(since) .. ' ' .. A.agent .. ' ' .. us(NOW + PROMISE))
    emptying = true
  end
  return true
end

local function is_avoided(run)
  for _, limit in ipairs(split(run.limits)) do
    if avoided[limit] then return true end
  end
end

local function serves(queue)
  for _, name in ipairs(A.queues) do
    if name == queue then return call('HGET', P .. 'queue:' .. queue, 'paused') ~= '1' and room('queue:' .. queue) >= 1 end
  end
end

-- The run that this agent promised to take; a promise about a run that is not there to be taken is forgotten.
local function promised()
  local all = call('HGETALL', P .. 'alone')
  for i = 1, #all, 2 do
    if string.match(all[i + 1], '^%d+ (%S+)') == A.agent then
      local run, problem, needs = peek(all[i])
      local able = run and not problem and not needs and run.state == 'QUEUED' and run.alone and serves(run.queue)
      if able and fits(labels, line_of(run)) and not is_avoided(run) and not full_limit(run) then return run end
      call('HDEL', P .. 'alone', all[i])
    end
  end
end

-- Whether the one run this agent holds is to be alone.
local function is_alone()
  if holding ~= 1 then return false end
  return redis.pcall('HGET', P .. 'run:' .. call('SRANDMEMBER', P .. 'agentruns:' .. A.agent), 'alone') == 'now'
end

