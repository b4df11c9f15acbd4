-- set_limit.lua: change how many runs may hold a slot of a limit; holders stay, and count.
-- KEYS[1] prefix
-- ARGV[1] limit, number? (absent: no limit), actor, offer (parked runs per queue that a raise puts into line at once)
-- Returns changed, before (absent: there was none).
local before = tonumber(call('HGET', P .. 'limits', A.limit) or nil)
if before == A.number then return done({changed = false, before = before}) end

even_when_full()
if A.number then
  call('HSET', P .. 'limits', A.limit, us(A.number))
else
  call('HDEL', P .. 'limits', A.limit)
end
changed(A.limit, 'limit', before and us(before), A.number and us(A.number))
if before and (not A.number or A.number > before) and room(A.limit) >= 1 then
  grown(A.limit, math.min(room(A.limit), A.offer))
end
return done({changed = true, before = before})
