-- PLACE: notes the queue that a stored job is about to be put into.
-- KEYS job
-- ARGV queue
-- Returns 1 noted; 0 not: its run has begun or ended, or it is not there.
-- Repeat: the same.
local v = redis.pcall('HMGET', KEYS[1], 'status', 'script', 'hq_token')
if v.err then return v end
local status, script, held = unpack(v)
-- @include state
if not script or held or term or st == 'started' or st == 'stopping' then return 0 end
local r = redis.pcall('HSET', KEYS[1], 'hq_queue', ARGV[1])
return type(r) == 'table' and r or 1
