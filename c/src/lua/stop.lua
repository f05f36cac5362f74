-- STOP: the queue's part of a stop.
-- KEYS stops delayed
-- ARGV id, which (1: its holder is to be told; 0: a delayed copy comes at once, and is found terminal)
-- Returns 1.
-- Repeat: only the time changes.
local call = redis.call
local stops, delayed = unpack(KEYS)
-- @include now
-- @include types
local wrong = types('zset', 'zset')
if wrong then return wrong end
call('PERSIST', stops)
if ARGV[2] == '1' then call('ZADD', stops, now, ARGV[1]) else call('ZADD', delayed, 'XX', 'LT', now, ARGV[1]) end
return 1
