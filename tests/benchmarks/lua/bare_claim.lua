-- The least a claim can be: a free slot, the head of a list, one holder, one record.
-- KEYS[1] list of waiting items  KEYS[2] set of holders  KEYS[3] prefix of records
-- ARGV[1] slots  ARGV[2] now
-- Returns the item, or false when nothing waits or every slot is taken.
if redis.call('ZCARD', KEYS[2]) >= tonumber(ARGV[1]) then
    return false
end
local item = redis.call('LPOP', KEYS[1])
if not item then
    return false
end
redis.call('ZADD', KEYS[2], ARGV[2], item)
redis.call('HSET', KEYS[3] .. item, 'state', 'running', 'agent', 'a1', 'started', ARGV[2])
return item
