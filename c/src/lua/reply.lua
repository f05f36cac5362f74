-- REPLY: sends a result to who waits.
-- KEYS reply
-- ARGV payload, keep (1: a waiter's shared list, nothing is cut off)
-- Returns the length of the list.
-- Repeat: a second reply; it ends with the list, and the hash decides.
local r = redis.pcall('LTRIM', KEYS[1], 0, ARGV[2] == '1' and -1 or 14)
if r.err then return r end
local n = redis.call('LPUSH', KEYS[1], ARGV[1])
redis.call('PEXPIRE', KEYS[1], 3600000)
return n
