-- put_chunks.lua: keep pieces of code under their digests.
-- KEYS[1] prefix
-- ARGV[1] digests (list), data (list of stored bytes, in the same order)
-- Returns how many were not here before.
local fresh = 0
for i, digest in ipairs(A.digests) do
  fresh = fresh + 1 - call('EXISTS', P .. 'chunk:' .. digest)
  call('SET', P .. 'chunk:' .. digest, A.data[i])
  if call('HEXISTS', P .. 'chunk_uses', digest) == 0 then call('ZADD', P .. 'loose_chunks', AT, digest) end
end
return cmsgpack.pack(fresh)
