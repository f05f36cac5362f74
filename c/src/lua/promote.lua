-- PROMOTE: what is due goes to the left end of the queue, the earliest first.
-- KEYS delayed Q meta
-- ARGV n, at most 128; actor that would keep watch, for so many ms: both may be missing
-- Returns {promoted, ms until the next is due, or -1, ms that another actor keeps watch}.
-- Repeat: promotes what is due then; the watch begins anew.
local call = redis.call
local delayed, Q, meta = unpack(KEYS)
local actor, watch = ARGV[2], tonumber(ARGV[3] or '')
-- @include now
-- @include types
local wrong = types('zset', 'list', 'hash')
if wrong then return wrong end
local ids = call('ZRANGEBYSCORE', delayed, '-inf', now, 'LIMIT', 0, math.min(tonumber(ARGV[1]), 128))
if #ids > 0 then
  call('PERSIST', delayed)
  call('LPUSH', Q, unpack(ids))
  call('ZREM', delayed, unpack(ids))
end
local others = 0
if watch then
  local till, who = string.match(call('HGET', meta, 'watch') or '', '^(%d+) (.*)$')
  local left = who ~= actor and tonumber(till or 0) - now or 0
  -- The server's clock went back: nobody keeps watch for longer than this.
  if left > 0 and left <= 60000 then
    others = left
  elseif watch > 0 or who == actor then
    redis.pcall('HSET', meta, 'watch', string.format('%.0f %s', now + watch, actor))
  end
end
local first = call('ZRANGE', delayed, 0, 0, 'WITHSCORES')
return {#ids, first[2] and math.max(0, math.ceil(tonumber(first[2]) - now)) or -1, others}
