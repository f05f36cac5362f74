-- PROMOTE: what is due goes to the left end of the queue, the earliest first.
-- KEYS delayed Q
-- ARGV n, at most 128
-- Returns {promoted, ms until the next is due, or -1}.
-- Repeat: promotes what is due then.
local call = redis.call
local delayed, Q = unpack(KEYS)
-- @include now
-- @include types
local wrong = types('zset', 'list')
if wrong then return wrong end
local ids = call('ZRANGEBYSCORE', delayed, '-inf', now, 'LIMIT', 0, math.min(tonumber(ARGV[1]), 128))
if #ids > 0 then
  call('PERSIST', delayed)
  call('LPUSH', Q, unpack(ids))
  call('ZREM', delayed, unpack(ids))
end
local first = call('ZRANGE', delayed, 0, 0, 'WITHSCORES')
return {#ids, first[2] and math.max(0, math.ceil(tonumber(first[2]) - now)) or -1}
