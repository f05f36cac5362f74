-- MARK: a write, whatever else its connection did. WAIT speaks of a connection's own writes only (Redis 7.2, Valkey), so a
-- repeat that finds all done and writes nothing would be told that replicas have it when they do not.
-- KEYS mark
-- Returns 1.
-- Repeat: the same. Passes at maxmemory.
local call = redis.call
local r = redis.pcall('HDEL', KEYS[1], '')
if type(r) == 'table' then return r end
call('HSET', KEYS[1], 'at', 1)
call('PEXPIRE', KEYS[1], 60000)
return 1
