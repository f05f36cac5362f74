-- Writes the result of a run, KEYS job, ARGV token output. n: 1 written, 2 written before; reply_to: who is to be answered.
local v = redis.pcall('HMGET', KEYS[1], 'status', 'hq_token', 'hq_ttl', 'hq_reply_to')
if v.err then return v end
local status, held, life, reply_to = unpack(v)
local n = 1
if held ~= ARGV[1] or status ~= 'started' then
  if not status then return -1 end
  -- @include state
  if term then
    if held ~= ARGV[1] then return -2 end
    n = 2
  end
  if held ~= ARGV[1] then return -3 end
end
if n == 1 then
  -- @include expire
  call('HSET', KEYS[1], 'output', ARGV[2], 'status', 'finished')
end
