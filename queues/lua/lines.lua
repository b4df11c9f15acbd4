-- lines.lua: the fourth part of the prelude: in which line of its queue a run stands.
-- A queue has a line of its own name for the runs that any agent may start, and one for each set of labels that others require,
-- `queue+label+label`: what an agent can not start is nowhere near what it looks at.

local function line_of(run)
  return run.requires and run.queue .. '+' .. string.gsub(run.requires, '\n', '+') or run.queue
end

local function queue_of(line)
  local at = string.find(line, '+', 1, true)
  return at and string.sub(line, 1, at - 1) or line
end

-- All lines of a queue, its own first. Those of labels are noted when something first stands in them (repair.lua forgets them).
local function lines_of(queue)
  local lines = call('SMEMBERS', P .. 'lines:' .. queue)
  table.insert(lines, 1, queue)
  return lines
end

-- The queue says whether there are any, so that those who have none pay nothing for them.
local function note_line(line)
  local queue = queue_of(line)
  if line == queue then return 0 end
  local fresh = call('SADD', P .. 'lines:' .. queue, line)
  if fresh == 1 then call('HSET', P .. 'queue:' .. queue, 'labelled', '1') end
  return fresh
end

-- Whether whoever has these labels (a set) may start what stands in a line.
local function fits(labels, line)
  for label in string.gmatch(line, '%+([^+]+)') do
    if not labels[label] then return false end
  end
  return true
end
