-- audit.lua: compare the runs that stand in one place with their records; reads only.
-- KEYS[1] prefix
-- ARGV[1] place (key behind the prefix), start, count (which of its members, by rank)
-- Returns looked (how many), found (list of {id, kind, text}): orphan (it has no record), unreadable, bad and newer (its
--         record), misplaced (its record wants it elsewhere), no_place (it waits and stands nowhere), no_lease and no_slot (it is held
--         without).
-- One step, so that nothing is found that is only on its way. What is found, mend.lua sets right.
local found, looked = {}, 0

local function stands_nowhere(run)
  if run.state == 'SCHEDULED' then return not call('ZSCORE', P .. 'delayed', run.id) end
  local place = run.parked and 'parked:' .. run.parked .. '|' .. line_of(run) or 'waiting:' .. line_of(run)
  return run.state == 'QUEUED' and not call('ZSCORE', P .. place, run.id)
end

local function look_at(id)
  local function note(kind, text) found[#found + 1] = {id, kind, text} end
  local run, problem, needs = peek(id)
  if needs then return note('newer', needs) end
  if not run then return note(problem and 'unreadable' or 'orphan', problem or '') end
  if not belongs(run, A.place) then return note('misplaced', 'it is ' .. (run.state or 'in no state')) end
  if TERMINAL[run.state] then return end
  if problem then return note('bad', problem) end
  if stands_nowhere(run) then note('no_place', '') end
  if not HELD[run.state] then return end
  if not call('ZSCORE', P .. 'leases', id) then note('no_lease', '') end
  for _, limit in ipairs(split(run.held)) do
    if not call('ZSCORE', P .. 'holders:' .. limit, id) then note('no_slot', limit) end
  end
end

if call('TYPE', P .. A.place).ok == 'zset' then
  for _, id in ipairs(call('ZRANGE', P .. A.place, A.start, A.start + A.count - 1)) do
    looked = looked + 1
    pcall(look_at, id) -- what fails on a key of another type is found by looking at types
  end
end
return cmsgpack.pack({looked = looked, found = found})
