-- SEEN: an actor says that it is there. For people and tools only.
-- KEYS actors actor
-- ARGV actor, JSON about it, ttl ms
-- Returns how many actors are known.
-- Repeat: the same with a later end.
local call = redis.call
local actors, info = unpack(KEYS)
local ttl = tonumber(ARGV[3])
-- @include now
-- @include types
local wrong = types('zset', 'string')
if wrong then return wrong end
local r = redis.pcall('SET', info, ARGV[2], 'PX', ttl)
if r.err then return r end
call('ZREMRANGEBYSCORE', actors, '-inf', now)
call('ZADD', actors, now + ttl, ARGV[1])
-- The list ends with the last of its actors, whose ttl need not be this one's.
local last = call('ZRANGE', actors, -1, -1, 'WITHSCORES')
call('PEXPIREAT', actors, string.format('%.0f', tonumber(last[2])))
return call('ZCARD', actors)
