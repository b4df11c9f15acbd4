-- page_runs.lua: the newest runs of some sorted sets that fit, in bounded work per call.
-- KEYS[1] prefix
-- ARGV[1] sets (names after the prefix; their scores are times of creation), states (nil: any), queue (nil: any), within (nil:
--   anywhere; else the sorted set, named after the prefix, that they also stand in), flow, tag (nil: any),
--   since (microseconds), upto? (microseconds; those made then are left out), ended? ({since, upto?}: of their end),
--   before ({created, id}: start after this run; nil: at the newest), limit, budget (runs examined)
-- Returns {runs, more, position ({created, id} of the last one examined, or nil)}.
-- Runs created in the same microsecond are ordered by id, descending, as Redis orders them.
local PIECE = 100
local states
if A.states then states = {} for _, state in ipairs(A.states) do states[state] = true end end

-- What is next of a set: `id` and `when` it was created; a set that is at its end has no id.
local function step(feed)
  if feed.at > #feed.rows and #feed.rows > 0 then
    local top = feed.created and us(feed.created) or '+inf'
    local rows = call('ZREVRANGEBYSCORE', P .. feed.name, top, us(A.since), 'WITHSCORES', 'LIMIT', feed.skip, PIECE)
    feed.rows, feed.at = rows, 1
    for i = 1, #rows, 2 do
      local created = tonumber(rows[i + 1])
      if created == feed.created then
        feed.skip = feed.skip + 1
      else
        feed.created, feed.skip = created, 1
      end
    end
  end
  feed.id, feed.when = feed.rows[feed.at], tonumber(feed.rows[feed.at + 1] or nil)
  feed.at = feed.at + 2
end

local feeds = {}
for _, name in ipairs(A.sets) do
  local created = A.before and A.before[1] or A.upto and A.upto - 1
  local feed = {name = name, skip = 0, created = created, rows = {true}, at = 2}
  step(feed)
  if feed.id then feeds[#feeds + 1] = feed end
end

local function newest()
  local best = feeds[1]
  if not best then return nil end
  for i = 2, #feeds do
    local other = feeds[i]
    if other.when > best.when or other.when == best.when and other.id > best.id then best = other end
  end
  local id, created = best.id, best.when
  step(best)
  if not best.id then
    for i = #feeds, 1, -1 do if feeds[i] == best then table.remove(feeds, i) end end
  end
  return id, created
end

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
if states then ask('state', function(state) return states[state] end) end
if A.queue then ask('queue', function(queue) return queue == A.queue end) end
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

local function fits(id)
  if A.within and not call('ZSCORE', P .. A.within, id) then return false end
  if #asked == 0 then return true end
  local key = P .. 'run:' .. id
  local found = #asked == 1 and {call('HGET', key, asked[1])} or call('HMGET', key, unpack(asked))
  for i = 1, #tests do
    if not found[i] or not tests[i](found[i], id) then return false end
  end
  return true
end

local runs, position, examined = {}, nil, 0
while #runs < A.limit and examined < A.budget do
  local id, created = newest()
  if not id then return cmsgpack.pack({runs = runs, more = false, position = position}) end
  if not A.before or created < A.before[1] or id < A.before[2] then
    examined, position = examined + 1, {created, id}
    if fits(id) then runs[#runs + 1] = id end
  end
end
return cmsgpack.pack({runs = runs, more = true, position = position})
