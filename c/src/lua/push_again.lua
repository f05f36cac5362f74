-- PUSH_AGAIN: the last step of a requeue: the id is queued, and nothing of its past stays.
-- KEYS Q dead reasons stops recoveries missing
-- ARGV id
-- Returns 1.
-- Repeat: may queue it twice; the copy is found out by TAKE.
local call = redis.call
local Q, dead, reasons, stops, recoveries, missing = unpack(KEYS)
local id = ARGV[1]
-- @include types
local wrong = types('list', 'zset', 'hash', 'zset', 'hash', 'hash')
if wrong then return wrong end
call('PERSIST', Q)
call('LPUSH', Q, id)
call('ZREM', dead, id)
call('HDEL', reasons, id)
call('ZREM', stops, id)
call('HDEL', recoveries, id)
call('HDEL', missing, id)
return 1
