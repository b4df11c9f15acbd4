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

local function fill(feed)
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

local function head(feed)
  if feed.at > #feed.rows and #feed.rows > 0 then fill(feed) end
  if feed.at > #feed.rows then return nil end
  return feed.rows[feed.at], tonumber(feed.rows[feed.at + 1])
end

local feeds = {}
for _, name in ipairs(A.sets) do
  local feed = {name = name, skip = 0, created = A.before and A.before[1] or A.upto and A.upto - 1}
  fill(feed)
  feeds[#feeds + 1] = feed
end

local function newest()
  local best, id, created
  for _, feed in ipairs(feeds) do
    local other, when = head(feed)
    if other and (not id or when > created or when == created and other > id) then best, id, created = feed, other, when end
  end
  if best then best.at = best.at + 2 end
  return id, created
end

-- A value of a record, which may go on in further fields.
local function text(id, name)
  local key = P .. 'run:' .. id
  local value = call('HGET', key, name) or ''
  local piece, i = value, 0
  while piece and #piece == BITE do
    i = i + 1
    piece = call('HGET', key, name .. '~' .. i)
    value = value .. (piece or '')
  end
  return value
end

local function ended_in_time(ended)
  return ended and ended >= A.ended[1] and (not A.ended[2] or ended < A.ended[2])
end

local function fits(id)
  if A.within and not call('ZSCORE', P .. A.within, id) then return false end
  if states or A.queue or A.ended then
    local found = call('HMGET', P .. 'run:' .. id, 'state', 'queue', 'ended')
    if states and not states[found[1] or ''] or A.queue and found[2] ~= A.queue then return false end
    if A.ended and not ended_in_time(tonumber(found[3] or nil)) then return false end
  end
  if A.flow and text(id, 'flow') ~= A.flow then return false end
  return not A.tag or string.find('\n' .. text(id, 'tags') .. '\n', '\n' .. A.tag .. '\n', 1, true) ~= nil
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
