-- greet.lua: learn which server process answers, and whether its clock jumped; open a recovery window when it must be.
-- KEYS[1] prefix
-- ARGV[1] run_id? (of the server, from INFO), jump? (text: how its clock jumped), expiry_us, claims_us (how long nothing
--         expires, and nobody claims)
-- Returns window (whether one was opened), reason.
-- A server that crashed may have lost the end of its log: claims and renewals that it had acknowledged. Until every agent
-- has renewed, nothing expires; and nobody claims what an agent may still be running. Tokens go on far above any lost one.
local STRIDE = 1048576
local key = P .. 'recovery'
local known = call('HMGET', key, 'run_id', 'ended_cleanly')
local before, clean = known[1], known[2]

local function open_window(reason)
  call('HSET', key, 'no_expiry_before', us(NOW + A.expiry_us), 'no_claims_before', us(NOW + A.claims_us),
    'opened', us(NOW), 'reason', reason)
  call('INCRBY', P .. 'token', STRIDE)
  call('HINCRBY', P .. 'counters', 'recoveries', 1)
  return done({window = true, reason = reason})
end

if A.run_id and A.run_id ~= before then
  call('HSET', key, 'run_id', A.run_id)
  call('HDEL', key, 'ended_cleanly')
  if before and clean ~= before then return open_window('Redis was restarted') end
end
if A.jump then return open_window(A.jump) end
return done({window = false, reason = ''})
