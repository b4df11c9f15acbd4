-- create.lua: record runs that are not there yet, on their queue when due and delayed when not.
-- KEYS[1] prefix
-- ARGV[1] runs: list of {id, queue, actor, reason, record (map of fields), due? (us), data? (map of bytes)}; request_id?
-- Returns per run {created, state}; or err unknown_queue, and then nothing was written.
local kept, clash = remembered('create', A.request_id)
if kept or clash then return kept or clash end

local there = {}
for _, new in ipairs(A.runs) do
  there[new.queue] = there[new.queue] or queue_exists(new.queue)
  if not there[new.queue] then return refuse('unknown_queue', {queue = new.queue}) end
end

-- Runs of one call without a due time stand in line in their order: each is due a microsecond after the one before.
local function record(new, due)
  local run = {id = new.id, queue = new.queue, due = us(due), created = AT}
  local fields = new.record
  fields.schema, fields.queue, fields.due, fields.created = '1', run.queue, run.due, run.created
  -- An older version knows no labels, and would let any agent start it.
  if fields.requires then fields.schema, fields.needs = us(SCHEMA.run), NEEDS.run end
  for _, group in ipairs(split(fields.groups)) do call('ZADD', P .. 'group:' .. group .. '|LIVE', run.created, run.id) end
  for name, value in pairs(new.data or {}) do call('HSET', P .. 'data:' .. run.id, name, value) end
  if due > NOW + #A.runs then
    move(run, 'SCHEDULED', new.actor, new.reason, fields)
    delay(run)
  else
    push(run, new.actor, new.reason, fields)
  end
  return run.state
end

local answers = {}
for i, new in ipairs(A.runs) do
  local state = call('HGET', P .. 'run:' .. new.id, 'state')
  answers[i] = {not state, state or record(new, new.due or NOW + i - 1)}
end
return remember('create', A.request_id, done(answers))
