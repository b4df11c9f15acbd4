-- begin_instants.lua: decide, for instants that are due, which get a run. At most `most` scheduled runs of a deployment wait
-- for their start. The decision is noted before the runs are made: whoever repeats the pass decides the same.
-- KEYS[1] prefix
-- ARGV[1] epoch? (of the leader; absent: not checked), items: list of {deployment, slug, revision, from (cursor), most, instants: list of {run, at}}
-- Returns a list with one list per item: for each instant 'make', or the id of a run that waits already. The list of an item
--   is empty when its cursor has moved meanwhile; the reply is nil when another scheduler leads.
if A.epoch and tonumber(call('HGET', P .. 'scheduler', 'epoch') or 0) ~= A.epoch then return cmsgpack.pack(nil) end

local function cursor_of(id, slug) return tonumber(call('HGET', P .. 'schedule:' .. id, 'cursor:' .. slug) or nil) end

-- A noted run waits when it has not been started yet; one that was not made yet counts until its instant was dealt with.
local function waits(id, run, slug, at)
  local found = call('HMGET', P .. 'run:' .. run, 'state', 'attempt')
  if found[1] then
    return (found[1] == 'QUEUED' or found[1] == 'SCHEDULED') and tonumber(found[2] or 0) == 0
  end
  local cursor = cursor_of(id, slug)
  return cursor and cursor < at
end

local function read_line(id)
  local key, line = P .. 'scheduled:' .. id, {noted = {}}
  local members = call('ZRANGE', key, 0, -1, 'WITHSCORES')
  for i = 1, #members, 2 do
    local run, slug = string.match(members[i], '^(%S+) (.*)$')
    local at, cursor = tonumber(members[i + 1]), cursor_of(id, slug or '')
    if run and waits(id, run, slug, at) then
      line[#line + 1] = run
      line.noted[run] = true
    elseif cursor and cursor < at then
      line.noted[run] = true -- started before its pass came to the end
    else
      call('ZREM', key, members[i])
    end
  end
  return line
end

local lines = {}
local function decide(item)
  local id, answers = item.deployment, {}
  local revision = call('HGET', P .. 'deployment:' .. id, 'revision')
  if cursor_of(id, item.slug) ~= item.from or tonumber(revision or nil) ~= item.revision then return answers end
  lines[id] = lines[id] or read_line(id)
  local line = lines[id]
  for i, instant in ipairs(item.instants) do
    if line.noted[instant.run] then
      answers[i] = 'make'
    elseif #line < item.most then
      call('ZADD', P .. 'scheduled:' .. id, us(instant.at), instant.run .. ' ' .. item.slug)
      line[#line + 1] = instant.run
      line.noted[instant.run] = true
      answers[i] = 'make'
    else
      answers[i] = line[1]
    end
  end
  return answers
end

local verdicts = {}
for i, item in ipairs(A.items) do verdicts[i] = decide(item) end
return cmsgpack.pack(verdicts)
