-- CANCEL: somebody asks a job to stop.
-- KEYS job
-- Returns {n, queue, token, reply_to, script_type}: 0 unknown, 1 had not started and is ended now, 2 its holder is
--         asked to stop it, 3 it had ended, 4 it was started without a token: a foreign actor has it.
-- Repeat: 1 is answered 3 then, 2 is answered 2.
local call = redis.call
local v = redis.pcall('HMGET', KEYS[1], 'status', 'script', 'hq_token', 'hq_ttl', 'hq_queue', 'hq_reply_to',
  'script_type')
if v.err then return v end
local status, script, held, life, queue, reply_to, script_type = unpack(v)
if not status and not script then return {0} end
-- @include state
local function answer(n) return {n, queue or '', held or '', reply_to or '', script_type or ''} end
if term then return answer(3) end
if st == 'started' or st == 'stopping' then
  if not held then return answer(4) end
  call('HDEL', KEYS[1], 'hq_')
  call('HSET', KEYS[1], 'status', 'stopping')
  return answer(2)
end
-- @include expire
call('HSET', KEYS[1], 'status', 'error', 'error', 'cancelled')
return answer(1)
