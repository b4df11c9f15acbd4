-- find_chunks.lua: which pieces of code are not here. Those of no bundle that are stay for a while from now: a deployment
-- is about to name them.
-- KEYS[1] prefix
-- ARGV[1] digests (list)
-- Returns the list of those that are missing.
local missing = {}
for _, digest in ipairs(A.digests) do
  if call('EXISTS', P .. 'chunk:' .. digest) == 0 then
    missing[#missing + 1] = digest
  elseif call('HEXISTS', P .. 'chunk_uses', digest) == 0 then
    call('ZADD', P .. 'loose_chunks', AT, digest)
  end
end
return cmsgpack.pack(missing)
