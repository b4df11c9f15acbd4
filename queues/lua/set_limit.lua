-- set_limit.lua: change how many runs may hold a slot of a limit, for good or for a time; holders stay, and count.
-- KEYS[1] prefix
-- ARGV[1] limit, number? (absent: no limit), actor, offer (parked runs per queue that a raise puts into line at once),
--         lasts_us? (after so long it has the number again that it has now; absent: it stays)
-- Returns changed (whether it has another number now), before? (absent: there was none).
-- A change for good makes one for a time forgotten. One for a time after another leads back to the number before both.
local now = call('HGET', P .. 'limits', A.limit) or ''
local back, at = reverting(A.limit)
local wanted = A.number and us(A.number) or ''
back = back or now
local ends = A.lasts_us and back ~= wanted and NOW + A.lasts_us or nil
if now == wanted and not at and not ends then return done({changed = false, before = tonumber(now)}) end

even_when_full()
set_number(A.limit, A.number, A.offer)
forget_revert(A.limit)
if ends then
  call('ZADD', P .. 'reverts', us(ends), A.limit)
  call('HSET', P .. 'reverts_to', A.limit, wanted .. ' ' .. back)
end
local function told(time) return time and string.sub(utc(time), 1, 19) .. 'Z' end
if at or ends then changed(A.limit, 'limit_until', told(at), told(ends)) end
return done({changed = now ~= wanted, before = tonumber(now)})
