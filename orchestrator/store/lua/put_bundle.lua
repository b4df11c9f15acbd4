-- put_bundle.lua: keep the list of files of a bundle, all of whose pieces are here; put again, it counts as new.
-- KEYS[1] prefix
-- ARGV[1] digest, manifest (stored bytes), chunks (list of digests, each once)
-- Returns the list of the pieces that are missing; nothing is written when there are any.
-- `chunk_uses` counts the bundles of each piece. A count that is too high keeps a piece for nothing; none is ever too low.
local missing = {}
for _, chunk in ipairs(A.chunks) do
  if call('EXISTS', P .. 'chunk:' .. chunk) == 0 then missing[#missing + 1] = chunk end
end
if #missing > 0 then return cmsgpack.pack(missing) end
if call('EXISTS', P .. 'bundle:' .. A.digest) == 0 then
  for _, chunk in ipairs(A.chunks) do
    call('HINCRBY', P .. 'chunk_uses', chunk, 1)
    call('ZREM', P .. 'loose_chunks', chunk)
  end
end
call('SET', P .. 'bundle:' .. A.digest, A.manifest)
call('ZADD', P .. 'bundles', AT, A.digest)
return cmsgpack.pack(missing)
