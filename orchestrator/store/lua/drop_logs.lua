-- drop_logs.lua: remove the logs of runs and their share of the total.
-- KEYS[1] prefix
-- ARGV[1] runs (list), why (one word kept on the record of runs that are still listed)
-- Returns how many were removed.
local sizes, count = P .. 'log_sizes', 0
even_when_full() -- it makes room
for _, run in ipairs(A.runs) do
  local known = call('HGET', sizes, run)
  local bytes = tonumber(string.match(known or '0', '^%d+'))
  if bytes > 0 and call('HINCRBY', sizes, 'total', us(-bytes)) <= 0 then call('HDEL', sizes, 'total') end
  count = count + call('DEL', P .. 'logs:' .. run)
  call('HDEL', sizes, run)
  call('ZREM', P .. 'log_ages', run)
  if known and call('EXISTS', P .. 'run:' .. run) == 1 then call('HSET', P .. 'run:' .. run, 'log_dropped', A.why) end
end
return cmsgpack.pack(count)
