-- The least a finish can be: the slot is free again and the record says so.
-- KEYS[1] set of holders  KEYS[2] prefix of records
-- ARGV[1] item  ARGV[2] now
-- Returns 1.
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('HSET', KEYS[2] .. ARGV[1], 'state', 'done', 'ended', ARGV[2])
return 1
