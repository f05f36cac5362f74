-- AWAIT: says where the result is to be sent, and how the job stands.
-- KEYS job
-- ARGV reply list ('' to look only)
-- Returns nil without a hash; {status, output, error, has_token, requeued, script_type, queue}.
-- Repeat: the same.
local call = redis.call
local v = redis.pcall('HMGET', KEYS[1], 'status', 'output', 'error', 'hq_token', 'hq_requeued', 'script_type',
  'hq_queue', 'script', 'hq_reply_to')
if v.err then return v end
local status, output, err, held, requeued, script_type, queue, script, reply_to = unpack(v, 1, 9)
if not status and not script then return false end
-- @include state
if not term and ARGV[1] ~= '' and reply_to ~= ARGV[1] then
  call('HDEL', KEYS[1], 'hq_')
  call('HSET', KEYS[1], 'hq_reply_to', ARGV[1])
end
return {st, output, err, held and 1 or 0, requeued and 1 or 0, script_type or '', queue or ''}
