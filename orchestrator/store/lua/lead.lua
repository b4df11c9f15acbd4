-- lead.lua: take or keep the leadership among schedulers, watch over Redis itself, and say when something is to be done next.
-- KEYS[1] prefix
-- ARGV[1] owner (random, one per process), who? (its pid and host, for people), ttl_us, release (true: give it up),
--   lease_us, grace_us, installation? (id that the caller knows), seen? (newest beat that it knows of), tail_us (what a crash of Redis may lose)
-- Returns {leading, epoch, until, now, beat, next_due, next_delayed, next_deadline, next_revert, window?, strange?}; times in microseconds,
--   absent when none. `window`: why nothing expires for a while. `strange`: why these data are not those that the caller knew:
--   then nothing was written.
-- The epoch grows with each change of the owner: what a deposed leader still sends is refused by it.
local key, recovery = P .. 'scheduler', P .. 'recovery'
local held = call('HMGET', key, 'owner', 'until', 'epoch')
local ends, epoch = tonumber(held[2] or 0), tonumber(held[3] or 0)
local leading = held[1] == A.owner
if A.release then
  if leading then call('HDEL', key, 'owner', 'until') end
  return cmsgpack.pack({leading = false, epoch = epoch, now = NOW, ['until'] = 0})
end

local known = call('HMGET', recovery, 'installation', 'beat')
local beat = tonumber(known[2] or nil)

-- Another installation, or an older state of this one. A clock that was set back makes beats old too, but then also now.
local function strange()
  if A.installation and known[1] ~= A.installation then
    return known[1] and 'they are of the installation ' .. known[1] or 'they are of no installation'
  end
  if A.seen and A.seen <= NOW and (beat or 0) < A.seen - A.tail_us then
    return 'they are as of ' .. utc(beat or 0) .. ', and this scheduler knew those of ' .. utc(A.seen)
  end
end

local other = strange()
if other then
  return cmsgpack.pack({leading = false, epoch = epoch, now = NOW, ['until'] = 0, beat = A.seen, strange = other})
end

-- While Redis takes no writes (disk full, read-only) agents keep their runs and can not renew. Whoever leads beats at least
-- every second: a longer silence, or a jump of the clock, says nothing about agents, so no lease is judged by it.
local function watch()
  local silence = NOW - (beat or NOW)
  call('HSET', recovery, 'beat', AT)
  if math.abs(silence) <= A.grace_us / 2 then return nil end
  local shortest = A.lease_us
  for _, queue in ipairs(call('SMEMBERS', P .. 'queues')) do shortest = math.min(shortest, lease_us(queue, A.lease_us)) end
  if math.abs(silence) <= (shortest + A.grace_us) / 2 then return nil end
  if silence > 0 and call('EXISTS', P .. 'leases') == 0 then return nil end
  local what = silence > 0 and 'no scheduler could write for %.1f s' or 'the clock of Redis was set back by %.1f s'
  local reason = string.format(what, math.abs(silence) / 1000000)
  call('HSET', recovery, 'no_expiry_before', us(NOW + A.lease_us + A.grace_us), 'opened', AT, 'reason', reason)
  if silence < 0 then call('HDEL', recovery, 'no_claims_before') end
  tally('recoveries', 1)
  return reason
end

-- A time that lies further ahead than a leadership lasts was written by a clock that has been set back since.
local taken = not leading and (not held[1] or ends <= NOW or ends > NOW + A.ttl_us)
if taken then leading, epoch = true, epoch + 1 end
local window
if leading then
  even_when_full()
  -- With its epoch: a scheduler of a version that does not write this may lead next.
  if taken then call('HSET', key, 'who', us(epoch) .. ' ' .. AT .. ' ' .. (A.who or '')) end
  ends, window = NOW + A.ttl_us, watch()
  beat = NOW
  call('HSET', key, 'owner', A.owner, 'until', us(ends), 'epoch', us(epoch))
end
local LONGEST_LEASE = 3600000000 -- microseconds
local function first(name) return tonumber(call('ZRANGE', P .. name, 0, 0, 'WITHSCORES')[2]) end

-- A deadline that no lease can have (beyond the longest, before all time) is a matter for expiry now, which puts it right.
local function first_deadline()
  local last = tonumber(call('ZREVRANGE', P .. 'leases', 0, 0, 'WITHSCORES')[2])
  if last and last > NOW + LONGEST_LEASE then return 0 end
  return last and math.max(first('leases'), 0)
end
return cmsgpack.pack({leading = leading, epoch = epoch, ['until'] = ends, now = NOW, beat = beat, next_due = first('due'),
  next_delayed = first('delayed'), next_deadline = first_deadline(), next_revert = first('reverts'),
  window = window})
