-- START: a canonical actor begins a job that it has popped.
-- KEYS job
-- Returns {1, {fields}}, and hq_due behind them if it is there; {-1} missing; {-2, reply_to, payload, ''} terminal; {-4, reply_to, payload} it was to be
--         stopped, or expired, and has been ended.
-- Repeat: the same.
local call = redis.call
local v = redis.pcall('HMGET', KEYS[1], 'status', 'hq_token', 'hq_reply_to', 'hq_ttl', 'output', 'error',
  'hq_expires', 'script', 'timeout', 'retries', 'callerId', 'contextId', 'env_vars', 'hq_headers',
  'hq_due')
if v.err then return v end
local status, held, reply_to, life, output, err, expires, script = unpack(v, 1, 8)
if not status and not script then return {-1} end
-- @include state
if term then return {-2, reply_to or '', st == 'finished' and output or err or '', ''} end
-- @include num
-- @include expired
local why = st == 'stopping' and 'cancelled' or expired and 'expired'
if why then
  -- @include expire
  call('HSET', KEYS[1], 'status', 'error', 'error', why)
  return {-4, reply_to or '', why}
end
local r = redis.pcall('HSET', KEYS[1], 'status', 'started')
if type(r) == 'table' then return r end
if held or output or err then
  call('HDEL', KEYS[1], 'hq_token', 'output', 'error')
  call('PERSIST', KEYS[1])
end
return {1, {unpack(v, 8, 14)}, v[15] or nil}
