-- copy_runs.lua: store runs that are like one that has ended, as the product's own scripts would have.
-- KEYS[1] prefix
-- ARGV[1] the run to copy   ARGV[2] its group   ARGV[3 …] id, name, made (us), ended (us) of each copy, one after the other
-- Returns how many it was given.
local P = KEYS[1] .. ':'
local function us(n) return string.format('%d', n) end

local record, flat = {}, redis.call('HGETALL', P .. 'run:' .. ARGV[1])
for i = 1, #flat, 2 do record[flat[i]] = flat[i + 1] end
local data = redis.call('HGETALL', P .. 'data:' .. ARGV[1])
local part = record.state .. '|' .. record.queue .. '|' .. (record.tags and string.sub(redis.sha1hex(record.tags), 1, 16) or '')
redis.call('HSET', P .. 'parts:' .. ARGV[2], part, record.tags or '')
for i = 3, #ARGV, 4 do
  local id, name, made, ended = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3])
  local token = us(redis.call('INCR', P .. 'token'))
  local own = {name = name, created = us(made), due = us(made), ended = us(ended), claim = string.sub(id, 1, 8), token = token}
  if record.started then own.started = us(math.floor((made + ended) / 2)) end
  local set = {}
  for field, value in pairs(record) do
    set[#set + 1] = field
    set[#set + 1] = own[field] or value
  end
  redis.call('HSET', P .. 'run:' .. id, unpack(set))
  if #data > 0 then redis.call('HSET', P .. 'data:' .. id, unpack(data)) end
  redis.call('ZADD', P .. 'runs:' .. record.state, us(made), id)
  redis.call('ZADD', P .. 'group:' .. ARGV[2] .. '|' .. part, us(made), id)
  local hour, key = us(math.floor(made / 3600000000)), P .. 'ends:' .. record.state
  if tonumber(redis.call('HGET', key, hour) or 0) < ended then redis.call('HSET', key, hour, us(ended)) end
end
return #ARGV
