-- BEAT: renews the leases of what is held with these tokens.
-- KEYS leases holders stops meta
-- ARGV lease ms, id, token, … (at most 128 pairs, none to look only)
-- Returns {ids that are not mine any more, ids that are asked to stop, 1 if the queue is paused}.
-- Repeat: renews again.
local call = redis.call
local leases, holders, stops, meta = unpack(KEYS)
local paused = redis.pcall('HEXISTS', meta, 'paused')
if type(paused) == 'table' then return paused end
local ids, z, lost, stop = {}, {}, {}, {}
for i = 2, #ARGV, 2 do ids[#ids + 1] = ARGV[i] end
if #ids == 0 then return {lost, stop, paused} end
-- @include now
local hs, ss = call('HMGET', holders, unpack(ids)), call('ZMSCORE', stops, unpack(ids))
for i, id in ipairs(ids) do
  if hs[i] == ARGV[2 * i + 1] then
    z[#z + 1] = now + tonumber(ARGV[1])
    z[#z + 1] = id
    if ss[i] then stop[#stop + 1] = id end
  else
    lost[#lost + 1] = id
  end
end
if #z > 0 then
  call('PERSIST', leases)
  call('ZADD', leases, unpack(z))
end
return {lost, stop, paused}
