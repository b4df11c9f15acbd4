-- revert_limits.lua: give limits their number again that were changed for a time which is over.
-- KEYS[1] prefix
-- ARGV[1] actor, most (how many), offer (parked runs per queue that a raise puts into line at once)
-- Returns list of {limit, before?, after?}; a number that was changed for good since stays, and its limit is not listed.
even_when_full()
local set = {}
for _, limit in ipairs(call('ZRANGEBYSCORE', P .. 'reverts', '-inf', AT, 'LIMIT', 0, A.most)) do
  local back = reverting(limit)
  forget_revert(limit)
  if back then
    local before, after = tonumber(call('HGET', P .. 'limits', limit) or nil), tonumber(back)
    set_number(limit, after, A.offer)
    set[#set + 1] = {limit = limit, before = before, after = after}
  end
end
return done(set)
