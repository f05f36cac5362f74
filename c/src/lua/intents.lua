-- INTENTS: ids that should have been queued for longer than `grace` and were not: their caller died, or is slow.
-- KEYS intents
-- ARGV grace ms, n, at most 128
-- Returns {id, …}, the oldest first.
-- Repeat: changes nothing.
local call = redis.call
-- @include now
return redis.pcall('ZRANGEBYSCORE', KEYS[1], '-inf', now - tonumber(ARGV[1]), 'LIMIT', 0, math.min(tonumber(ARGV[2]), 128))
