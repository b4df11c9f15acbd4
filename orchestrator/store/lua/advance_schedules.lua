-- advance_schedules.lua: move the cursors of schedules over instants that have been dealt with, after their runs were made.
-- KEYS[1] prefix
-- ARGV[1] epoch? (of the leader; absent: not checked), items: list of {deployment, slug, revision, from, to, next? (absent:
--   never again), skips: list of {first, last, count, reason}, idle? (true: not when a pass has begun runs in between)}
-- Returns how many cursors moved; nil when another scheduler leads.
-- A cursor that is not at `from` any more was moved by another scheduler or by an edit: nothing of the item is written.
if A.epoch and tonumber(call('HGET', P .. 'scheduler', 'epoch') or 0) ~= A.epoch then return cmsgpack.pack(nil) end
local KEPT = 1000 -- ranges of skips that a deployment keeps
local LOOK_BACK = 8 -- newest ranges among which the one to lengthen is sought

-- Add a range of skipped instants; it lengthens the range that ended at the cursor for the same reason.
local function skip(id, slug, from, range)
  local key = P .. 'skips:' .. id
  for _, entry in ipairs(call('XREVRANGE', key, '+', '-', 'COUNT', LOOK_BACK)) do
    local old = {}
    for i = 1, #entry[2], 2 do old[entry[2][i]] = entry[2][i + 1] end
    if old.slug == slug and old.reason == range.reason and tonumber(old.last) == from then
      range.first, range.count = tonumber(old.first), range.count + tonumber(old.count)
      call('XDEL', key, entry[1])
      break
    end
  end
  call('XADD', key, 'MAXLEN', KEPT, '*', 'slug', slug, 'first', us(range.first), 'last', us(range.last),
    'count', us(range.count), 'reason', range.reason, 'at', us(NOW))
end

local function stands(item)
  local cursor = call('HGET', P .. 'schedule:' .. item.deployment, 'cursor:' .. item.slug)
  local revision = call('HGET', P .. 'deployment:' .. item.deployment, 'revision')
  if tonumber(cursor or nil) ~= item.from or tonumber(revision or nil) ~= item.revision then return false end
  if not item.idle then return true end
  for _, noted in ipairs(call('ZRANGEBYSCORE', P .. 'scheduled:' .. item.deployment, '(' .. us(item.from), us(item.to))) do
    if string.match(noted, '^%S+ (.*)$') == item.slug then return false end
  end
  return true
end

local moved = 0
for _, item in ipairs(A.items) do
  if stands(item) then
    local due = item.deployment .. '/' .. item.slug
    for _, range in ipairs(item.skips) do skip(item.deployment, item.slug, item.from, range) end
    call('HSET', P .. 'schedule:' .. item.deployment, 'cursor:' .. item.slug, us(item.to))
    if not item.next then
      call('ZREM', P .. 'due', due)
    elseif call('HGET', P .. 'deployment:' .. item.deployment, 'paused') ~= '1' then
      call('ZADD', P .. 'due', us(item.next), due)
    end
    moved = moved + 1
  end
end
return done(moved)
