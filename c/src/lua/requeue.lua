-- REQUEUE: makes a job that has ended ready to run again. hq_requeued: from now on a reply without a terminal hash
-- proves nothing. hq_due 0: how long it waits, if it was never started, nobody knows.
-- KEYS job
-- Returns {1, queue, script_type}; {0} busy; {-1} not there, or without a script.
-- Repeat: dispatched without a token is answered 1 as well.
local call = redis.call
local v = redis.pcall('HMGET', KEYS[1], 'status', 'script', 'hq_token', 'hq_queue', 'script_type')
if v.err then return v end
local status, script, held, queue, script_type = unpack(v)
if not script then return {-1} end
-- @include state
if not term and (st ~= 'dispatched' or held) then return {0} end
local r = redis.pcall('HSET', KEYS[1], 'status', 'dispatched', 'hq_requeued', 1, 'hq_due', 0)
if type(r) == 'table' then return r end
call('HDEL', KEYS[1], 'output', 'error', 'hq_token', 'hq_retries', 'hq_failed', 'hq_failres', 'hq_last_error',
  'hq_reply_to', 'hq_dead', 'hq_progress', 'hq_noted', 'hq_expires')
call('PERSIST', KEYS[1])
return {1, queue or '', script_type or ''}
