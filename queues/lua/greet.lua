-- greet.lua: learn which server process answers; give the installation an id; open a recovery window after a crash.
-- KEYS[1] prefix
-- ARGV[1] run_id (of the server, from INFO), installation (id that the installation gets if it has none), expiry_us,
--         claims_us (how long nothing expires, and nobody claims)
-- Returns installation (its id), window (whether one was opened), reason.
-- A server that crashed may have lost the end of its log: claims and renewals that it had acknowledged. Until every agent
-- has renewed, nothing expires; and nobody claims what an agent may still be running. Tokens go on above any lost one, by
-- the clock, for the log may have lost the return before this one too: Redis gives fewer than sixteen in a millisecond.
local EACH_MS, STRIDE = 16, 1048576 -- the stride is for a clock that was set back
local key = P .. 'recovery'
local known = call('HMGET', key, 'run_id', 'ended_cleanly', 'installation')
local before, clean, installation = known[1], known[2], known[3] or A.installation

even_when_full()
if not known[3] then call('HSET', key, 'installation', installation) end
if A.run_id ~= before then
  call('HSET', key, 'run_id', A.run_id)
  call('HDEL', key, 'ended_cleanly')
  if before and clean ~= before then
    call('HSET', key, 'no_expiry_before', us(NOW + A.expiry_us), 'no_claims_before', us(NOW + A.claims_us),
      'opened', AT, 'reason', 'Redis was restarted')
    local token = tonumber(redis.pcall('GET', P .. 'token') or 0) -- a spoilt counter is set right by the next claim
    local first = math.floor(NOW / 1000) * EACH_MS
    if token then call('SET', P .. 'token', us(token < first and first or token + STRIDE)) end
    tally('recoveries', 1)
    return done({installation = installation, window = true, reason = 'Redis was restarted'})
  end
end
return done({installation = installation, window = false, reason = ''})
