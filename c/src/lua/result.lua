-- RESULT: a canonical actor, or a caller of set_result, writes the result.
-- KEYS job
-- ARGV failed (0 or 1), output or error
-- Returns 1 written, 2 the same stands there: {n, reply_to} where somebody is to be answered; -1 missing; -2 ended
--         otherwise.
-- Repeat: answers 2.
local call = redis.call
local field, ends = 'output', 'finished'
if ARGV[1] == '1' then field, ends = 'error', 'error' end
local v = redis.pcall('HMGET', KEYS[1], 'status', 'script', field, 'hq_ttl', 'hq_reply_to')
if v.err then return v end
local status, script, value, life, reply_to = unpack(v)
if not status and not script then return -1 end
-- @include state
local n = 1
if term then
  if st ~= ends or value ~= ARGV[2] then return -2 end
  n = 2
else
  -- @include expire
  call('HSET', KEYS[1], field, ARGV[2], 'status', ends)
end
if reply_to then return {n, reply_to} end
return n
