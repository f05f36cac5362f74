-- UNCLAIM: gives a claimed job back unsettled.
-- KEYS job
-- ARGV token, seen (1: a handler saw it, the attempt counts)
-- Returns {1} released; {0} not held with this token; {2, reply_to, '', text} it was to be stopped and has been ended.
-- Repeat: the token is gone, or the hash is terminal under it.
local call = redis.call
local v = redis.pcall('HMGET', KEYS[1], 'status', 'hq_token', 'hq_ttl', 'hq_attempt', 'hq_reply_to')
if v.err then return v end
local status, held, life, attempt, reply_to = unpack(v)
-- @include state
-- @include num
if held ~= ARGV[1] then return {0} end
if not term and st ~= 'stopping' then
  call('HDEL', KEYS[1], 'hq_token')
  local n = num(attempt) - (ARGV[2] == '1' and 0 or 1)
  call('HSET', KEYS[1], 'status', 'dispatched', 'hq_attempt', whole(math.max(0, n)))
  return {1}
end
if not term then
  -- @include expire
  call('HSET', KEYS[1], 'status', 'error', 'error', 'cancelled')
end
return {2, reply_to or '', '', call('HGET', KEYS[1], st == 'finished' and 'output' or 'error') or ''}
