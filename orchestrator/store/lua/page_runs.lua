-- page_runs.lua: the newest runs of some sorted sets that fit, in bounded work per call.
-- KEYS[1] prefix
-- ARGV[1] sets (names after the prefix; their scores are times of creation), states (nil: any), queue (nil: any), within (nil:
--   anywhere; else sorted sets, named after the prefix, of which they also stand in one), flow, tag (nil: any),
--   since (microseconds), upto? (microseconds; those made then are left out), ended? ({since, upto?}: of their end),
--   before ({created, id}: start after this run; nil: at the newest), limit, budget (runs examined)
-- Returns {runs (list of ids), created (list), more, position ({created, id} of the last one examined, or nil)}.
-- Runs created in the same microsecond are ordered by id, descending, as Redis orders them. The name of a part of a group
-- (`group:<group>|<STATE>|<queue>|<digest of the tags>`) says the state and queue of its runs: their records are not asked for these.
local PIECES = {4, 16, 100} -- entries read of a set at a time: of many sets little may be needed
local READ = 3 -- examined runs that one costs as much as whose record is read
local examined = 0
local states
if A.states then states = {} for _, state in ipairs(A.states) do states[state] = true end end

------------------------------------------------------------------------ hours that were over before the time that is asked about
local ends, hops = {}, {}

-- Whether all runs of a state that were made in an hour had ended by A.ended[1]. Of an hour without a note nothing is known.
local function was_over(state, hour)
  local known = ends[state]
  if known[hour] == nil then known[hour] = tonumber(call('HGET', P .. 'ends:' .. state, us(hour)) or math.huge) end
  return known[hour] < A.ended[1]
end

-- The end of the last hour before `created` that has to be looked at; nil when its own has to be.
local function earlier(state, created)
  ends[state], hops[state] = ends[state] or {}, hops[state] or {}
  local from, known = math.floor(created / HOUR), hops[state]
  local hour = from
  while known[hour] or was_over(state, hour) do hour = known[hour] or hour - 1 end
  if hour == from then return nil end
  known[from] = hour
  return (hour + 1) * HOUR - 1
end

------------------------------------------------------------------------ the sets, as one
local function read(feed)
  local top = feed.created and us(feed.created) or '+inf'
  local size = PIECES[feed.read] or PIECES[#PIECES]
  local rows = call('ZREVRANGEBYSCORE', P .. feed.name, top, us(A.since), 'WITHSCORES', 'LIMIT', feed.skip, size)
  feed.rows, feed.at, feed.read = rows, 1, feed.read + 1
  for i = 1, #rows, 2 do
    local created = tonumber(rows[i + 1])
    if created == feed.created then
      feed.skip = feed.skip + 1
    else
      feed.created, feed.skip = created, 1
    end
  end
end

-- Leave out what was made after `below`.
local function hop(feed, below)
  examined = examined + 1
  while feed.at <= #feed.rows and tonumber(feed.rows[feed.at + 1]) > below do feed.at = feed.at + 2 end
  if feed.at > #feed.rows and feed.created > below then feed.created, feed.skip = below, 0 end
end

-- What is next of a set: `id` and `when` it was created; a set that is at its end has no id.
local function step(feed)
  repeat
    if feed.at > #feed.rows then read(feed) end
    feed.id, feed.when = feed.rows[feed.at], tonumber(feed.rows[feed.at + 1] or nil)
    feed.at = feed.at + 2
    local below = feed.id and A.ended and feed.state and earlier(feed.state, feed.when)
    if below then hop(feed, below) end
  until not below
  return feed.id
end

local function newer_than(a, b) return a.when > b.when or a.when == b.when and a.id > b.id end

local feeds = {} -- the one whose next run is the newest is the last

local function insert(feed)
  local low, high = 1, #feeds + 1
  while low < high do
    local middle = math.floor((low + high) / 2)
    if newer_than(feed, feeds[middle]) then low = middle + 1 else high = middle end
  end
  table.insert(feeds, low, feed)
end

for _, name in ipairs(A.sets) do
  local created = A.before and A.before[1] or A.upto and A.upto - 1
  local ended, state = string.match(name, '^group:.*|(%u+)|'), string.match(name, '^runs:(%u+)$')
  local feed = {
    name = name, skip = 0, created = created, rows = {}, at = 1, read = #A.sets > 8 and 1 or 3,
    known = ended, state = ended or TERMINAL[state] and state,
  }
  if step(feed) then insert(feed) end
end

local function newest()
  local best = table.remove(feeds)
  if not best then return nil end
  local id, created, known = best.id, best.when, best.known
  if step(best) then insert(best) end
  return id, created, known
end

------------------------------------------------------------------------ whether a run fits
-- The rest of a value whose first piece is full.
local function whole(id, name, value)
  local piece, i = value, 0
  while piece and #piece == BITE do
    i = i + 1
    piece = call('HGET', P .. 'run:' .. id, name .. '~' .. i)
    value = value .. (piece or '')
  end
  return value
end

-- One reading of a record has all that is asked about it: that is most of what a run costs that does not fit.
local asked, tests = {}, {}
local function ask(name, test)
  asked[#asked + 1], tests[#tests + 1] = name, test
end
if A.ended then
  ask('ended', function(text)
    local ended = tonumber(text)
    return ended and ended >= A.ended[1] and (not A.ended[2] or ended < A.ended[2])
  end)
end
if A.flow then ask('flow', function(flow, id) return whole(id, 'flow', flow) == A.flow end) end
if A.tag then
  local needle = '\n' .. A.tag .. '\n'
  ask('tags', function(tags, id)
    return tags == A.tag or string.find('\n' .. whole(id, 'tags', tags) .. '\n', needle, 1, true) ~= nil
  end)
end
local asked_of_a_part = #asked
if states then ask('state', function(state) return states[state] end) end
if A.queue then ask('queue', function(queue) return queue == A.queue end) end

local function stands_within(id)
  for _, name in ipairs(A.within) do
    if call('ZSCORE', P .. name, id) then return true end
  end
end

local function fits(id, of_a_part)
  local count = of_a_part and asked_of_a_part or #asked
  if not of_a_part and A.within and not stands_within(id) then return false end
  if count == 0 then return true end
  examined = examined + READ - 1
  local key = P .. 'run:' .. id
  local found = count == 1 and {call('HGET', key, asked[1])} or call('HMGET', key, unpack(asked, 1, count))
  for i = 1, count do
    if not found[i] or not tests[i](found[i], id) then return false end
  end
  return true
end

local runs, made, position = {}, {}, nil
local function answer(more) return cmsgpack.pack({runs = runs, created = made, more = more, position = position}) end

while #runs < A.limit and (examined < A.budget or not position) do
  local id, created, of_a_part = newest()
  if not id then return answer(false) end
  local again = position and position[2] == id -- a run that moves stands in two sets for versions that know one of them only
  if not again and (not A.before or created < A.before[1] or id < A.before[2]) then
    examined, position = examined + 1, {created, id}
    if fits(id, of_a_part) then runs[#runs + 1], made[#made + 1] = id, created end
  end
end
return answer(true)
