-- find_chunks.lua: which pieces of code are not here. Those that are count as new: a deployment is about to name them.
-- KEYS[1] prefix
-- ARGV[1] digests (list)
-- Returns the list of those that are missing.
local missing = {}
for _, digest in ipairs(A.digests) do
  if call('EXISTS', P .. 'chunk:' .. digest) == 1 then
    call('ZADD', P .. 'chunks', AT, digest)
  else
    missing[#missing + 1] = digest
  end
end
return cmsgpack.pack(missing)
