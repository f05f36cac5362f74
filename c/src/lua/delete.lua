-- DELETE: removes a job that does not run. A tombstone stays, since a copy of the id may be queued.
-- KEYS job
-- ARGV ms that the tombstone stays
-- Returns {1, queue, script_type}; {2, queue} it runs and is asked to stop; {0} unknown.
-- Repeat: the tombstone is replaced by one that is the same.
local call = redis.call
local v = redis.pcall('HMGET', KEYS[1], 'status', 'script', 'hq_token', 'hq_queue', 'script_type')
if v.err then return v end
local status, script, held, queue, script_type = unpack(v)
if not status and not script then return {0} end
-- @include state
if st == 'started' or st == 'stopping' then
  if held then
    call('HDEL', KEYS[1], 'hq_')
    call('HSET', KEYS[1], 'status', 'stopping')
  end
  return {2, queue or ''}
end
call('DEL', KEYS[1])
call('HSET', KEYS[1], 'status', 'error', 'error', 'deleted')
if queue then call('HSET', KEYS[1], 'hq_queue', queue) end
if script_type then call('HSET', KEYS[1], 'script_type', script_type) end
call('PEXPIRE', KEYS[1], ARGV[1])
return {1, queue or '', script_type or ''}
