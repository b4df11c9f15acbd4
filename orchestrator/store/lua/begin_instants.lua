-- begin_instants.lua: decide, for instants that are due, which get a run. At most `most` scheduled runs of a deployment wait
-- for their start; the decision is noted before the run is made, so that two schedulers decide alike.
-- ARGV[1]: epoch (of the leader; nil: not checked), items: list of {deployment, slug, most (nil: any number),
--   instants: list of {run, at}}
-- Returns a list with one list per item: for each instant 'make', or the id of a run that waits already; nil when another
--   scheduler leads.
if A.epoch and tonumber(call('HGET', P .. 'scheduler', 'epoch') or 0) ~= A.epoch then return cmsgpack.pack(nil) end

-- A noted run waits when it has not been started yet; one that was not made yet counts until its instant was dealt with.
local function waits(id, run, slug, at)
  local found = call('HMGET', P .. 'run:' .. run, 'state', 'attempt')
  if found[1] then
    return (found[1] == 'QUEUED' or found[1] == 'SCHEDULED') and tonumber(found[2] or 0) == 0
  end
  local cursor = call('HGET', P .. 'schedule:' .. id, 'cursor:' .. slug)
  return cursor and tonumber(cursor) < at
end

local function waiting(id)
  local key, runs = P .. 'scheduled:' .. id, {}
  local noted = call('ZRANGE', key, 0, -1, 'WITHSCORES')
  for i = 1, #noted, 2 do
    local run, slug = string.match(noted[i], '^(%S+) (.*)$')
    if waits(id, run, slug, tonumber(noted[i + 1])) then
      runs[#runs + 1] = run
      runs[run] = true
    else
      call('ZREM', key, noted[i])
    end
  end
  return runs
end

local verdicts, lines = {}, {}
for i, item in ipairs(A.items) do
  local id, answers = item.deployment, {}
  if item.most then lines[id] = lines[id] or waiting(id) end
  local line = lines[id]
  for j, instant in ipairs(item.instants) do
    if not item.most or line[instant.run] then
      answers[j] = 'make'
    elseif #line < item.most then
      call('ZADD', P .. 'scheduled:' .. id, us(instant.at), instant.run .. ' ' .. item.slug)
      line[#line + 1] = instant.run
      line[instant.run] = true
      answers[j] = 'make'
    else
      answers[j] = line[1]
    end
  end
  verdicts[i] = answers
end
return cmsgpack.pack(verdicts)
