-- rq_view.lua: the fifth part of the prelude: what rq's tools see, a list of ids for each line and a small hash for each run.

local told = {} -- microseconds -> as rq writes them: the runs of one call share most of their times

local function rq_time(at)
  told[at] = told[at] or utc(at)
  return told[at]
end

local function rq_job(run)
  local key = P .. 'rq:job:' .. run.id
  if TERMINAL[run.state] then mirror('DEL', key) return end
  if run.state == 'QUEUED' then
    local fresh = mirror('HSET', key, 'status', 'queued', 'created_at', rq_time(tonumber(run.created)), 'enqueued_at', rq_time(NOW),
      'origin', line_of(run), 'description', run.name or run.id, 'timeout', '-1', 'data', RQ_DATA)
    if fresh ~= 7 then mirror('HDEL', key, 'worker_name', 'started_at') end
  elseif run.state == 'PENDING' then
    mirror('HSET', key, 'status', 'started', 'started_at', rq_time(NOW), 'worker_name', run.agent)
  elseif mirror('EXISTS', key) == 1 then
    mirror('HSET', key, 'status', 'scheduled')
    mirror('HDEL', key, 'worker_name', 'started_at')
  end
end

local listed = {} -- lines whose list is noted

local NEAR = 100 -- entries from an end of a list up to which one is sought

-- Put an id into the list of a line at its rank there, of `size`; in the middle of a long one it would have to be sought: it
-- goes to the end there, and the next look of repair may sort it in.
local function rq_list(line, id, rank, size)
  local list, behind = P .. 'rq:queue:' .. line, size - 1 - rank
  if not listed[line] then mirror('SADD', P .. 'rq:queues', list) end
  listed[line] = true
  if rank == 0 then return mirror('LPUSH', list, id) end
  if behind > 0 and rank <= NEAR then
    local before = call('ZRANGE', P .. 'waiting:' .. line, rank - 1, rank - 1)[1]
    local length = mirror('LINSERT', list, 'AFTER', before, id)
    if type(length) == 'number' and length > 0 then return end
  end
  local later = behind > 0 and behind <= NEAR and rank > NEAR and mirror('RPOP', list, behind) or {}
  local back = {id}
  for i = #later, 1, -1 do back[#back + 1] = later[i] end
  mirror('RPUSH', list, unpack(back))
end

local GONE = '' -- stands in the place of an id that leaves the middle of a list
local marks = {} -- line -> the places in its list where such stand, in order

-- Take an id out of a list; `rank` is its place in line, of `size`. A search goes through all that stands before: of a hundred
-- runs that leave the middle of a long line each is marked where its rank says it stands, and one search removes the marks.
local function rq_unlist(line, id, rank, size)
  local list, marked, at = P .. 'rq:queue:' .. line, marks[line] or {}, rank
  if rank and rank >= NEAR and rank < size - NEAR then
    for _, place in ipairs(marked) do at = place <= at and at + 1 or at end
    if mirror('LINDEX', list, at) == id then
      mirror('LSET', list, at, GONE)
      table.insert(marked, at)
      table.sort(marked)
      marks[line] = marked
      return
    end
  end
  mirror('LREM', list, rank and 2 * rank > size and -1 or 1, id)
end

