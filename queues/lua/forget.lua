-- forget.lua: remove every key and index entry of runs that have ended; others are left alone.
-- KEYS[1] prefix
-- ARGV[1] runs (list of ids), actor? (who wants it, which is kept; nil: they were kept for long enough)
-- Returns per run before, its last state; or, where nothing was done: state and since (it has not ended), problem or needs (its
-- record can not be worked with), nothing (there is no such run).
local KEYS_OF_A_RUN = {'run:', 'data:', 'tasks:', 'rq:job:'}
local gone = {}

local function forget(run)
  drop_log(run.id)
  local keys = {}
  for i, kind in ipairs(KEYS_OF_A_RUN) do keys[i] = P .. kind .. run.id end
  call('UNLINK', unpack(keys))
  call('ZREM', P .. 'runs:' .. run.state, run.id)
  call('HDEL', P .. 'alone', run.id)
  for _, group in ipairs(groups_of(run)) do
    unindex(run, group)
    gone[group] = (gone[group] or 0) + 1
  end
  return {before = run.state}
end

-- A large job comes in many calls: what one person deletes within a minute is one change.
local function record(group, n)
  local latest = call('XREVRANGE', P .. 'changes', '+', us((NOW - 60000000) / 1000), 'COUNT', 20)
  for _, entry in ipairs(latest) do
    local change = {}
    for i = 1, #entry[2], 2 do change[entry[2][i]] = entry[2][i + 1] end
    if change.subject == group and change.actor == A.actor and change.field == 'runs deleted' then
      call('XDEL', P .. 'changes', entry[1])
      n = n + tonumber(change.new)
      break
    end
  end
  changed(group, 'runs deleted', nil, us(n))
end

even_when_full()
local answers = {}
for i, id in ipairs(A.runs) do
  local run, problem, needs = peek(id)
  local can = run and not needs and TERMINAL[run.state]
  answers[i] = can and forget(run) or declined(run, problem, needs)
end
if A.actor then
  for group, n in pairs(gone) do record(group, n) end
end
return done(answers)
