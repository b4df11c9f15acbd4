-- indexes.lua: the second part of the prelude: in which sets of its groups a run is listed, and which hours are over.
-- A run that lives stands in group:<group>|LIVE, one that has ended in group:<group>|<STATE>|<queue>|<digest of its tags>;
-- parts:<group> names those, each with its tags. Versions before had all in group:<group>: repair moves those that have ended.
local function part_of(run)
  if not TERMINAL[run.state] then return 'LIVE' end
  return run.state .. '|' .. run.queue .. '|' .. (run.tags and string.sub(redis.sha1hex(run.tags), 1, 16) or '')
end

-- An ended record has its groups by number: a name would be a tenth of it.
local function number_of(group)
  local known = call('HGET', P .. 'group_numbers', group)
  if known then return known end
  local n = us(call('HLEN', P .. 'group_names') + 1)
  call('HSET', P .. 'group_numbers', group, n)
  call('HSET', P .. 'group_names', n, group)
  return n
end

local function groups_of(run)
  if run.groups then return split(run.groups) end
  local groups = {}
  for _, n in ipairs(split(run.group_numbers)) do groups[#groups + 1] = call('HGET', P .. 'group_names', n) or nil end
  return groups
end

local function index(run)
  for _, group in ipairs(groups_of(run)) do
    local key, part = P .. 'group:' .. group, part_of(run)
    call('ZADD', key .. '|' .. part, run.created, run.id)
    local lived = part ~= 'LIVE' and call('ZREM', key .. '|LIVE', run.id) == 1
    if part ~= 'LIVE' then call('HSET', P .. 'parts:' .. group, part, run.tags or '') end
    if not lived then call('ZREM', key, run.id) end
  end
end

-- Take a run that has ended out of the index; a part that it leaves empty is not walked again.
local function unindex(run, group)
  local key, part = P .. 'group:' .. group, part_of(run)
  call('ZREM', key, run.id)
  if call('ZREM', key .. '|' .. part, run.id) == 1 and call('EXISTS', key .. '|' .. part) == 0 then
    call('HDEL', P .. 'parts:' .. group, part)
  end
end

local HOUR, MINUTE = 3600000000, 60000000

-- Note a time by which the last run of those made in an hour has ended, to the next minute: a list by time of end need not look
-- at hours that were over by then.
local function note_end(run)
  local key, hour = P .. 'ends:' .. run.state, us(math.floor(run.created / HOUR))
  if tonumber(call('HGET', key, hour) or 0) < NOW then call('HSET', key, hour, us(NOW + MINUTE)) end
end

