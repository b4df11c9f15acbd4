-- put_deployment.lua: apply a deployment: the last full apply wins, with a revision number; the pause switch stays.
-- KEYS[1] prefix
-- ARGV[1] id, name (flow/deployment), queue, spec (JSON), digest, limit (number or nil), offer (parked runs to return at
--   once when the limit rises), actor, schedules: list of {slug, text, next (microseconds or nil)}, traits (what runs of it
--   can be listed by), base? (the revision that this one was made from: nothing is written when another was applied since),
--   digests (what of code the spec names: bundles among them count as just put, so that whoever looks for unnamed ones leaves them)
-- Returns {status = created | updated | unchanged | outdated, revision, paused, before (spec of the revision before, or nil)}.
-- A schedule whose text is the same keeps its cursor and its next instant; a changed or new one starts after now.
if not queue_exists(A.queue) then return refuse('unknown_queue', {queue = A.queue}) end
local key, held = P .. 'deployment:' .. A.id, P .. 'schedule:' .. A.id
local old = call('HMGET', key, 'revision', 'digest', 'paused', 'schema', 'needs')
local needs = newer('deployment', old[4] or nil, old[5] or nil)
if needs then return refuse('newer', {what = 'the deployment ' .. A.name, needs = needs}) end
local revision, paused = tonumber(old[1] or nil), old[3] == '1'
if not revision then revision, old[2] = 0, false end -- there is none, or something else spoilt it
-- The same text is there already when this call is sent again.
if A.base and A.base ~= revision and A.digest ~= old[2] then return done({status = 'outdated', revision = revision, paused = paused}) end
for _, digest in ipairs(A.digests or {}) do call('ZADD', P .. 'bundles', 'XX', AT, digest) end
local status = not old[1] and 'created' or old[2] ~= A.digest and 'updated' or 'unchanged'
local before = old[1] and call('HGET', P .. 'specs:' .. A.id, old[1]) or nil

-- The work queue of the revision before; nil when there is none that can be read.
local function old_queue()
  local ok, spec = pcall(cjson.decode, before or '')
  return ok and type(spec) == 'table' and type(spec.work_queue) == 'string' and spec.work_queue or nil
end

if status ~= 'unchanged' then
  revision = call('HINCRBY', P .. 'revisions', A.id, 1)
  call('HSET', P .. 'specs:' .. A.id, us(revision), A.spec, 'at:' .. us(revision), us(NOW))
  call('HSET', key, 'schema', us(SCHEMA.deployment), 'name', A.name, 'revision', us(revision), 'digest', A.digest, 'updated', us(NOW))
  call('HSETNX', key, 'created', us(NOW))
  call('HSET', P .. 'deployments', A.name, A.id)
  changed('deployment:' .. A.id, 'revision', old[1], us(revision))
  local queue = old_queue()
  if queue and queue ~= A.queue then changed('deployment:' .. A.id, 'work_queue', queue, A.queue) end
end

-- Its runs have the traits of whichever revision they were made from.
local traits, had = split(call('HGET', P .. 'traits', A.id) or ''), {}
for _, trait in ipairs(traits) do had[trait] = true end
for _, trait in ipairs(A.traits) do
  if not had[trait] then traits[#traits + 1] = trait end
end
call('HSET', P .. 'traits', A.id, table.concat(traits, '\n'))

set_number('deployment:' .. A.id, A.limit, A.offer)

local wanted = {}
for _, schedule in ipairs(A.schedules) do
  local slug, due = schedule.slug, A.id .. '/' .. schedule.slug
  wanted[slug] = true
  if call('HGET', held, 'body:' .. slug) ~= schedule.text then
    local cursor = tonumber(call('HGET', held, 'cursor:' .. slug) or nil) or 0
    call('HSET', held, 'body:' .. slug, schedule.text, 'cursor:' .. slug, us(math.max(cursor, NOW)))
    call('ZREM', P .. 'due', due)
  end
  if schedule.next and not paused then call('ZADD', P .. 'due', 'NX', us(schedule.next), due) end
end
for _, field in ipairs(call('HKEYS', held)) do
  local slug = string.match(field, '^body:(.*)$')
  if slug and not wanted[slug] then
    call('HDEL', held, field, 'cursor:' .. slug)
    call('ZREM', P .. 'due', A.id .. '/' .. slug)
  end
end
nudge('scheduler', 'due', 1)
return done({status = status, revision = revision, paused = paused, before = before})
