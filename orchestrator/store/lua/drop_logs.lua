-- drop_logs.lua: remove the logs of runs and their share of the total.
-- KEYS[1] prefix
-- ARGV[1] runs (list), why (one word kept on the record of runs that are still listed)
-- Returns how many were removed.
local count = 0
even_when_full() -- it makes room
for _, run in ipairs(A.runs) do count = count + drop_log(run, A.why) end
return cmsgpack.pack(count)
