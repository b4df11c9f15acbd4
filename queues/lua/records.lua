-- records.lua: the third part of the prelude: records of runs, the one way to change a state, calls that are sent again. Before it
-- stand the tables that the loader generates (EDGES, STATES, HELD, TERMINAL, SCHEMA, NEEDS, RQ_DATA).
-- A value longer than BITE continues in fields name~1, name~2 …, so that the hash stays compact.

local MOST_FIELDS = 4096

-- The record of a run as a table of strings, with `id`; nil when there is none. Second, in words, that it is larger than any
-- that we write; values that are too long are left out.
local function load(id)
  local flat = call('HGETALL', P .. 'run:' .. id)
  if #flat == 0 then return nil end
  local run, long, overlong = {id = id}, nil, nil
  for i = 1, #flat, 2 do
    local size = #flat[i + 1]
    if size <= BITE then run[flat[i]] = flat[i + 1] else overlong = 'its field ' .. string.sub(flat[i], 1, BITE) .. ' is too long' end
    if size == BITE then long = long or {} long[#long + 1] = flat[i] end
  end
  if #flat > 2 * MOST_FIELDS then return {id = id, state = run.state, queue = run.queue}, 'it has too many fields' end
  for _, name in ipairs(long or {}) do
    local i = 1
    while run[name .. '~' .. i] do
      run[name] = run[name] .. run[name .. '~' .. i]
      run[name .. '~' .. i] = nil
      i = i + 1
    end
  end
  return run, overlong
end

local LATER = 60000000 -- microseconds after which what a newer version has to deal with is met again

-- The version that a record of a newer schema needs, '' when it does not say; nil when we know the schema.
local function newer(kind, schema, needs)
  if not string.match(schema or '1', '^%d+$') or tonumber(schema or 1) <= SCHEMA[kind] then return nil end
  return needs or ''
end

local NUMBERS = {'schema', 'created', 'due', 'moves', 'attempt', 'token', 'lost', 'failures', 'max_lost'}
local ALWAYS = {created = true, due = true}

local function sound(run, name)
  local value = run[name]
  if not value then return not ALWAYS[name] end
  -- No claim ever had a token above the microseconds since the epoch: the counter starts at 1, and a damaged one from those.
  return string.match(value, '^%d+$') and #value <= 18 and (name ~= 'token' or tonumber(value) <= NOW)
end

-- What makes a record one that no verb can work with, in words; nil when nothing does.
local function flaw(run, overlong)
  if overlong then return overlong end
  if not run.queue or not run.state then return 'it has no queue or no state' end
  if not STATES[run.state] then return 'its state is ' .. run.state end
  for _, name in ipairs(NUMBERS) do
    if not sound(run, name) then return 'its ' .. name .. ' is ' .. (run[name] or 'missing') end
  end
end

local function wrong_type(problem)
  return string.find(type(problem) == 'table' and problem.err or tostring(problem), 'WRONGTYPE', 1, true) ~= nil
end

local unreadable = {} -- ids whose key is no hash

-- As load, for verbs that go through many runs, none of which may stop the others. Second: what is wrong with its key.
local function reach(id)
  local ok, run, overlong = pcall(load, id)
  if ok then return run, overlong end
  if not wrong_type(run) then error(run, 0) end
  unreadable[#unreadable + 1] = id
  return nil, 'its key is no hash'
end

-- As reach, and looks at the record. Second: what is wrong with key or record, in words. Third: the version it needs, when a
-- newer one wrote it.
local function peek(id)
  local run, overlong = reach(id)
  if not run then return nil, overlong end
  local needs = newer('run', run.schema, run.needs)
  if needs then return run, nil, needs end
  return run, flaw(run, overlong)
end

local function spread(into, name, value)
  into[#into + 1] = name
  into[#into + 1] = string.sub(value, 1, BITE)
  for i = 1, math.ceil(#value / BITE) - 1 do
    into[#into + 1] = name .. '~' .. i
    into[#into + 1] = string.sub(value, i * BITE + 1, (i + 1) * BITE)
  end
end

-- Write fields of a record; a value of false removes the field.
local function write(run, changes)
  local set, gone = {}, {}
  for name, value in pairs(changes) do
    local old = run[name]
    for i = 1, math.ceil((old and #old or 0) / BITE) - 1 do gone[#gone + 1] = name .. '~' .. i end
    if value == false then
      gone[#gone + 1] = old and name or nil
      run[name] = nil
    else
      if type(value) == 'number' then value = us(value) end
      spread(set, name, value)
      run[name] = value
    end
  end
  if #gone > 0 then call('HDEL', P .. 'run:' .. run.id, unpack(gone)) end
  if #set > 0 then call('HSET', P .. 'run:' .. run.id, unpack(set)) end
end

------------------------------------------------------------------------ records that have ended
local KEEP_FIRST, KEEP_LAST = 8, 64 -- moves a history keeps; those between are dropped

local ALIVE_ONLY = {
  id = true, limits = true, held = true, parked = true, on_lost = true, max_lost = true, settled = true, moves = true,
  groups = true,
}

-- The history as one text, a line for each move: `<microseconds> <letter of the state> <actor> <reason>`, @ for its agent without
-- a reason; nil when a reason has lines of its own. Second: the fields that it stands for.
local function past(run)
  local lines, names, moves = {}, {}, tonumber(run.moves)
  local own, n = run.agent and ' agent:' .. run.agent, 0
  while n < moves do
    n = n + 1
    local name = 'h' .. n
    local line = run[name]
    if line then
      local first = string.find(line, ' ', 1, true) or 0
      local second = string.find(line, ' ', first + 1, true) or 0
      local letter, rest = LETTERS[string.sub(line, first + 1, second - 1)], string.sub(line, second)
      if not letter or second == 0 or string.find(line, '\n', 1, true) then return nil, {} end
      if rest == own then rest = ' @' end
      lines[#lines + 1] = string.sub(line, 1, first) .. letter .. rest
      names[name] = true
    end
    if n == KEEP_FIRST and moves > KEEP_FIRST + KEEP_LAST then n = moves - KEEP_LAST end
  end
  return table.concat(lines, '\n'), names
end

-- Write a finished record anew without what only mattered while it lived: a hash that ever grew never shrinks in place.
local function rewrite(run, changes)
  local set = {}
  for name, value in pairs(changes) do run[name] = value and (type(value) == 'number' and us(value) or value) or nil end
  local groups, packed, lines = groups_of(run), past(run)
  for i, group in ipairs(groups) do groups[i] = number_of(group) end
  if #groups > 0 then run.group_numbers = table.concat(groups, '\n') end
  if packed then spread(set, 'past', packed) end
  for name, value in pairs(run) do
    if not ALIVE_ONLY[name] and not lines[name] then spread(set, name, value) end
  end
  call('DEL', P .. 'run:' .. run.id)
  call('HSET', P .. 'run:' .. run.id, unpack(set))
end

------------------------------------------------------------------------ the one way to change a state
-- Cut a long text, not within a character.
local function clip(text)
  if #text <= 4 * BITE then return text end
  return string.gsub(string.sub(text, 1, 4 * BITE), '[\192-\255]?[\128-\191]*$', '') .. '…'
end

local function may(run, to) return string.find(EDGES, ' ' .. (run.state or '') .. '>' .. to .. ' ', 1, true) ~= nil end

local function refuse_move(run)
  return refuse('refused', {run = run.id, state = run.state, since = tonumber(run.ended or run.created)})
end

local CLAIM_KEPT = 8 -- characters of its claim id that a finished record keeps, to know a finish that is sent again

-- Add a line to the history of a run, in `changes` that are to be written: `<microseconds since the run was made> <STATE> <actor>
-- <reason>`, in the fields h1, h2 …
local function tell(run, state, actor, reason, changes)
  local n = tonumber(run.moves or 0) + 1
  local line = us(NOW - run.created) .. ' ' .. state .. ' ' .. string.gsub(actor, '%s', '_')
  changes.moves, changes['h' .. n] = tostring(n), line .. (reason ~= '' and ' ' .. reason or '')
  if n > KEEP_FIRST + KEEP_LAST then changes['h' .. (n - KEEP_LAST)] = false end
end

-- Move a run to a state: guard, state, history, index, event. `changes` are written with it.
local function move(run, to, actor, reason, changes)
  if not may(run, to) then error('illegal move of ' .. run.id .. ' from ' .. (run.state or 'nothing') .. ' to ' .. to) end
  local from = run.state
  changes = changes or {}
  changes.state = to
  reason = clip(reason)
  changes.reason = reason ~= '' and reason or false
  if changes.state_name == nil then changes.state_name = false end
  tell(run, to, actor, reason, changes)
  if TERMINAL[to] then
    changes.ended, changes.claim = AT, run.claim and string.sub(run.claim, 1, CLAIM_KEPT)
    rewrite(run, changes)
  else
    write(run, changes)
  end
  if from then call('ZREM', P .. 'runs:' .. from, run.id) end
  call('ZADD', P .. 'runs:' .. to, run.created, run.id)
  if TERMINAL[to] then
    index(run)
    note_end(run)
  end
  call('XADD', P .. 'events', 'MAXLEN', '~', 20000, '*', 'run', run.id, 'at', AT, 'from', from or '', 'to', to,
    'name', run.state_name or '', 'queue', run.queue, 'actor', actor, 'reason', run.reason or '',
    'attempt', run.attempt or '0', 'token', run.token or '0', 'agent', run.agent or '', 'held', run.held or '')
end

-- The next fencing number. A counter that was removed, set back or spoilt goes on from the microseconds since the epoch,
-- which no number of claims has ever come near.
local function next_token(run)
  local token = redis.pcall('INCR', P .. 'token')
  if type(token) == 'number' and token > tonumber(run.token or 0) and token <= NOW then return token end
  call('SET', P .. 'token', AT)
  return call('INCR', P .. 'token')
end

------------------------------------------------------------------------ calls that are sent again
-- The kept answer of an earlier call with this request id; second, an error reply when that call was another verb.
local function remembered(verb, id)
  local kept = id and call('GET', P .. 'request:' .. id)
  if not kept then return nil end
  local needs = newer('answer', string.match(kept, '^v(%d+) '), nil)
  if needs then return nil, refuse('newer', {what = 'the kept answer of request ' .. id, needs = needs}) end
  local at = string.find(kept, ' ', 1, true) or #kept + 1
  if string.sub(kept, 1, at - 1) ~= verb then return nil, refuse('request_reused', {request = id}) end
  return string.sub(kept, at + 1)
end

-- Keep an answer for ten minutes for those who send the call again.
local function remember(verb, id, answer)
  if id then call('SET', P .. 'request:' .. id, verb .. ' ' .. answer, 'EX', 600) end
  return answer
end

-- Keep a change that an operator made, for `inspect`.
local function changed(subject, field, old, new)
  call('XADD', P .. 'changes', 'MAXLEN', '~', 10000, '*', 'at', AT, 'actor', A.actor, 'subject', subject,
    'field', field, 'old', old or '', 'new', new or '')
end
