-- ENDED: the history, jobs that ended and when. For people and tools only.
-- KEYS finished failed
-- ARGV how many are kept of each, how many of the pairs ended as finished (the others with an error), ms ago, id, … (at
--      most 128 pairs)
-- Returns how many pairs.
-- Repeat: the same times.
local call = redis.call
-- @include now
-- @include types
local wrong = types('zset', 'zset')
if wrong then return wrong end
local most, ends = tonumber(ARGV[1]), 2 + 2 * tonumber(ARGV[2])
for i, key in ipairs(KEYS) do
  local z = {}
  for a = i == 1 and 3 or ends + 1, i == 1 and ends or #ARGV, 2 do
    z[#z + 1] = now - tonumber(ARGV[a])
    z[#z + 1] = ARGV[a + 1]
  end
  if #z > 0 then
    local r = redis.pcall('ZADD', key, unpack(z))
    if type(r) == 'table' then return r end
    local more = call('ZCARD', key) - most
    if more > 0 then call('ZREM', key, unpack(call('ZRANGE', key, 0, math.min(more, 256) - 1))) end
    call('PEXPIRE', key, 604800000)
  end
end
return (#ARGV - 2) / 2
