-- REAP: ids of silent holders go back, and so do those that lie in the handoff for too long.
-- KEYS Q handoff seen leases holders recoveries missing stops delayed dead reasons meta
-- ARGV actor, batch, most recoveries, first backoff ms, interval ms, lease ms, grace of the handoff ms, ms that stop
--      requests stay, ms that dead letters stay
-- Returns {lost, handed back, id, token, …}: the pairs have been lost too often and are the caller's now, to KILL.
-- Repeat: within half an interval nothing; pairs of a lost reply run out again.
local call = redis.call
local Q, handoff, seen, leases, holders, recoveries, missing, stops, delayed, dead, reasons, meta = unpack(KEYS)
local actor, batch, most, base, interval, lease = ARGV[1], math.min(tonumber(ARGV[2]), 128), tonumber(ARGV[3]),
  tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local grace, keep_stops, keep_dead = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
-- @include now
-- @include num
-- @include types
local wrong = types('list', 'list', 'zset', 'zset', 'hash', 'hash', 'hash', 'zset', 'zset', 'zset', 'hash', 'hash')
if wrong then return wrong end
local m = call('HMGET', meta, 'last_reap', 'seq')
local last, seq = num(m[1]), math.max(num(m[2]), now * 1000)
if now >= last and now - last < interval / 2 then return {0, 0} end
local outage = last > 0 and (now < last or now - last > lease / 2)
local lost, back, kill = 0, 0, {}
call('PERSIST', meta)
-- The server's clock went back: no lease may stand further ahead than it could have been given.
for _, id in ipairs(call('ZRANGEBYSCORE', leases, now + 2 * lease, '+inf', 'LIMIT', 0, batch)) do
  call('ZADD', leases, now + lease, id)
end
local ids = call('ZRANGEBYSCORE', leases, '-inf', outage and now + lease / 2 or now, 'WITHSCORES', 'LIMIT', 0, batch)
-- A full batch leaves last_reap: the next call goes on.
if #ids < 2 * batch then call('HSET', meta, 'last_reap', whole(now)) end
for i = 1, #ids, 2 do
  local id, due = ids[i], tonumber(ids[i + 1])
  if outage and due % 1 == 0 then
    -- The half marks it until its holder renews it, so that an outage extends a lease once only.
    call('ZADD', leases, string.format('%.1f', now + lease + 0.5), id)
  elseif due <= now then
    local r = num(call('HGET', recoveries, id)) + 1
    call('HSET', recoveries, id, whole(r))
    lost = lost + 1
    if r > most then
      -- The mark at the end keeps MINE from giving it out as a job to run.
      seq = seq + 1
      local tok = string.format('%.0f:%s!', seq, actor)
      call('ZADD', leases, now + lease, id)
      call('HSET', holders, id, tok)
      kill[#kill + 1] = id
      kill[#kill + 1] = tok
    else
      if r == 1 then call('RPUSH', Q, id) else call('ZADD', delayed, whole(now + base * 2 ^ (r - 2)), id) end
      call('ZREM', leases, id)
      call('HDEL', holders, id)
    end
  end
end
if #kill > 0 then call('HSET', meta, 'seq', whole(seq)) end
for _, id in ipairs(call('LRANGE', handoff, -batch, -1)) do
  local s = call('ZSCORE', seen, id)
  if not s then
    call('ZADD', seen, now, id)
  elseif now - tonumber(s) >= grace then
    if id == '' then -- no TAKE can name it: from Q it would come back here
      call('ZADD', dead, now, id)
      call('HSET', reasons, id, 'bad_id')
    else
      call('RPUSH', Q, id)
    end
    call('LREM', handoff, -1, id)
    call('ZREM', seen, id)
    back = back + 1
  end
end
call('ZREMRANGEBYSCORE', seen, '-inf', now - 10 * grace)
call('ZREMRANGEBYSCORE', stops, '-inf', now - keep_stops)
local old = call('ZRANGEBYSCORE', dead, '-inf', now - keep_dead, 'LIMIT', 0, batch)
if #old > 0 then
  call('ZREM', dead, unpack(old))
  call('HDEL', reasons, unpack(old))
end
-- Ids that foreign actors took stay here.
for _, key in ipairs({recoveries, missing}) do
  if call('HLEN', key) > 10000 then call('HDEL', key, unpack(call('HRANDFIELD', key, 100))) end
end
return {lost, back, unpack(kill)}
