-- CTL: tells foreign actors of a type to stop a job.
-- KEYS ctl
-- ARGV id
-- Returns the length of the list, at most 256.
-- Repeat: the id lies there twice, and stopping twice is harmless.
local r = redis.pcall('LTRIM', KEYS[1], 0, 254)
if r.err then return r end
local n = redis.call('LPUSH', KEYS[1], ARGV[1])
redis.call('PEXPIRE', KEYS[1], 3600000)
return n
