-- FAIL: the handler failed.
-- KEYS job
-- ARGV token, error, most retries, dead (1: a final failure is to be buried)
-- Returns {n-th failure} to be tried again; {0, reply_to, reason to bury it with or '', text for the reply};
--         {-1} missing; {-2} ended by another; {-3} the token was replaced.
-- Repeat: hq_failed names the token, the same answer.
local call = redis.call
local v = redis.pcall('HMGET', KEYS[1], 'status', 'hq_token', 'hq_ttl', 'hq_failed', 'hq_failres', 'hq_retries',
  'hq_reply_to', 'hq_dead')
if v.err then return v end
local status, held, life, failed, failres, retries, reply_to, dead = unpack(v)
local tok, err = ARGV[1], ARGV[2]
if not status then return {-1} end
-- @include state
-- @include num
local function final() return {0, reply_to or '', dead or '', call('HGET', KEYS[1], 'error') or ''} end
if failed == tok and num(failres) > 0 then return {num(failres)} end
if term then return held == tok and final() or {-2} end
if held ~= tok then return {-3} end
local n = num(retries) + 1
if st ~= 'stopping' and n <= tonumber(ARGV[3]) then
  call('HDEL', KEYS[1], 'hq_token')
  call('HSET', KEYS[1], 'status', 'dispatched', 'hq_last_error', err, 'hq_failed', tok, 'hq_failres', n,
    'hq_retries', n)
  return {n}
end
if st == 'stopping' then
  err, dead = 'cancelled', false
else
  dead = ARGV[4] == '1' and 'failed'
end
if life and dead then life = '2592000000' end
-- @include expire
call('HSET', KEYS[1], 'status', 'error', 'error', err, 'hq_failed', tok, 'hq_failres', 0)
if dead then call('HSET', KEYS[1], 'hq_dead', dead) end
return final()
