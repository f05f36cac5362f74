-- BURY: a held id goes into the dead letters, for a person to look at.
-- KEYS leases holders recoveries missing stops dead reasons
-- ARGV id, token, reason, how many dead letters are kept
-- Returns 1; 0 not held with this token.
-- Repeat: not held any more.
local call = redis.call
local leases, holders, recoveries, missing, stops, dead, reasons = unpack(KEYS)
local id = ARGV[1]
-- @include now
-- @include types
local wrong = types('zset', 'hash', 'hash', 'hash', 'zset', 'zset', 'hash')
if wrong then return wrong end
if call('HGET', holders, id) ~= ARGV[2] then return 0 end
call('PERSIST', leases)
call('ZADD', dead, now, id)
call('HSET', reasons, id, ARGV[3])
call('HDEL', recoveries, id)
call('HDEL', missing, id)
call('ZREM', stops, id)
call('ZREM', leases, id)
call('HDEL', holders, id)
if call('ZCARD', dead) > tonumber(ARGV[4]) then
  local oldest = call('ZRANGE', dead, 0, 0)[1]
  call('ZREM', dead, oldest)
  call('HDEL', reasons, oldest)
end
return 1
