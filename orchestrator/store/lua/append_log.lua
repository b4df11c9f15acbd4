-- append_log.lua: add a batch of lines to the log of a run; sent again, it is added once.
-- KEYS[1] prefix
-- ARGV[1] run, attempt, token, first, last (sequence numbers), batch (msgpack), head, most (bytes per run), total (bytes of all)
-- Returns 'stored'; 'known': it is there already; 'lost': another claim writes this attempt; 'gone': no such run.
-- The id of an entry is <attempt>-<last>: the order of the stream is the order of the lines. `log_sizes` holds per run
-- `<bytes> <bytes of the head> <last id of the head>`: when a log is full, entries after the head go, oldest first.
local key, ages, sizes = P .. 'logs:' .. A.run, P .. 'log_ages', P .. 'log_sizes'
local run = call('HMGET', P .. 'run:' .. A.run, 'state', 'attempt', 'token')
if not run[1] then return cmsgpack.pack('gone') end
if tonumber(run[2] or 0) == A.attempt and HELD[run[1]] and tonumber(run[3] or 0) ~= A.token then
  return cmsgpack.pack('lost')
end

local function drop(other)
  local bytes = tonumber(string.match(call('HGET', sizes, other) or '0', '^%d+'))
  call('DEL', P .. 'logs:' .. other)
  call('HDEL', sizes, other)
  call('ZREM', ages, other)
  if call('EXISTS', P .. 'run:' .. other) == 1 then call('HSET', P .. 'run:' .. other, 'log_dropped', 'space') end
  return call('HINCRBY', sizes, 'total', us(0 - bytes))
end

local function add(attempt, last, batch) call('XADD', key, us(attempt) .. '-' .. us(last), 'b', batch) end

-- A batch of an earlier attempt comes late when its agent was lost and its leavings were shipped later.
local function insert()
  local floor, top = us(A.attempt) .. '-0', us(A.attempt) .. '-18446744073709551615'
  local same = call('XREVRANGE', key, top, floor, 'COUNT', 1)
  if same[1] and tonumber(string.match(same[1][1], '-(%d+)$')) >= A.last then return false end
  local earlier, later = call('XRANGE', key, '-', top), call('XRANGE', key, us(A.attempt + 1) .. '-0', '+')
  call('DEL', key) -- a stream takes nothing before its last id: it is written anew
  for _, entry in ipairs(earlier) do call('XADD', key, entry[1], unpack(entry[2])) end
  add(A.attempt, A.last, A.batch)
  for _, entry in ipairs(later) do call('XADD', key, entry[1], unpack(entry[2])) end
  return true
end

local top = call('XREVRANGE', key, '+', '-', 'COUNT', 1)[1]
local attempt, last = string.match(top and top[1] or '0-0', '^(%d+)-(%d+)$')
attempt, last = tonumber(attempt), tonumber(last)
if A.attempt > attempt or A.attempt == attempt and A.last > last then
  add(A.attempt, A.last, A.batch)
elseif A.attempt == attempt or not insert() then
  return cmsgpack.pack('known')
end

local known = call('HGET', sizes, A.run)
local bytes, headed, mark = string.match(known or '0 0 0-0', '^(%d+) (%d+) (%S+)$')
bytes, headed = tonumber(bytes) + #A.batch, tonumber(headed)
if headed + #A.batch <= A.head and bytes == headed + #A.batch then
  headed, mark = bytes, us(A.attempt) .. '-' .. us(A.last)
end
local removed = 0
while bytes - removed > A.most do
  local oldest = call('XRANGE', key, '(' .. mark, '+', 'COUNT', 1)[1]
  if not oldest or oldest[1] == us(A.attempt) .. '-' .. us(A.last) then break end
  call('XDEL', key, oldest[1])
  removed = removed + #oldest[2][2]
end
call('HSET', sizes, A.run, us(bytes - removed) .. ' ' .. us(headed) .. ' ' .. mark)
call('ZADD', ages, us(NOW), A.run)
local all = call('HINCRBY', sizes, 'total', us(#A.batch - removed))
while all > A.total do
  local oldest = call('ZRANGE', ages, 0, 0)[1]
  if not oldest or oldest == A.run then break end
  all = drop(oldest)
end
return cmsgpack.pack('stored')
