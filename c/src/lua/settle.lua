-- SETTLE: a waiter writes what a foreign actor only put into output, or only replied.
-- KEYS job
-- ARGV from ('output' or 'reply'), the value it saw there
-- Returns 1 written; 0 not: terminal meanwhile, another output, or (reply) requeued or an output stands there.
-- Repeat: terminal, 0.
local call = redis.call
local v = redis.pcall('HMGET', KEYS[1], 'status', 'script', 'output', 'hq_requeued', 'hq_ttl')
if v.err then return v end
local status, script, output, requeued, life = unpack(v)
-- @include state
if term or not status and not script then return 0 end
if ARGV[1] == 'output' then
  if output ~= ARGV[2] then return 0 end
elseif requeued or output then
  return 0
end
-- @include expire
call('HSET', KEYS[1], 'output', ARGV[2], 'status', 'finished')
return 1
