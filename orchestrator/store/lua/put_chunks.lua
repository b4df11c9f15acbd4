-- put_chunks.lua: keep pieces of code under their digests.
-- KEYS[1] prefix
-- ARGV[1] digests (list), data (list of stored bytes, in the same order)
-- Returns how many were not here before.
local fresh = 0
for i, digest in ipairs(A.digests) do
  if call('EXISTS', P .. 'chunk:' .. digest) == 0 then fresh = fresh + 1 end
  call('SET', P .. 'chunk:' .. digest, A.data[i])
  call('ZADD', P .. 'chunks', AT, digest)
end
return cmsgpack.pack(fresh)
