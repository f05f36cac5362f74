-- INTENT: notes that an id is about to be stored and started, before it is.
-- KEYS intents
-- ARGV delay ms, time (Unix ms), id, …
-- Returns how many ids.
-- Repeat: the older note stays.
local call = redis.call
local delay, at = tonumber(ARGV[1]), tonumber(ARGV[2])
-- @include now
-- @include num
local due = at > 0 and whole(at) or whole(now + math.max(delay, 0))
for from = 3, #ARGV, 128 do
  local z = {}
  for i = from, math.min(from + 127, #ARGV) do
    z[#z + 1] = due
    z[#z + 1] = ARGV[i]
  end
  local r = redis.pcall('ZADD', KEYS[1], 'NX', unpack(z))
  if type(r) == 'table' then return r end
end
return #ARGV - 2
