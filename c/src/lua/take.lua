-- TAKE: up to n ids from the right end of the queue become this actor's.
-- KEYS Q handoff leases holders delayed recoveries meta
-- ARGV actor, lease ms, n, id that a BLMOVE put into the handoff ('' none), ms until a copy is looked at again,
--      empty (0 I hold ids, 1 I hold none, 2 I hold some and have waited a lease),
--      behind (1 in a pipeline behind a BLMOVE: the id is the oldest in the handoff, if there is one)
-- Returns {word, id, token, …}: OK; ALONE, the one id is a suspect; SUSPECT, the next one is; PAUSED.
-- Repeat: takes further ids. Those of a lost reply are found by MINE, or, with a handoff id, answered again.
local call = redis.call
local Q, handoff, leases, holders, delayed, recoveries, meta = unpack(KEYS)
local actor, lease, empty = ARGV[1], tonumber(ARGV[2]), ARGV[6]
-- @include now
-- @include num
local m = redis.pcall('HMGET', meta, 'seq', 'paused')
if m.err then return m end
local oldest = ARGV[7] == '1' and call('LINDEX', handoff, -1)
local hid = oldest or ARGV[4]
local out, ids, inho, tok = {'OK'}, {}, false, false
if hid ~= '' then
  tok = call('HGET', holders, hid)
  if tok and string.match(tok, ':(.*)$') == actor then
    -- Still in the handoff: a copy of what this actor holds, and looked at again later like every copy.
    if call('LPOS', handoff, hid) then
      local r = redis.pcall('ZADD', delayed, 'LT', whole(now + tonumber(ARGV[5])), hid)
      if type(r) == 'table' then return r end
      call('LREM', handoff, 1, hid)
    end
    return {num(call('HGET', recoveries, hid)) >= 2 and 'ALONE' or 'OK', hid, tok}
  end
  inho = oldest or call('LPOS', handoff, hid)
  if inho then ids[1] = hid end
end
if m[2] then
  if inho then
    call('PERSIST', Q)
    call('RPUSH', Q, hid)
    call('LREM', handoff, 1, hid)
  end
  return {'PAUSED'}
end
local n = math.min(tonumber(ARGV[3]), 127)
if n > 0 then
  local q = call('LRANGE', Q, -n, -1)
  for i = #q, 1, -1 do ids[#ids + 1] = q[i] end
end
if #ids == 0 then return out end
local hs = n == 0 and {tok} or call('HMGET', holders, unpack(ids))
local rs = call('HLEN', recoveries) > 0 and call('HMGET', recoveries, unpack(ids)) or {}
local due = whole(now + lease)
local seq, used, mine, zl, hh, zd = math.max(num(m[1]), now * 1000), 0, {}, {}, {}, {}
for i, id in ipairs(ids) do
  local suspect = rs[i] and num(rs[i]) >= 2
  if hs[i] or mine[id] then
    zd[#zd + 1] = now + tonumber(ARGV[5])
    zd[#zd + 1] = id
  elseif suspect and empty == '2' then
    zd[#zd + 1] = now + lease
    zd[#zd + 1] = id
  elseif suspect and (empty ~= '1' or #out > 1) then
    out[1] = 'SUSPECT'
    break
  else
    seq = seq + 1
    local tok = string.format('%.0f:%s', seq, actor)
    zl[#zl + 1] = due
    zl[#zl + 1] = id
    hh[#hh + 1] = id
    hh[#hh + 1] = tok
    out[#out + 1] = id
    out[#out + 1] = tok
    mine[id] = true
  end
  used = i
  if suspect and mine[id] then
    out[1] = 'ALONE'
    break
  end
end
if #zd > 0 then call('ZCARD', delayed) end
if #zl > 0 then
  -- The server keeps a small hash or zset as a list and searches it for every id. A long name makes it a table, and a
  -- table it stays while there is anything in it.
  local many = #zl >= 32 and string.rep(' ', 65)
  local r = redis.pcall('ZADD', leases, due, many or zl[2])
  if type(r) == 'table' then return r end
  if #zl > 2 then call('ZADD', leases, unpack(zl)) end
  if many then
    call('ZREM', leases, many)
    call('HSET', holders, many, '')
  end
  call('HSET', holders, unpack(hh))
  if many then call('HDEL', holders, many) end
  call('HSET', meta, 'seq', whole(seq))
end
if #zd > 0 then
  call('PERSIST', delayed)
  call('ZADD', delayed, 'LT', unpack(zd))
end
if inho then
  if used == 0 then
    call('PERSIST', Q)
    call('RPUSH', Q, hid)
  else
    used = used - 1
  end
  call('LREM', handoff, 1, hid)
end
if used > 0 then call('LTRIM', Q, 0, -used - 1) end
return out
