-- lead.lua: take or keep the leadership among schedulers, and say when something is to be done next.
-- KEYS[1] prefix
-- ARGV[1] owner (random, one per process), ttl_us, release (true: give it up)
-- Returns {leading, epoch, until, now, next_due, next_delayed, next_deadline}; times in microseconds, absent when none.
-- The epoch grows with each change of the owner: what a deposed leader still sends is refused by it.
local key = P .. 'scheduler'
local held = call('HMGET', key, 'owner', 'until', 'epoch')
local ends, epoch = tonumber(held[2] or 0), tonumber(held[3] or 0)
local leading = held[1] == A.owner
if A.release then
  if leading then call('HDEL', key, 'owner', 'until') end
  return cmsgpack.pack({leading = false, epoch = epoch, now = NOW, ['until'] = 0})
end
-- A time that lies further ahead than a leadership lasts was written by a clock that has been set back since.
if not leading and (not held[1] or ends <= NOW or ends > NOW + A.ttl_us) then
  leading, epoch = true, epoch + 1
end
if leading then
  ends = NOW + A.ttl_us
  call('HSET', key, 'owner', A.owner, 'until', us(ends), 'epoch', us(epoch))
end
local function first(name) return tonumber(call('ZRANGE', P .. name, 0, 0, 'WITHSCORES')[2]) end
return cmsgpack.pack({leading = leading, epoch = epoch, ['until'] = ends, now = NOW, next_due = first('due'),
  next_delayed = first('delayed'), next_deadline = first('leases')})
