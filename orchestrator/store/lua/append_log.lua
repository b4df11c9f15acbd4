-- append_log.lua: add a batch of lines to the log of a run; sent again, it is added once.
-- KEYS[1] prefix
-- ARGV[1] run, attempt, token, last (sequence number), batch (msgpack), head, most (bytes per run), total (bytes of all),
--   rest (where lines that are not kept here can be found; may be empty)
-- Returns 'stored'; 'cut': lines of this run are not kept here any more, or these were not; 'known': they are there;
--   'lost': another claim writes this attempt; 'gone': no such run.
-- The id of an entry is <attempt>-<last>: the order of the stream is the order of the lines. `log_sizes` holds per run
-- `<bytes> <bytes of the head> <last id of the head>`: when a log is full, entries after the head go, oldest first.
-- Then follows, for each attempt that was not the newest when lines of it went, `<attempt>-<the last of them>`: a reader
-- could not tell otherwise that the end of an attempt is missing.
local key, ages, sizes = P .. 'logs:' .. A.run, P .. 'log_ages', P .. 'log_sizes'
local run = call('HMGET', P .. 'run:' .. A.run, 'state', 'attempt', 'token')
if not run[1] then return cmsgpack.pack('gone') end
if tonumber(run[2] or 0) == A.attempt and HELD[run[1]] and tonumber(run[3] or 0) ~= A.token then
  return cmsgpack.pack('lost')
end

local bytes, headed, mark, ends = string.match(call('HGET', sizes, A.run) or '0 0 0-0', '^(%d+) (%d+) (%S+)(.*)$')
bytes, headed = tonumber(bytes), tonumber(headed)
local gone = {}
for attempt, last in string.gmatch(ends, '(%d+)-(%d+)') do gone[attempt] = tonumber(last) end

local function note_gone(attempt, last) gone[attempt] = math.max(gone[attempt] or 0, last) end

local function save()
  local text = us(bytes) .. ' ' .. us(headed) .. ' ' .. mark
  for attempt, last in pairs(gone) do text = text .. ' ' .. attempt .. '-' .. us(last) end
  call('HSET', sizes, A.run, text)
end

local function cut()
  save()
  if A.rest ~= '' then write(load(A.run), {log_rest = A.rest}) end
  return cmsgpack.pack('cut')
end

local function add() call('XADD', key, us(A.attempt) .. '-' .. us(A.last), 'b', A.batch) end

local top = call('XREVRANGE', key, '+', '-', 'COUNT', 1)[1]
local attempt, last = string.match(top and top[1] or '0-0', '^(%d+)-(%d+)$')
attempt, last = tonumber(attempt), tonumber(last)
local newest = math.max(attempt, A.attempt)

-- A batch of an earlier attempt comes late when its agent was lost and its leavings are shipped later. In a full log
-- it would be the first to go: it does not come in, so that a log is written anew for 4 MiB of late lines at most.
if A.attempt < attempt then
  local own = call('XREVRANGE', key, us(A.attempt) .. '-18446744073709551615', us(A.attempt) .. '-0', 'COUNT', 1)[1]
  if own and tonumber(string.match(own[1], '-(%d+)$')) >= A.last then return cmsgpack.pack('known') end
  if (gone[us(A.attempt)] or 0) >= A.last then return cmsgpack.pack('cut') end
  if bytes + #A.batch > A.most then
    note_gone(us(A.attempt), A.last)
    return cut()
  end
  -- A stream takes nothing before its last id: what comes after is taken out and put back.
  local later = call('XRANGE', key, us(A.attempt + 1) .. '-0', '+')
  for _, entry in ipairs(later) do call('XDEL', key, entry[1]) end
  call('XSETID', key, own and own[1] or us(A.attempt) .. '-0')
  add()
  for _, entry in ipairs(later) do call('XADD', key, entry[1], unpack(entry[2])) end
elseif A.attempt == attempt and A.last <= last then
  return cmsgpack.pack('known')
else
  add()
end

bytes = bytes + #A.batch
if headed + #A.batch <= A.head and bytes == headed + #A.batch then
  headed, mark = bytes, us(A.attempt) .. '-' .. us(A.last)
end
local before = bytes
while bytes > A.most do
  local oldest = call('XRANGE', key, '(' .. mark, '+', 'COUNT', 1)[1]
  if not oldest or oldest[1] == us(A.attempt) .. '-' .. us(A.last) then break end
  call('XDEL', key, oldest[1])
  bytes = bytes - #oldest[2][2]
  local of, to = string.match(oldest[1], '^(%d+)-(%d+)$')
  if tonumber(of) < newest then note_gone(of, tonumber(to)) end
end
save()
call('ZADD', ages, us(NOW), A.run)
local all = call('HINCRBY', sizes, 'total', us(#A.batch - (before - bytes)))
while all > A.total do
  local oldest = call('ZRANGE', ages, 0, 0)[1]
  if not oldest or oldest == A.run then break end
  local _, left = drop_log(oldest, 'space')
  all = left
end
if bytes < before then return cut() end
return cmsgpack.pack('stored')
