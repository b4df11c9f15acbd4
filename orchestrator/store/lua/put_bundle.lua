-- put_bundle.lua: keep the list of files of a bundle, all of whose pieces are here; they and it count as new.
-- KEYS[1] prefix
-- ARGV[1] digest, manifest (stored bytes), chunks (list of digests)
-- Returns the list of the pieces that are missing; nothing is written when there are any.
local missing = {}
for _, chunk in ipairs(A.chunks) do
  if call('EXISTS', P .. 'chunk:' .. chunk) == 0 then missing[#missing + 1] = chunk end
end
if #missing > 0 then return cmsgpack.pack(missing) end
for _, chunk in ipairs(A.chunks) do call('ZADD', P .. 'chunks', AT, chunk) end
call('SET', P .. 'bundle:' .. A.digest, A.manifest)
call('ZADD', P .. 'bundles', AT, A.digest)
return cmsgpack.pack(missing)
