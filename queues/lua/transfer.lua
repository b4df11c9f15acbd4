-- transfer.lua: let runs that nobody has claimed wait on another work queue, at the places of their due times.
-- KEYS[1] prefix
-- ARGV[1] runs (list of ids), queue, actor
-- Returns how many it has moved: others are held or have ended, or wait there already. err unknown_queue.
if not queue_exists(A.queue) then return refuse('unknown_queue', {queue = A.queue}) end
even_when_full()

local function transfer(run)
  local from, limit, changes = run.queue, run.parked, {queue = A.queue, parked = false}
  if run.state == 'QUEUED' then
    leave_line(run)
    represent(run)
  end
  tell(run, run.state, A.actor, 'moved from work queue ' .. from, changes)
  write(run, changes)
  if run.state == 'SCHEDULED' then return end -- stands on no queue before its time
  rq_job(run)
  if limit and room(limit) < 1 then return shelve(run, limit) end
  line_up(run.id, line_of(run), run.due)
end

local count = 0
for _, id in ipairs(A.runs) do
  local run, problem, needs = peek(id)
  local waits = run and not problem and not needs and (run.state == 'QUEUED' or run.state == 'SCHEDULED')
  if waits and run.queue ~= A.queue then
    transfer(run)
    count = count + 1
  end
end
return done(count)
