-- drop_bundle.lua: remove a bundle that was put before a time, and let go of its pieces.
-- KEYS[1] prefix
-- ARGV[1] digest, chunks (list of digests, each once; none for a list of files that can not be read), before (microseconds)
-- Returns whether it was removed: not when it was put again since. Pieces of no bundle any more go when they are old.
local put = tonumber(call('ZSCORE', P .. 'bundles', A.digest) or A.before)
if put > A.before then return cmsgpack.pack(false) end
even_when_full()
call('ZREM', P .. 'bundles', A.digest)
if call('DEL', P .. 'bundle:' .. A.digest) == 0 then return cmsgpack.pack(false) end
for _, chunk in ipairs(A.chunks) do
  local uses = call('HINCRBY', P .. 'chunk_uses', chunk, -1)
  if uses <= 0 then call('HDEL', P .. 'chunk_uses', chunk) end
  -- A count below nothing was lost before: whose piece it is is not known, and it stays.
  if uses == 0 then call('ZADD', P .. 'loose_chunks', AT, chunk) end
end
return cmsgpack.pack(true)
