-- RETRY: gives a held id back to the queue.
-- KEYS leases holders delayed recoveries missing meta Q
-- ARGV id, token, delay ms (< 0: to the right end of Q), why (0 counts nothing; 1 its hash is missing, doubles the
--      delay; 2 its holder dropped it), the most that why may count, seq that meta.seq is raised to (0 none)
-- Returns 1; 0 not held with this token; 2 over the limit: nothing is done, the lease stays.
-- Repeat: not held any more.
local call = redis.call
local leases, holders, delayed, recoveries, missing, meta, Q = unpack(KEYS)
local id, delay, why, max, seq = ARGV[1], tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6])
-- @include now
-- @include num
-- @include types
local wrong = types('zset', 'hash', 'zset', 'hash', 'hash', 'hash', 'list')
if wrong then return wrong end
if call('HGET', holders, id) ~= ARGV[2] then return 0 end
if why ~= '0' then
  local counter = why == '1' and missing or recoveries
  local n = num(call('HGET', counter, id))
  if n >= max then return 2 end
  call('PERSIST', counter)
  call('HSET', counter, id, whole(n + 1))
  if why == '1' then delay = delay * 2 ^ n end
end
call('PERSIST', leases)
if seq > num(call('HGET', meta, 'seq')) then call('HSET', meta, 'seq', whole(seq)) end
if delay < 0 then call('RPUSH', Q, id) else call('ZADD', delayed, whole(now + delay), id) end
call('ZREM', leases, id)
call('HDEL', holders, id)
return 1
