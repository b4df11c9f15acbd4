-- basics.lua: what every script begins with: its arguments, the time, texts.
-- KEYS[1] the prefix that every key of the installation starts with
-- ARGV[1] msgpack map of the verb's arguments   ARGV[2] microseconds added to the time of Redis (tests travel; else 0)
-- A verb ends with `return done(reply)` (slots.lua), which wakes idle agents, or with `return refuse(code, details)` before
-- any write: Redis takes nothing back.
local call = redis.call
local mirror = redis.pcall -- for what rq reads: a foreign tool may have put anything there, which must not stop a run half-way
local P = KEYS[1] .. ':'
local A = cmsgpack.unpack(ARGV[1])
local BITE = 64 -- bytes of the longest value that keeps a hash in its compact encoding

-- `..` and tostring keep 14 digits of a number: every time is written by this. (%d is exact here, and twice as fast as %.0f.)
local function us(n) return string.format('%d', n) end

local clock = call('TIME')
local NOW = tonumber(clock[1]) * 1000000 + tonumber(clock[2]) + tonumber(ARGV[2])
local AT = us(NOW)

local function split(text)
  local parts = {}
  for part in string.gmatch(text or '', '[^\n]+') do parts[#parts + 1] = part end
  return parts
end

-- Microseconds since the epoch as rq and people write them: 2026-01-31T09:00:00.000000Z.
local function utc(at)
  local seconds = math.floor(at / 1000000)
  local day = math.floor(seconds / 86400)
  local rest = seconds - day * 86400
  local era = math.floor((day + 719468) / 146097)
  local doe = day + 719468 - era * 146097
  local yoe = math.floor((doe - math.floor(doe / 1460) + math.floor(doe / 36524) - math.floor(doe / 146096)) / 365)
  local doy = doe - (365 * yoe + math.floor(yoe / 4) - math.floor(yoe / 100))
  local mp = math.floor((5 * doy + 2) / 153)
  local month = mp < 10 and mp + 3 or mp - 9
  return string.format('%04d-%02d-%02dT%02d:%02d:%02d.%06dZ', yoe + era * 400 + (month <= 2 and 1 or 0), month,
    doy - math.floor((153 * mp + 2) / 5) + 1, math.floor(rest / 3600), math.floor(rest / 60) % 60, rest % 60, at % 1000000)
end

local function refuse(code, details)
  details.err = code
  return cmsgpack.pack(details)
end

-- Redis at its memory limit refuses the first write of a script that could grow it, and none after another write. What is
-- running must go on and end then too: those verbs begin with a write that needs nothing.
local function even_when_full() call('DEL', P .. 'nothing') end

-- The lease of a queue's runs; `usual` is what holds for queues without one of their own.
local function lease_us(queue, usual)
  local own = tonumber(call('HGET', P .. 'queue:' .. queue, 'lease') or nil)
  return own and own >= 1 and own <= 3600 and own * 1000000 or usual
end
