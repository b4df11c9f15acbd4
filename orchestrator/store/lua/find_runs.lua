-- find_runs.lua: the ids in a slice of a sorted set that begin with some characters.
-- KEYS[1] prefix
-- ARGV[1] set (name after the prefix), start (rank, from the newest), count, beginning
-- Returns {found (list of ids), more}.
local ids, found = call('ZREVRANGE', P .. A.set, A.start, A.start + A.count - 1), {}
for _, id in ipairs(ids) do
  if string.sub(id, 1, #A.beginning) == A.beginning then found[#found + 1] = id end
end
return cmsgpack.pack({found = found, more = #ids == A.count})
