-- record_tasks.lua: write task runs of a run as they stand now.
-- KEYS[1] prefix
-- ARGV[1] run, rows (map <attempt>.<task id> -> msgpack), most (task runs that a run keeps; further ones are not added)
-- Returns how many were written.
local key, count = P .. 'tasks:' .. A.run, 0
if call('EXISTS', P .. 'run:' .. A.run) == 0 then return cmsgpack.pack(0) end
local full = call('HLEN', key) >= A.most
for field, row in pairs(A.rows) do
  if not full or call('HEXISTS', key, field) == 1 then
    call('HSET', key, field, row)
    count = count + 1
  end
end
return cmsgpack.pack(count)
