-- drop_chunks.lua: remove pieces of no bundle that nobody has put or asked for since a time, the oldest first.
-- KEYS[1] prefix
-- ARGV[1] before (microseconds), most (how many at once)
-- Returns how many were looked at.
even_when_full()
local old = call('ZRANGEBYSCORE', P .. 'loose_chunks', '-inf', us(A.before), 'LIMIT', 0, A.most)
for _, chunk in ipairs(old) do
  if call('HEXISTS', P .. 'chunk_uses', chunk) == 0 then call('UNLINK', P .. 'chunk:' .. chunk) end
  call('ZREM', P .. 'loose_chunks', chunk)
end
return cmsgpack.pack(#old)
